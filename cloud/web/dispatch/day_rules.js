// What dispatchers have laid down for a day: pins, bans, locked routes and kept orders.

import { useMemo, useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { Chip, Field, Refusal } from "../look/parts.js";
import { ruleInWords, sayNames } from "./plan_words.js";
import { groupOf } from "./rounds.js";

const AT_ONCE = 30;
const SHOWN = ["vehicle_id", "order_id", "note"];

/** All rules in force for the day. */
export function RulesInForce({ state, onOrder, onVan }) {
  const [limit, setLimit] = useState(AT_ONCE);
  const { rules } = state.desk;
  return html`
    <h3 class="section">Rules in force ${rules.length > 0 && `(${rules.length})`}</h3>
    ${rules.length === 0 && html`<p class="soft">None. Pin an order to a van or ban it from one at the order; lock a route or keep its order at its van.</p>`}
    <ul class="rules" aria-label="Rules in force">
      ${rules.slice(0, limit).map((rule) => html`
        <${Rule} key=${rule.id} state=${state} rule=${rule}
          onGo=${() => rule.order_id === null ? onVan(rule.vehicle_id) : onOrder(rule.order_id)} />`)}
    </ul>
    ${rules.length > limit && html`
      <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>Show more (${rules.length - limit} left)</button>`}`;
}

/** One rule: what it says, who laid it down, what keeps it from being followed, and how to lift it. */
function Rule({ state, rule, beside = null, onGo }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const lift = async () => {
    setBusy(true);
    setProblem(await state.attempt(() => state.desk.lift(rule)));
    setBusy(false);
  };
  const words = ruleInWords(rule, state, beside);
  const order = state.orders.get(rule.order_id);
  const isOver = order !== undefined && ["done", "cancelled"].includes(groupOf(order));
  return html`
    <li class="rule" data-rule=${rule.kind}>
      <div>
        ${onGo === undefined ? html`<b>${words}</b>` : html`<button class="link" type="button" onClick=${onGo}>${words}</button>`}
        ${rule.obstacle !== null && html` <${Chip} tone=${isOver ? "quiet" : "bad"}>${isOver ? "Over" : "Not followed"}</${Chip}>`}
        <p class="soft">by ${rule.made_by}, <span class="figures">${state.times.clock(rule.made_at)}</span>${rule.note && `: ${rule.note}`}</p>
        ${rule.obstacle !== null && html`<p class=${isOver ? "soft" : "at-risk"}>${sayNames(rule.obstacle, state)}</p>`}
      </div>
      ${state.mayAct && html`<button class="button" type="button" disabled=${isBusy} aria-label=${`Lift: ${words}`} onClick=${lift}>${isBusy ? "Lifting…" : "Lift"}</button>`}
      <${Refusal} problem=${problem} />
    </li>`;
}

/** The rules of one order, and the form for another one. */
export function OrderRules({ state, order, onVan }) {
  const [isAsking, setAsking] = useState(false);
  const rules = state.desk.rules.filter((rule) => rule.order_id === order.id);
  const isOpen = ["todo", "under_way"].includes(groupOf(order));
  const mayAsk = state.mayAct && isOpen && order.service_date === state.day;
  if (rules.length === 0 && !mayAsk) return null;
  return html`
    <h3 class="section">Which van</h3>
    <ul class="rules" aria-label="Rules of this order">
      ${rules.map((rule) => html`<${Rule} key=${rule.id} state=${state} rule=${rule} beside="order" onGo=${() => onVan(rule.vehicle_id)} />`)}
    </ul>
    ${mayAsk && (isAsking
      ? html`<${VanRuleForm} state=${state} order=${order} onDone=${() => setAsking(false)} />`
      : html`<p class="actions"><button class="button" type="button" onClick=${() => setAsking(true)}>Pin to a van or ban from one…</button></p>`)}`;
}

function VanRuleForm({ state, order, onDone }) {
  const [kind, setKind] = useState("pin");
  const [vanId, setVanId] = useState("");
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const vans = useMemo(() => choices(state, order), [state.vans.size, order.depot_id]);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    const refused = await state.attempt(() => state.desk.layDown({ kind, vehicle_id: vanId, order_id: order.id, note: note.trim() }));
    setBusy(false);
    setProblem(refused);
    if (refused === null) onDone();
  };
  return html`
    <form class="form boxed" onSubmit=${send} aria-label="Pin or ban">
      <fieldset class="choice">
        <legend class="visually-hidden">What the rule says</legend>
        <label><input type="radio" name="rule" autofocus checked=${kind === "pin"} onChange=${() => setKind("pin")} /> Only this van</label>
        <label><input type="radio" name="rule" checked=${kind === "ban"} onChange=${() => setKind("ban")} /> Not this van</label>
      </fieldset>
      <${Field} id="rule-van" label="Van" problem=${problem} fields=${["vehicle_id"]} required value=${vanId} onChange=${(event) => setVanId(event.target.value)}>
        <option value="" disabled selected=${vanId === ""}>Choose…</option>
        ${vans.map(({ id, name }) => html`<option key=${id} value=${id} selected=${id === vanId}>${name}</option>`)}
      </${Field}>
      <${Field} id="rule-note" label="Why" isOptional maxlength="200" autocomplete="off" problem=${problem} fields=${["note"]}
        hint="Colleagues read it beside the rule." value=${note} onInput=${(event) => setNote(event.target.value)} />
      <${Refusal} problem=${problem} shown=${SHOWN} />
      <p class="hint-line">It holds through every re-plan until it is lifted.</p>
      <p class="actions">
        <button class="button primary" type="submit" disabled=${isBusy}>${kind === "pin" ? "Pin it" : "Ban it"}</button>
        <button class="button plain" type="button" onClick=${onDone}>Close</button>
      </p>
    </form>`;
}

function choices({ vans, routes }, order) {
  const usable = [...vans.values()].filter((van) => van.is_active && (van.depot_id === order.depot_id || routes.has(van.id)));
  return usable.map(({ id, name }) => ({ id, name }));
}

/** Whether a van's route is locked, and the way to lock or unlock it; its pins and bans. */
export function RouteRules({ state, van, route, onOrder }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const rules = state.desk.rules.filter((rule) => rule.vehicle_id === van.id);
  const has = (kind) => rules.some((rule) => rule.kind === kind);
  const mayKeep = state.mayAct && !has("lock") && route.service_date === state.day && route.state !== "finished";
  const keep = (kind) => async () => {
    setBusy(true);
    setProblem(await state.attempt(() => state.desk.layDown({ kind, vehicle_id: van.id })));
    setBusy(false);
  };
  return html`
    ${rules.length > 0 && html`
      <ul class="rules" aria-label="Rules of this van">
        ${rules.slice(0, AT_ONCE).map((rule) => html`
          <${Rule} key=${rule.id} state=${state} rule=${rule} beside="van"
            onGo=${rule.order_id === null ? undefined : () => onOrder(rule.order_id)} />`)}
      </ul>`}
    ${mayKeep && html`
      <p class="actions">
        <button class="button" type="button" disabled=${isBusy} onClick=${keep("lock")}>Lock this route</button>
        <span class="hint-line">Keeps its stops and their order; nothing is added.</span>
      </p>`}
    ${mayKeep && !has("sequence") && html`
      <p class="actions">
        <button class="button" type="button" disabled=${isBusy} onClick=${keep("sequence")}>Keep this order</button>
        <span class="hint-line">Keeps its stops and their order; others may come between.</span>
      </p>`}
    <${Refusal} problem=${problem} />`;
}
