// What a proposal looks like on the map: the paths of the vans it touches, as they are and as they would be.

import { get } from "../look/api.js";
import { vanColour } from "./palette.js";

const POINTS_AT_ONCE = 25;
const MOST_VANS = 24;

/**
 * The paths of the vans whose visits would change: {features, places, more}, of at most MOST_VANS;
 * `more` counts the others. `items` are what each van would visit.
 */
export async function proposedPaths(proposal, items, state) {
  const changed = items.filter((one) => isOther(one, state.routes.get(one.vehicle_id)));
  const emptied = [...state.routes.values()]
    .filter((route) => visitsOf(route).length > 0 && !items.some((one) => one.vehicle_id === route.vehicle_id))
    .map((route) => ({ vehicle_id: route.vehicle_id, visits: [] }));
  const touched = [...changed, ...emptied];
  const shown = touched.slice(0, MOST_VANS);
  const ends = new Map(await Promise.all(shown.map(async ({ vehicle_id: vanId }) => [vanId, await endsOf(vanId, state)])));
  const paths = await Promise.all(shown.map(async ({ vehicle_id: vanId, visits }) => {
    const colour = vanColour([...state.vans.keys()].indexOf(vanId));
    const route = state.routes.get(vanId);
    const after = visits.length === 0 ? null : await wayThrough(placesOf(route, visits, state, vanId, ends.get(vanId)));
    return [line(route?.geometry, colour, "before"), line(after, colour, "after")].filter(Boolean);
  }));
  const told = new Set([...proposal.diff.added, ...proposal.diff.moved.map((one) => one.order_id)]);
  const orders = [...told].map((id) => state.orders.get(id)).filter(Boolean);
  return {
    features: [...paths.flat(), ...orders.map(dot)],
    places: shown.flatMap(({ visits, vehicle_id: vanId }) => placesOf(state.routes.get(vanId), visits, state, vanId, ends.get(vanId))),
    vanIds: new Set(touched.map((one) => one.vehicle_id)),
    more: touched.length - shown.length,
  };
}

/** What a van still has to visit on a route, in its order. */
export function visitsOf(route) {
  const open = (route?.stops ?? []).filter((stop) => stop.state !== "done");
  return open.flatMap((stop) => stop.order_ids.map((id) => ({ order_id: id, kind: stop.kind })));
}

function isOther({ visits }, route) {
  const words = (list) => list.map(({ order_id: id, kind }) => `${kind} ${id}`).join();
  return words(visits) !== words(visitsOf(route));
}

/** From the van through what it would visit to where its shift ends; doors that follow each other are one place. */
function placesOf(route, visits, state, vanId, { start, end }) {
  const at = state.vans.get(vanId)?.position;
  const isOut = route?.state === "under_way" && at;
  const all = [isOut ? at : start, ...visits.map((visit) => placeOf(visit, state)).filter(Boolean), end];
  return all.filter(({ lat, lon }, index) => index === 0 || lat !== all[index - 1].lat || lon !== all[index - 1].lon);
}

/** Where a van stands before its shift and after it: its own places, else the depot. */
async function endsOf(vanId, { depot }) {
  const van = await get(`vehicles/${encodeURIComponent(vanId)}`);
  const own = (lat, lon) => lat === null || lon === null ? depot : { lat, lon };
  return { start: own(van.start_lat, van.start_lon), end: own(van.end_lat, van.end_lon) };
}

function placeOf({ order_id: id, kind }, state) {
  for (const route of state.routes.values()) {
    const stop = route.stops.find((one) => one.kind === kind && one.order_ids.includes(id));
    if (stop !== undefined) return stop;
  }
  const order = state.orders.get(id);
  if (order === undefined) return undefined;
  const isAtDoor = (kind === "pickup") === (order.kind === "return");
  return isAtDoor ? order : order.pickup ?? state.depot;
}

/** The way along the streets, in as many questions as it takes; straight lines where the streets give none. */
async function wayThrough(places) {
  const parts = [];
  for (let from = 0; from < places.length - 1; from += POINTS_AT_ONCE - 1) {
    const points = places.slice(from, from + POINTS_AT_ONCE);
    const query = new URLSearchParams(points.map(({ lat, lon }) => ["point", `${lat},${lon}`]));
    parts.push(get(`roads/way?${query}`).then(({ geometry }) => geometry.coordinates).catch(() => points.map(({ lat, lon }) => [lon, lat])));
  }
  return { type: "LineString", coordinates: (await Promise.all(parts)).flat() };
}

function line(geometry, colour, part) {
  if (geometry == null || geometry.coordinates.length < 2) return null;
  return { type: "Feature", geometry, properties: { part, colour } };
}

function dot({ id, lat, lon }) {
  return { type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] }, properties: { part: "moved", order: id } };
}
