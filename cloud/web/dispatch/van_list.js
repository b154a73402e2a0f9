// Every van at a glance: in a narrow list beside the map, or in a table without it.

import { useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { inWords } from "../look/moment.js";
import { Chip } from "../look/parts.js";
import { vanColour } from "./palette.js";
import { Bar, VanDot } from "./parts.js";
import { ageS, expectedMs, isStale, parcelsAboard, progress, standing } from "./rounds.js";

const AT_ONCE = 50;
const FEW = 20;
const WORST_FIRST = ["broken", "silent", "late", "behind", "on_time", "ready", "done", "idle"];
const CALM = WORST_FIRST.indexOf("on_time");

/** What the lists show of each van: [{van, route, round, stands, colour, age, isGrey}]. */
export function vanRows(state) {
  const now = state.judgedMs;
  return [...state.vans.values()].map((van, index) => {
    const route = state.routes.get(van.id);
    const round = route === undefined ? null : progress(route, now, state.orders, state.arrivals);
    return {
      van,
      route,
      round,
      stands: standing(van, route, round, now, state.clock.speed, state.breakdowns.has(van.id)),
      colour: vanColour(index),
      age: ageS(van, state.clock.nowMs()),
      isGrey: isStale(van, now, state.clock.speed),
    };
  });
}

/** The vans that stand as `kind` asks ("all", or a kind of standing), those in need first. */
export function choose(rows, kind) {
  const wanted = rows.filter((row) => kind === "all" || row.stands.kind === kind);
  const rank = (row) => WORST_FIRST.indexOf(row.stands.kind);
  return wanted.sort((one, other) => Math.min(rank(one), CALM) - Math.min(rank(other), CALM));
}

/** The list beside the map; of a large fleet what is asked for, so that it stays quick. */
export function VanList({ state, rows, onVan }) {
  const { found, shown, find, more } = useFew(rows);
  return html`
    ${find}
    ${found.length === 0 && html`<${NoVans} state=${state} />`}
    <ul class="rows" aria-label="Vans">
      ${shown.map((row) => html`
        <li key=${row.van.id}>
          <button type="button" class="row van-row" data-van=${row.van.id} onClick=${() => onVan(row.van.id)}>
            <${VanDot} colour=${row.colour} isGrey=${row.isGrey} />
            <span class="row-title">${row.van.name}</span>
            <${Chip} tone=${row.stands.tone}>${row.stands.text}</${Chip}>
            <span class="row-line">${nextStop(row, state)}</span>
            <span class="row-foot">
              ${row.round === null ? html`<span></span>` : html`<${Progress} row=${row} />`}
              <${Age} row=${row} />
            </span>
          </button>
        </li>`)}
    </ul>
    ${more}`;
}

/** Some of many rows: those whose van, driver or standing says what is looked for, as many as one looks at. */
function useFew(rows) {
  const [search, setSearch] = useState("");
  const [limit, setLimit] = useState(AT_ONCE);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => words.every((word) => says(row).includes(word)));
  const find = (rows.length > FEW || search !== "") && html`
    <div class="tools one">
      <div class="field">
        <label class="visually-hidden" for="van-search">Search vans</label>
        <input id="van-search" class="input" type="search" placeholder="Van, driver or standing" value=${search}
          onInput=${(event) => setSearch(event.target.value)} />
      </div>
    </div>`;
  const more = found.length > limit && html`
    <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>Show more (${found.length - limit} left)</button>`;
  return { found, shown: found.slice(0, limit), find, more };
}

function says({ van, route, stands }) {
  return `${van.name} ${van.id} ${route?.driver_id ?? van.driver_id ?? ""} ${stands.text}`.toLowerCase();
}

/** The table that stands in for the map. */
export function VanTable({ state, rows, onVan }) {
  const { found, shown, find, more } = useFew(rows);
  const heads = ["Van", "Standing", "Stops", "Next stop", "Position", "Speed", "Age", "Aboard", "Driver"];
  return html`
    ${find}
    ${found.length === 0 && html`<${NoVans} state=${state} />`}
    ${found.length > 0 && html`<div class="scroll-x">
      <table class="table van-table">
        <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
        <tbody>
          ${shown.map((row) => html`
            <tr key=${row.van.id} data-van=${row.van.id}>
              <th scope="row">
                <button class="link" type="button" onClick=${() => onVan(row.van.id)}>
                  <${VanDot} colour=${row.colour} isGrey=${row.isGrey} />${row.van.name}
                </button>
              </th>
              <td><${Chip} tone=${row.stands.tone}>${row.stands.text}</${Chip}></td>
              <td>${row.round === null ? "–" : html`<${Progress} row=${row} />`}</td>
              <td>${nextStop(row, state)}</td>
              <td class="figures">${place(row.van.position)}</td>
              <td class="figures">${speed(row.van.position)}</td>
              <td><${Age} row=${row} /></td>
              <td class="figures">${parcelsAboard(row.van.id, state.orders)} of ${row.van.capacity_parcels}</td>
              <td>${row.route?.driver_id ?? row.van.driver_id ?? "–"}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>`}
    ${more}`;
}

/** "−29.92953, −71.27046" of a position, or a dash. */
export function place(position) {
  if (position === null) return "–";
  return `${position.lat.toFixed(5)}, ${position.lon.toFixed(5)}`.replaceAll("-", "−");
}

/** "34 km/h" of a position, or a dash. */
export function speed(position) {
  return position?.speed_mps == null ? "–" : `${Math.round(position.speed_mps * 3.6)} km/h`;
}

function NoVans({ state }) {
  if (state.vans.size > 0) return html`<p class="empty">No van stands like that now.</p>`;
  return html`<p class="empty">There is no van yet. An administrator adds them with POST /api/v1/vehicles.</p>`;
}

function Progress({ row }) {
  const { done, total } = row.round;
  const label = `${done} of ${total} stops done`;
  return html`
    <span class="progress">
      <${Bar} done=${done} total=${total} colour=${row.colour} label=${label} />
      <span class="figures" aria-hidden="true">${done}/${total}</span>
    </span>`;
}

function Age({ row }) {
  const text = row.age === null ? "no position" : `${inWords(row.age)} ago`;
  return html`<span class=${`age figures ${row.isGrey ? "stale" : ""}`} title="Age of the position">${text}</span>`;
}

function nextStop({ route, round }, state) {
  if (route === undefined) return "Nothing planned";
  if (round.next === null) return "All stops are done";
  const { next } = round;
  if (next.state === "arrived") {
    const isEarly = next.window !== null && Date.parse(next.window.from) > state.clock.nowMs();
    return `At ${next.address}${isEarly ? `, waits until ${state.times.clock(next.window.from)}` : ""}`;
  }
  const what = next.kind === "pickup" ? "Fetch at" : "Next";
  return `${what} ${next.address}, ${state.times.clock(expectedMs(next, 0, state.arrivals.get(next.id)))}`;
}
