// The strip on top: whose board, what time it is for the business, whether news come in; and the sums.

import { html } from "../look/html.js";
import { groupOf, waits } from "./rounds.js";

/** Name, time, line, and what can always be done. `onTable` turns from map to table and back; null without a map. */
export function Header({ state, onOrder, onSignOut, isTable, onTable }) {
  return html`
    ${state.clock.isDemo && html`
      <p class="demo" role="note"><b>Demo data.</b> <span>City streets are real, vans and orders are simulated. ${speed(state)}</span></p>`}
    <header class="top">
      <img src="/static/look/mark.svg" alt="" width="28" height="28" />
      <h1>Roundsman <span>${state.city?.name ?? ""}</span></h1>
      <${Time} state=${state} />
      <${Line} line=${state.line} />
      <${Depots} state=${state} />
      <div class="top-actions">
        ${onTable !== null && html`<button class="button plain" type="button" onClick=${onTable}>${isTable ? "Map" : "Table"}</button>`}
        <a class="button plain" href="/people">${state.me?.role === "admin" ? "People" : "My access"}</a>
        <button class="button plain" type="button" onClick=${onSignOut}>Sign out</button>
        ${state.mayAct && html`<button class="button primary" type="button" id="urgent" onClick=${onOrder} disabled=${state.depot === null}>Urgent order</button>`}
      </div>
    </header>`;
}

function speed({ clock }) {
  return clock.speed === 1 ? "" : `Time runs ${clock.speed.toLocaleString("en-GB")} times as fast as yours.`;
}

function Time({ state }) {
  const { clock, times, depot } = state;
  if (clock.atMs === null || depot === null) return null;
  const now = clock.nowMs();
  return html`
    <p class="time" title=${`Time at the depot, ${depot.zone}`}>
      <b class="figures">${times.clock(now)}</b> ${times.date(now)}
      ${clock.speed !== 1 && html` <span class="chip quiet figures">${clock.speed}×</span>`}
    </p>`;
}

function Line({ line }) {
  const text = { open: "Live", opening: "Connecting…", lost: "Reconnecting…" }[line];
  return html`<p class=${`line ${line}`} role="status" data-line=${line}><span aria-hidden="true"></span>${text}</p>`;
}

function Depots({ state }) {
  if (state.depots.length < 2) return null;
  const choose = (event) => state.safely(async () => {
    state.choose(event.target.value);
    await state.readDay();
  });
  return html`
    <label class="depots"><span class="visually-hidden">Depot</span>
      <select class="input" value=${state.depot?.id} onChange=${choose}>
        ${state.depots.map((depot) => html`<option value=${depot.id}>${depot.name}</option>`)}
      </select>
    </label>`;
}

/** The day in five numbers; each leads to what it counts. */
export function Summary({ state, rows, onStanding, onFilter }) {
  const standing = (kind) => rows.filter((row) => row.stands.kind === kind).length;
  const orders = [...state.orders.values()];
  const wanted = orders.filter((order) => groupOf(order) !== "cancelled");
  const delivered = wanted.filter((order) => groupOf(order) === "done").length;
  const tiles = [
    ["Silent", standing("silent"), "bad", () => onStanding("silent")],
    ["At risk", standing("late"), "bad", () => onStanding("late")],
    ["Behind", standing("behind"), "warn", () => onStanding("behind")],
    ["Unserved", state.plan.unserved.filter((left) => !waits(left)).length, "bad", () => onFilter("unserved")],
    ["Delivered", `${delivered}/${wanted.length}`, "plain", () => onFilter("done")],
  ];
  return html`
    <ul class="summary" aria-label="The day at a glance">
      ${tiles.map(([label, value, tone, onClick]) => html`
        <li><button type="button" class=${value === 0 ? "tile" : `tile ${tone}`} onClick=${onClick}>
          <b class="figures">${value}</b><span>${label}</span>
        </button></li>`)}
    </ul>`;
}
