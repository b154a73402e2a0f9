// One order: where it stands, what was promised, and how to call it off.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { get, post, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Chosen, Fact, Refusal } from "../look/parts.js";
import { OrderRules } from "./day_rules.js";
import { vanOf } from "./order_list.js";
import { OrderChip } from "./parts.js";
import { groupOf, isCancellable, stateInWords, waits } from "./rounds.js";
import { Passed } from "./passed.js";
import { place } from "./van_list.js";

/** The chosen order. */
export function OrderDetail({ state, order, onBack, onVan }) {
  const personal = usePersonal(order);
  const left = state.plan.unserved.find((one) => one.order_id === order.id);
  const { times } = state;
  return html`
    <section class="detail" aria-label=${order.address}>
      <${Chosen} title=${order.address} onBack=${onBack} back="Back to all orders" />
      <p class="chips">
        <${OrderChip} order=${order} isUnserved=${left !== undefined} isWaiting=${waits(left)} />
        ${order.priority === "urgent" && html`<${Chip} tone="warn">Urgent</${Chip}>`}
      </p>
      ${waits(left) && html`<p class="note">It ${left.reason}</p>`}
      ${left !== undefined && !waits(left) && html`<p class="note bad">No van can take it: ${left.reason}</p>`}
      <${Service} state=${state} order=${order} onVan=${onVan} />
      <dl class="facts">
        <${Fact} term="Promised">${promised(order, times)}</${Fact}>
        <${Fact} term="Asked for">${asked(order, times)}</${Fact}>
        ${order.wait_until !== null && html`<${Fact} term="May wait until">${order.wait_until}</${Fact}>`}
        <${Fact} term="Recipient">${personal.recipient?.name ?? "–"}</${Fact}>
        <${Fact} term="Phone">${personal.recipient?.phone ?? "–"}</${Fact}>
        <${Fact} term="Reference">${order.reference || "–"}</${Fact}>
        <${Fact} term="Time at the door">${Math.round(order.service_s / 60)} min</${Fact}>
        <${Fact} term="Taken">${times.clock(order.created_at)}, ${times.date(order.created_at)}</${Fact}>
        <${Fact} term="Place"><span class="figures">${place(order)}</span></${Fact}>
      </dl>
      ${personal.note && html`<p class="note">${personal.note}</p>`}
      ${state.maySeeDesk && html`<${OrderRules} state=${state} order=${order} onVan=${onVan} />`}
      <h3 class="section">Parcels</h3>
      <ul class="parcels">
        ${order.parcels.map((parcel) => html`
          <li key=${parcel.id}><span>${parcel.label}</span><span class="soft">${whereabouts(state, parcel)}</span></li>`)}
      </ul>
      <${Passed} state=${state} place=${order} onVan=${onVan} />
      ${state.mayAct && isCancellable(order) && html`<${Cancel} state=${state} order=${order} />`}
    </section>`;
}

/** Which van and stop an order went to. */
export function Service({ state, order, onVan }) {
  const van = vanOf(state, order);
  const stops = van === undefined ? [] : state.routes.get(van.id).stops;
  const index = stops.findIndex((stop) => stop.id === order.stop_id);
  if (index < 0) return null;
  const stop = stops[index];
  const isTrouble = groupOf(order) === "trouble";
  const when = stop.state === "done"
    ? `visited at ${state.times.clock(stop.done_at ?? stop.planned_departure)}`
    : `planned for ${state.times.clock(stop.planned_arrival)}`;
  return html`
    <p class=${isTrouble ? "note warn" : "note good"}>
      <button class="link" type="button" onClick=${() => onVan(van.id)}>${van.name}</button>,
      stop ${index + 1} of ${stops.length}, ${when}
    </p>`;
}

/** When the recipient can be served, or would rather be. */
export function asked(order, times) {
  if (order.window === null) return "any time of the shift";
  return `${isPreferred(order) ? "preferred " : ""}${times.span(order.window)}`;
}

/** Whether the window is only preferred. */
export function isPreferred(order) {
  return order.window !== null && order.window_kind === "soft";
}

/** What the customer was told, and what before. */
export function promised(order, times) {
  if (order.promise === null) return "nothing yet";
  const { original, current } = order.promise;
  const now = times.span(current);
  const first = times.span(original);
  return now === first ? now : `${now} (first ${first})`;
}

function usePersonal(order) {
  const [personal, setPersonal] = useState({});
  useEffect(() => {
    let isGone = false;
    get(`orders/${encodeURIComponent(order.id)}`)
      .then((found) => isGone || setPersonal(found))
      .catch(() => isGone || setPersonal({}));
    return () => { isGone = true; };
  }, [order.id, order.version]);
  return personal;
}

function whereabouts(state, { whereabouts: { kind, at } }) {
  if (kind === "van") return `In ${state.vans.get(at)?.name ?? at}`;
  if (kind === "depot") return `At the depot ${state.depots.find((depot) => depot.id === at)?.name ?? at}`;
  return stateInWords(kind);
}

function Cancel({ state, order }) {
  const [isAsking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  if (!isAsking) {
    return html`<p class="actions"><button class="button danger" type="button" onClick=${() => setAsking(true)}>Cancel this order…</button></p>`;
  }
  const cancel = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const cancelled = await post(`orders/${encodeURIComponent(order.id)}/cancel`, { reason });
      state.orders = new Map(state.orders).set(cancelled.id, cancelled);
      state.tell();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
    setBusy(false);
  };
  return html`
    <form class="form boxed" onSubmit=${cancel}>
      <div class="field">
        <label for="cancel-reason">Why is it called off? <span class="hint">optional</span></label>
        <input id="cancel-reason" class="input" maxlength="500" autofocus value=${reason}
          onInput=${(event) => setReason(event.target.value)} />
      </div>
      <${Refusal} problem=${problem} />
      <p class="actions">
        <button class="button danger" type="submit" disabled=${isBusy}>Cancel the order</button>
        <button class="button plain" type="button" onClick=${() => setAsking(false)}>Keep it</button>
      </p>
    </form>`;
}
