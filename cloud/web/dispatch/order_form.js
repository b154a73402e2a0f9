// A new order, urgent by default: the place from the map or typed, and what became of it.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { get, post, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Field, Refusal, sentence } from "../look/parts.js";
import { promised, Service } from "./order_detail.js";
import { vanOf } from "./order_list.js";
import { waits } from "./rounds.js";

const LOOK_AGAIN_MS = 500;
const PATIENCE_MS = 60_000;
const PLACE = ["lat, lon", "place"];
const SHOWN = [...PLACE, "address", "lat", "lon", "parcels", "window", "window.from", "window.to", "window_kind", "wait_until", "recipient.name", "recipient.phone", "note"];
const BLANK = { address: "", lat: "", lon: "", parcels: "1", from: "", to: "", name: "", phone: "", note: "", priority: "urgent", windowKind: "hard", waitUntil: "" };

/**
 * The form; `place` is what was clicked on the map, `onPlace` moves its pin. `onPosted(vanId | null)`
 * is told when the order is taken, and again when a van has it.
 */
export function OrderForm({ state, place, hasMap, onPlace, onPosted, onAgain, onBack, onVan }) {
  const [draft, setDraft] = useState(BLANK);
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const [made, setMade] = useState(null);
  useEffect(() => {
    if (place !== null) setDraft((before) => ({ ...before, lat: String(place.lat), lon: String(place.lon) }));
  }, [place]);

  const change = (name) => (event) => {
    const next = { ...draft, [name]: event.target.value };
    setDraft(next);
    if (name === "lat" || name === "lon") onPlace(placeOf(next));
  };
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const order = await post("orders", bodyOf(draft, state));
      state.orders = new Map(state.orders).set(order.id, order);
      setMade(order.id);
      onPosted(null);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
    setBusy(false);
  };
  if (made !== null) {
    const again = () => {
      setMade(null);
      setDraft(BLANK);
      onAgain();
    };
    return html`<${Answer} state=${state} orderId=${made} onBack=${onBack} onAgain=${again} onVan=${onVan} onPosted=${onPosted} />`;
  }
  const field = { draft, problem, change };
  return html`
    <section class="detail" aria-label="New order">
      <${Chosen} title=${draft.priority === "urgent" ? "Urgent order" : "Order"} onBack=${onBack} back="Close without an order" />
      <form class="form" onSubmit=${send}>
        <p class="hint-line">${hasMap
          ? "Click the place on the map; the pin can be dragged. Or type its coordinates."
          : "Type the coordinates of the place in degrees."}</p>
        <div class="pair">
          <${Line} ...${field} name="lat" label="Latitude" fields=${["lat"]} inputmode="decimal" placeholder="−29.90591" required />
          <${Line} ...${field} name="lon" label="Longitude" fields=${["lon"]} inputmode="decimal" placeholder="−71.25014" required />
        </div>
        <${PlaceProblem} problem=${problem} />
        <${Line} ...${field} name="address" label="Address" fields=${["address"]} maxlength="500" required />
        <div class="triple">
          <${Line} ...${field} name="parcels" label="Parcels" fields=${["parcels"]} type="number" min="1" max="1000" required />
          <${Line} ...${field} name="from" label="From" fields=${["window", "window.from"]} type="time" />
          <${Line} ...${field} name="to" label="Until" fields=${["window.to"]} type="time" />
        </div>
        ${(draft.from !== "" || draft.to !== "") && html`
          <label class="check"><input type="checkbox" checked=${draft.windowKind === "soft"}
            onChange=${(event) => setDraft({ ...draft, windowKind: event.target.checked ? "soft" : "hard" })} /> Only preferred: it may come later where that is cheaper</label>`}
        <div class="pair">
          <${Line} ...${field} name="name" label="Recipient" fields=${["recipient.name"]} maxlength="500" autocomplete="off" />
          <${Line} ...${field} name="phone" label="Phone" fields=${["recipient.phone"]} maxlength="500" type="tel" autocomplete="off" />
        </div>
        <${Line} ...${field} name="note" label="Note for the driver" fields=${["note"]} maxlength="500" />
        ${draft.priority !== "urgent" && html`
          <${Line} ...${field} name="waitUntil" label="May wait until" fields=${["wait_until"]} type="date" min=${state.day} />`}
        <fieldset class="choice">
          <legend class="visually-hidden">How urgent it is</legend>
          ${[["urgent", "Urgent: change routes at once"], ["normal", "Normal"]].map(([value, label]) => html`
            <label><input type="radio" name="priority" value=${value} checked=${draft.priority === value}
              onChange=${change("priority")} /> ${label}</label>`)}
        </fieldset>
        <${Refusal} problem=${problem} shown=${SHOWN} />
        <p class="actions">
          <button class="button primary" type="submit" disabled=${isBusy}>${isBusy ? "Sending…" : "Post the order"}</button>
          <button class="button plain" type="button" onClick=${onBack}>Close</button>
        </p>
      </form>
    </section>`;
}

function Line({ draft, change, name, required = false, ...rest }) {
  return html`<${Field} id=${`order-${name}`} value=${draft[name]} onInput=${change(name)} isOptional=${!required} ...${rest} />`;
}

function PlaceProblem({ problem }) {
  const found = problem?.fields.find(({ field }) => PLACE.includes(field));
  return found === undefined ? null : html`<p class="problem" role="alert">${sentence(found)}</p>`;
}

function number(text) {
  return text.trim() === "" ? NaN : Number(text.replace("−", "-").replace(",", "."));
}

function placeOf({ lat, lon }) {
  const place = { lat: number(lat), lon: number(lon) };
  return Math.abs(place.lat) <= 90 && Math.abs(place.lon) <= 180 ? place : null;
}

function bodyOf(draft, state) {
  const lat = number(draft.lat);
  const lon = number(draft.lon);
  const wrong = [["lat", lat], ["lon", lon]].filter(([, value]) => Number.isNaN(value));
  if (wrong.length > 0) {
    throw new Problem(0, "The place is missing.", wrong.map(([field]) => ({
      field, problem: "is not a number", remedy: "click the map, or type degrees such as -29.90591",
    })));
  }
  return {
    depot_id: state.depot.id,
    service_date: state.day,
    address: draft.address.trim(),
    lat,
    lon,
    parcels: Number(draft.parcels),
    priority: draft.priority,
    wait_until: draft.priority === "urgent" ? null : draft.waitUntil || null,
    window: windowOf(draft, state),
    window_kind: draft.from === "" && draft.to === "" ? "hard" : draft.windowKind,
    recipient: { name: draft.name.trim() || null, phone: draft.phone.trim() || null },
    note: draft.note.trim() || null,
  };
}

function windowOf({ from, to }, { times, day, depot, clock }) {
  if (from === "" && to === "") return null;
  const begins = from === "" ? new Date(clock.nowMs()).toISOString() : times.instant(day, from);
  const ends = to === "" ? depot.shift_end : to;
  const isNightShift = depot.shift_end <= depot.shift_start;
  const isNextDay = isNightShift && ends <= (from || depot.shift_start);
  return { from: begins, to: times.instant(day, ends, isNextDay ? 1 : 0) };
}

function Answer({ state, orderId, onBack, onAgain, onVan, onPosted }) {
  const isOver = useFollowing(state, orderId);
  const order = state.orders.get(orderId);
  const vanId = vanOf(state, order)?.id ?? null;
  useEffect(() => onPosted(vanId), [vanId]);
  const left = state.plan.unserved.find((one) => one.order_id === orderId);
  const isServed = order.route_id !== null;
  return html`
    <section class="detail" aria-label="Order posted" aria-live="polite">
      <${Chosen} title="Order posted" onBack=${onBack} back="Close" />
      <p class="hint-line">${order.address}</p>
      ${isServed && html`<${Service} state=${state} order=${order} onVan=${onVan} />`}
      ${isServed && order.promise && html`<p data-promise>Promised <b class="figures">${promised(order, state.times)}</b></p>`}
      ${!isServed && waits(left) && html`<p class="note">It ${left.reason}.</p>`}
      ${!isServed && left !== undefined && !waits(left) && html`<p class="note bad">No van can take it: ${left.reason}. Free a van, widen its window, or plan the day again.</p>`}
      ${!isServed && left === undefined && html`<p class="note">${isOver
        ? "Still not planned. It is kept as “To do”; see the plan's revisions, or plan the day again."
        : "Finding the best van and stop…"}</p>`}
      <p class="actions">
        <button class="button primary" type="button" onClick=${onAgain}>Another order</button>
        <button class="button plain" type="button" onClick=${onBack}>Close</button>
      </p>
    </section>`;
}

/** Looks at the order until it is on a route; whether patience is over. */
function useFollowing(state, orderId) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const since = performance.now();
    const look = async () => {
      const order = await get(`orders/${encodeURIComponent(orderId)}`).catch(() => null);
      const isPlanned = order !== null && order.route_id !== null;
      if (isPlanned) {
        state.orders = new Map(state.orders).set(order.id, order);
        await state.safely(() => state.readPlan());
      }
      if (isPlanned || performance.now() - since > PATIENCE_MS) {
        clearInterval(timer);
        setOver(true);
      }
    };
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [orderId]);
  return isOver;
}
