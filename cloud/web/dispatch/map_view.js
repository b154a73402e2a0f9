// The map as part of the board: turns what the board knows into what the map shows.

import { useEffect, useRef, useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { corners, drawn, placesOf, preview } from "./fences.js";
import { ORDER_COLOURS, VAN_COLOURS, vanColour } from "./palette.js";
import { drawnArea } from "./access_areas.js";
import { drawnRoad, previewRoad, roadInWords, roadStanding } from "./road_rules.js";
import { groupOf, isStale, waits } from "./rounds.js";

const WEIGHTS = { done: 0, todo: 1, under_way: 2, trouble: 3, unserved: 4, urgent: 5 };

/** Whether this browser can draw the map at all. */
export function hasWebGl() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

/**
 * The map of the board. `chosen` is {vanId, orderId, fenceId, draft, roadId, roadDraft, areaId, areaDraft}, `picking` {isOn, place};
 * `onFail(reason)` is called when there can be no map.
 */
export function MapView({ state, chosen, picking, onVan, onOrder, onFence, onRoad, onAccess, onPlace, onFail }) {
  const container = useRef(null);
  const [isDrawn, setDrawn] = useState(state.city?.bbox === undefined);
  const map = useRef(null);
  const told = useRef({});
  told.current = { onVan, onOrder, onFence, onRoad, onAccess, onPlace, onFail, onDrawn: () => setDrawn(true) };
  useEffect(() => open(container.current, state, map, told), []);
  useEffect(() => {
    if (map.current !== null) show(map.current, state, chosen, picking);
  });
  return html`
    <div class="map-side">
      <div class="map" ref=${container} role="region" aria-label="Map"></div>
      ${state.replay !== null ? html`<${PastSign} state=${state} />` : state.desk.shown !== null ? html`<${ProposalSign} />` : html`<${Legend} />`}
      <p class="drawing" role="status">${isDrawn ? "" : "Drawing the streets…"}</p>
    </div>`;
}

/** Says that what the map shows is not now. */
function PastSign({ state }) {
  const { replay, vans, times } = state;
  return html`<p class="legend past-sign"><b>The past:</b> ${vans.get(replay.vanId)?.name}, ${times.date(replay.nowMs)}, <b class="figures">${times.exact(replay.nowMs)}</b></p>`;
}

function ProposalSign() {
  return html`
    <ul class="legend proposal-sign" aria-label="Lines of the proposal">
      <li><b>Proposal</b></li><li><span class="stroke dashed"></span>as it is</li><li><span class="stroke"></span>as proposed</li>
      <li><span class="ring"></span>added or moved</li>
    </ul>`;
}

function Legend() {
  const groups = [
    ["todo", "To do"], ["under_way", "Aboard"], ["done", "Delivered"], ["trouble", "In trouble"], ["unserved", "Unserved"],
  ];
  return html`
    <ul class="legend" aria-label="Colours of orders">
      ${groups.map(([group, label]) => html`<li><span style=${{ background: ORDER_COLOURS[group] }}></span>${label}</li>`)}
      <li><span class="urgent" style=${{ background: ORDER_COLOURS.urgent }}>!</span>Urgent</li>
    </ul>`;
}

function open(container, state, map, told) {
  let isGone = false;
  import("./map.js").then(({ BoardMap }) => {
    if (isGone) return;
    map.current = new BoardMap({
      container,
      bbox: state.city?.bbox,
      attribution: attribution(state.city),
      onVan: (id) => told.current.onVan(id),
      onOrder: (id) => told.current.onOrder(id),
      onFence: (id) => told.current.onFence(id),
      onRoad: (id) => told.current.onRoad(id),
      onAccess: (id) => told.current.onAccess(id),
      onDrawn: () => told.current.onDrawn(),
      onPlace: (place) => told.current.onPlace(place),
      onFail: () => told.current.onFail("The graphics card gave the map up"),
      onTrouble: (text) => state.say(`A part of the map is missing: ${text}. Reload the page; if it stays, import the city again.`),
    });
    map.current.shown = {};
    state.tell();
  }).catch((error) => told.current.onFail(`The map could not start (${error.message})`));
  return () => {
    isGone = true;
    map.current?.close();
    map.current = null;
  };
}

/** What the licence of the street data asks to be shown. */
export function attribution(city) {
  const said = city?.attribution ?? "";
  return said.includes("OpenStreetMap") ? said : `${said} © OpenStreetMap contributors`.trim();
}

function show(map, state, { vanId, orderId, fenceId, draft, roadId, roadDraft, areaId, areaDraft }, picking) {
  const changed = (part, ...from) => {
    const before = map.shown[part];
    map.shown[part] = from;
    return before === undefined || before.some((value, index) => value !== from[index]);
  };
  const isPast = state.replay !== null;
  map.showVans(isPast ? [] : vansOn(state, vanId));
  if (changed("routes", state.routes, vanId, isPast, state.desk.shown)) map.showFeatures("routes", isPast ? [] : routesOn(state, vanId));
  if (changed("stops", state.routes, vanId, isPast)) map.showFeatures("stops", isPast ? [] : stopsOn(state, vanId));
  if (changed("orders", state.orders, state.plan, vanId, orderId, isPast)) {
    map.showFeatures("orders", isPast ? [] : ordersOn(state, vanId, orderId));
  }
  if (changed("proposed", state.desk.shown, isPast)) {
    map.showFeatures("proposed", isPast ? [] : state.desk.shown?.features ?? []);
    if (!isPast && state.desk.shown !== null) map.fit(state.desk.shown.places);
  }
  if (changed("fences", state.book.fences, fenceId, draft?.id)) map.showFeatures("fences", fencesOn(state, fenceId, draft));
  if (changed("roads", state.roads.rules, state.roads.areas, roadId, roadDraft?.id, areaId, areaDraft?.id, standings(state))) {
    map.showFeatures("roads", [...areasOn(state, areaId, areaDraft), ...roadsOn(state, roadId, roadDraft)]);
  }
  if (changed("draft", draft, roadDraft ?? areaDraft, state.roads.along)) {
    map.showFeatures("draft", (draft ?? areaDraft) !== null ? preview(draft ?? areaDraft) : roadDraft !== null ? previewRoad(roadDraft, state.roads.along) : []);
  }
  if (changed("depot", state.depot) && state.depot !== null) map.showDepot(state.depot);
  if (changed("picking", picking.isOn, picking.place)) map.pick(picking.isOn, picking.place);
  showPast(map, state, changed);
  const isElsewhere = changed("view", state.depot, vanId, state.routes.size > 0, isPast);
  if (isElsewhere && !picking.isOn && !isPast && fenceId === null && roadId === null && areaId === null) look(map, state, vanId);
  if (changed("order", orderId) && state.orders.has(orderId)) map.lookAt(state.orders.get(orderId));
  if (changed("fence", fenceId) && state.book.fences.has(fenceId)) map.fit(placesOf(state.book.fences.get(fenceId)));
  const shape = (state.roads.rules.get(roadId) ?? state.roads.areas.get(areaId))?.geometry;
  if (changed("road", roadId, areaId) && shape !== undefined) map.fit(corners(shape).map(([lon, lat]) => ({ lat, lon })));
}

function showPast(map, state, changed) {
  const { replay, pastLook } = state;
  const line = replay?.line ?? [];
  const colour = vanColour([...state.vans.keys()].indexOf(replay?.vanId));
  if (changed("past", line.length === 0 ? null : line)) {
    map.showFeatures("past", line.map((one) => ({ ...one, properties: { ...one.properties, colour } })));
  }
  const place = replay?.place ?? null;
  if (changed("ghost", place?.lon, place?.lat)) map.showGhost(place === null ? null : { ...place, icon: ghostIcon(state, place) });
  if (changed("pastTrack", replay?.track) && replay?.track?.isEmpty === false) {
    map.fit(replay.track.between(replay.track.beginsMs, replay.track.endsMs));
  }
  if (changed("pastLook", pastLook) && pastLook !== null) map.fit(pastLook);
}

function ghostIcon({ vans, replay }, { isKnown, course }) {
  if (!isKnown) return "van-silent";
  const index = [...vans.keys()].indexOf(replay.vanId);
  return `van-${index % VAN_COLOURS.length}-${course === null ? "standing" : "moving"}`;
}

function fencesOn(state, fenceId, draft) {
  return [...state.book.fences.values()]
    .filter(({ id }) => id !== draft?.id)
    .flatMap((fence) => drawn(fence, { isSelected: fence.id === fenceId }));
}

/** How the rules of the streets stand now, in one word: it changes when one begins or ends. */
function standings({ roads, clock }) {
  const now = clock.nowMs();
  return [...roads.rules.values()].map((rule) => roadStanding(rule, now)).join();
}

function areasOn(state, areaId, areaDraft) {
  return [...state.roads.areas.values()].filter(({ id }) => id !== areaDraft?.id).flatMap((area) => drawnArea(area, area.id === areaId));
}

function roadsOn(state, roadId, roadDraft) {
  const now = state.clock.nowMs();
  return [...state.roads.rules.values()].flatMap((rule) => {
    const standing = roadStanding(rule, now);
    const isSelected = rule.id === roadId;
    if (rule.id === roadDraft?.id || (standing === "ended" && !isSelected)) return [];
    const words = roadInWords(rule, state.times, now);
    const label = rule.properties.name === "" ? words : `${rule.properties.name}\n${words}`;
    return drawnRoad(rule, { label, isSelected, standing });
  });
}

function look(map, state, vanId) {
  const route = state.routes.get(vanId);
  const at = state.vans.get(vanId)?.position;
  if (vanId !== null) {
    map.fit([...(route?.stops ?? []), ...(at ? [at] : [])]);
    return;
  }
  map.fit([...state.routes.values()].flatMap((one) => one.stops));
}

function vansOn(state, vanId) {
  const now = state.judgedMs;
  return [...state.vans.values()].flatMap((van, index) => {
    if (van.position === null) return [];
    const isSilent = isStale(van, now, state.clock.speed);
    const isTurned = !isSilent && (van.position.speed_mps ?? 0) > 0.8;
    const isSelected = van.id === vanId;
    const kind = isTurned ? "moving" : "standing";
    return [{
      id: van.id,
      name: van.name,
      position: van.position,
      icon: isSilent ? "van-silent" : `van-${index % VAN_COLOURS.length}-${kind}`,
      weight: isSelected ? 2 : Number(!isSilent),
      opacity: vanId === null || isSelected ? 1 : 0.6,
      isSelected,
      isTurned,
    }];
  });
}

function routesOn(state, vanId) {
  const { shown } = state.desk;
  return [...state.vans.keys()].flatMap((id, index) => {
    const route = state.routes.get(id);
    if (route === undefined || route.state === "finished") return [];
    if (shown?.vanIds?.has(id)) return [];
    const isSelected = id === vanId;
    return [{
      type: "Feature",
      properties: { colour: vanColour(index), isSelected, opacity: vanId === null && shown === null ? 0.5 : 0.16 },
      geometry: route.geometry,
    }];
  });
}

function stopsOn(state, vanId) {
  const route = state.routes.get(vanId);
  if (route === undefined) return [];
  const colour = vanColour([...state.vans.keys()].indexOf(vanId));
  const next = route.stops.find((stop) => stop.state !== "done");
  return route.stops.map((stop, index) => ({
    type: "Feature",
    properties: {
      colour,
      order: stop.kind === "delivery" ? stop.order_ids[0] : "",
      label: stop.state === "done" ? "✓" : stop.kind === "pickup" ? "P" : String(index + 1),
      isDone: stop.state === "done",
      isNext: stop === next,
      weight: stop === next ? 1000 : stop.state === "done" ? 0 : 500 - index,
    },
    geometry: { type: "Point", coordinates: [stop.lon, stop.lat] },
  }));
}

function ordersOn(state, vanId, orderId) {
  const unserved = new Set(state.plan.unserved.filter((left) => !waits(left)).map((left) => left.order_id));
  const onRoute = new Set(state.routes.get(vanId)?.stops.flatMap((stop) => stop.order_ids));
  return [...state.orders.values()].flatMap((order) => {
    const group = groupOf(order);
    if (group === "cancelled" || onRoute.has(order.id)) return [];
    const isUrgent = order.priority === "urgent" && ["todo", "under_way"].includes(group);
    const kind = unserved.has(order.id) ? "unserved" : isUrgent ? "urgent" : group;
    const isSelected = order.id === orderId;
    return [{
      type: "Feature",
      properties: {
        order: order.id,
        colour: ORDER_COLOURS[kind],
        radius: isSelected ? 9 : isUrgent || kind === "unserved" ? 6.5 : 3.6,
        opacity: isSelected ? 1 : vanId !== null ? 0.3 : kind === "done" ? 0.55 : 0.95,
        weight: isSelected ? 9 : WEIGHTS[kind],
        isUrgent,
      },
      geometry: { type: "Point", coordinates: [order.lon, order.lat] },
    }];
  });
}
