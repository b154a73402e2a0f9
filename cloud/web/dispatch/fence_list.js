// Geofences: the list, and one of them with who came and left.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { remove } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Chosen, Fact, Refusal, Sure } from "../look/parts.js";
import { CROSSINGS, goneInWords, holdersInWords, shapeInWords } from "./fences.js";
import { minutes } from "./parts.js";

const AT_ONCE = 30;
const TONES = { entered: "brand", dwelled: "warn", left: "quiet" };

/** All fences by name, each with who crossed it last. */
export function FenceList({ state, onFence, onDraw }) {
  const [limit, setLimit] = useState(AT_ONCE);
  const fences = [...state.book.fences.values()].sort((one, other) => one.properties.name.localeCompare(other.properties.name));
  const shown = fences.slice(0, limit);
  useEffect(() => {
    state.safely(() => state.book.readCrossings(shown.map(({ id }) => id)));
  }, [state.book.fences, limit]);
  return html`
    ${state.mayAct && html`<p class="actions top-of"><button class="button primary" type="button" data-fence="new" onClick=${onDraw}>Draw a fence</button></p>`}
    ${state.book.zones.filter((zone) => !zone.is_drawn).map((zone) => html`
      <p class="note warn" role="status" key=${zone.geofence_id} data-zone=${zone.geofence_id}>${goneInWords(zone)}</p>`)}
    ${fences.length === 0 && html`<p class="empty">There is no geofence yet. A fence tells who comes in, stays and leaves: a yard, a customer, a street.</p>`}
    <ul class="rows" aria-label="Geofences">
      ${shown.map((fence) => html`
        <li key=${fence.id}>
          <button type="button" class="row" data-fence=${fence.id} onClick=${() => onFence(fence.id)}>
            <span class="row-title">${fence.properties.name}</span>
            <span class="soft">${shapeInWords(fence)}</span>
            <span class="row-line">${lastOf(state, fence)}</span>
          </button>
        </li>`)}
    </ul>
    ${fences.length > limit && html`
      <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>Show more (${fences.length - limit} left)</button>`}`;
}

/** The chosen fence. */
export function FenceDetail({ state, fence, onVan, onDraw, onBack }) {
  const [problem, setProblem] = useState(null);
  const { properties, id } = fence;
  useEffect(() => {
    state.safely(() => state.book.readCrossings([id], { isAgain: true }));
  }, [id]);
  const crossings = state.book.crossings.get(id);
  const zone = state.book.zones.find(({ geofence_id }) => geofence_id === id);
  const takeAway = async () => {
    const refused = await state.attempt(() => remove(`geofences/${encodeURIComponent(id)}`).then(() => state.book.read()));
    setProblem(refused);
    if (refused === null) onBack();
    return false;
  };
  return html`
    <section class="detail" aria-label=${properties.name}>
      <${Chosen} title=${properties.name} onBack=${onBack} back="Back to all fences" />
      <dl class="facts">
        <${Fact} term="Shape">${shapeInWords(fence)}</${Fact}>
        <${Fact} term="For the vans of">${depotName(state, properties.depot_id)}</${Fact}>
        <${Fact} term="A stay is told after">${properties.dwell_after_s === null ? "never" : minutes(properties.dwell_after_s)}</${Fact}>
        <${Fact} term="Watched by">${properties.for_vans ? "vans and office" : "the office alone"}</${Fact}>
        ${zone !== undefined && html`<${Fact} term="A zone of">${holdersInWords(zone)}</${Fact}>`}
      </dl>
      ${state.mayAct && html`
        <p class="actions">
          <button class="button" type="button" onClick=${onDraw}>Draw anew…</button>
          <${Sure} label="Take away…" question=${zone === undefined ? "Take it away for good?" : `Take it away for good? It is a zone of ${holdersInWords(zone)}.`} sure="Take away" onSure=${takeAway} />
        </p>
        <${Refusal} problem=${problem} />`}
      <h3 class="section">The last day</h3>
      ${crossings === undefined && html`<p class="empty" role="status">Reading…</p>`}
      ${crossings?.length === 0 && html`<p class="empty">Nobody came or left in the last 24 hours.</p>`}
      <ol class="rows" aria-label="Comings and goings">
        ${crossings?.slice(0, 100).map((one) => html`<li key=${`${one.vehicle_id} ${one.kind} ${one.at}`}><${Crossing} state=${state} one=${one} onVan=${onVan} /></li>`)}
      </ol>
    </section>`;
}

function Crossing({ state, one, onVan }) {
  return html`
    <button type="button" class="row" onClick=${() => onVan(one.vehicle_id)}>
      <span class="row-title">${state.vans.get(one.vehicle_id)?.name ?? one.vehicle_id} ${CROSSINGS[one.kind]}</span>
      <span><${Chip} tone=${TONES[one.kind]}>${state.times.clock(one.at)}</${Chip}></span>
      ${one.dwell_s !== null && html`<span class="row-line">${one.kind === "left" ? "after" : "for"} ${minutes(one.dwell_s)}</span>`}
    </button>`;
}

function lastOf(state, { id }) {
  const crossings = state.book.crossings.get(id);
  if (crossings === undefined) return "…";
  if (crossings.length === 0) return "Nobody in the last day";
  const [last] = crossings;
  return `${state.vans.get(last.vehicle_id)?.name ?? last.vehicle_id} ${CROSSINGS[last.kind]} at ${state.times.clock(last.at)}`;
}

function depotName(state, depotId) {
  if (depotId === null) return "all depots";
  return state.depots.find(({ id }) => id === depotId)?.name ?? depotId;
}
