// Closures and slow zones: the list, and one of them with how to end it.

import { useState } from "../vendor/preact/hooks.module.js";
import { put, remove } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Chosen, Fact, Refusal, Sure } from "../look/parts.js";
import { KINDS, roadAgain, roadInWords, roadShape, roadStanding } from "./road_rules.js";

const AT_ONCE = 50;
const STANDINGS = { in_force: ["good", "In force"], coming: ["warn", "Coming"], ended: ["quiet", "Ended"] };
const ORDER = Object.keys(STANDINGS);

/** All rules: those in force first, those that ended last. */
export function RoadList({ state, onRoad, onDraw }) {
  const [limit, setLimit] = useState(AT_ONCE);
  const now = state.clock.nowMs();
  const rank = (rule) => ORDER.indexOf(roadStanding(rule, now));
  const rules = [...state.roads.rules.values()].sort((one, other) => rank(one) - rank(other) || nameOf(one).localeCompare(nameOf(other)));
  return html`
    ${state.mayAct && html`<p class="actions top-of"><button class="button primary" type="button" data-road="new" onClick=${onDraw}>Close or slow a street</button></p>`}
    <${Speeds} state=${state} />
    ${rules.length === 0 && html`<p class="empty">No street is closed or slowed. What is drawn here changes travel times, and so plans and arrivals, within seconds.</p>`}
    <ul class="rows" aria-label="Closures and slow zones">
      ${rules.slice(0, limit).map((rule) => {
        const [tone, words] = STANDINGS[roadStanding(rule, now)];
        return html`
          <li key=${rule.id}>
            <button type="button" class="row" data-road=${rule.id} onClick=${() => onRoad(rule.id)}>
              <span class="row-title">${nameOf(rule)}</span>
              <span><${Chip} tone=${tone}>${words}</${Chip}></span>
              <span class="row-line">${roadInWords(rule, state.times, now)} · ${roadShape(rule)}</span>
            </button>
          </li>`;
      })}
    </ul>
    ${rules.length > limit && html`
      <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>Show more (${rules.length - limit} left)</button>`}`;
}

/** What the routes are worked out by now. */
function Speeds({ state: { roads: { speeds }, times } }) {
  if (speeds === null) return null;
  if (speeds.problem) return html`<p class="note warn" role="status">The newest speeds are not in force: ${speeds.problem}</p>`;
  if (speeds.at === null) return null;
  return html`
    <p class="hint-line roads-speeds" role="status" data-closed=${speeds.closed_segments}>
      Travel times of <span class="figures">${times.clock(speeds.at)}</span>:
      ${" "}<span class="figures">${speeds.closed_segments}</span> stretches of street closed.
    </p>`;
}

/** The chosen rule. */
export function RoadDetail({ state, rule, onDraw, onBack }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { properties, id } = rule;
  const now = state.clock.nowMs();
  const standing = roadStanding(rule, now);
  const [tone, words] = STANDINGS[standing];
  const path = `roads/rules/${encodeURIComponent(id)}`;
  const change = async (work) => {
    setBusy(true);
    const refused = await state.attempt(() => work().then(() => state.roads.read()));
    setProblem(refused);
    setBusy(false);
    return refused === null;
  };
  const end = () => change(() => put(path, roadAgain(rule, { until: new Date(state.clock.nowMs()).toISOString() })));
  const takeAway = async () => {
    if (await change(() => remove(path))) onBack();
    return false;
  };
  return html`
    <section class="detail" aria-label=${nameOf(rule)}>
      <${Chosen} title=${nameOf(rule)} onBack=${onBack} back="Back to all streets"><${Chip} tone=${tone}>${words}</${Chip}></${Chosen}>
      <p>${roadInWords(rule, state.times, now)}</p>
      <dl class="facts">
        <${Fact} term="Where">${roadShape(rule)}</${Fact}>
        <${Fact} term="From">${properties.from === null ? "the moment it was drawn" : moment(state, properties.from)}</${Fact}>
        <${Fact} term="Until">${properties.until === null ? "somebody ends it" : moment(state, properties.until)}</${Fact}>
        <${Fact} term="Changed by">${properties.changed_by || "–"}, ${moment(state, properties.changed_at)}</${Fact}>
        ${properties.source !== "drawn" && html`<${Fact} term="Out of the file">${properties.source}</${Fact}>`}
      </dl>
      <${Refusal} problem=${problem} />
      ${state.mayAct && html`
        <p class="actions wraps">
          ${standing === "in_force" && html`<button class="button primary" type="button" disabled=${isBusy} onClick=${end}>${isBusy ? "Ending…" : "End it now"}</button>`}
          <button class="button" type="button" onClick=${onDraw}>Change</button>
          <${Sure} label="Remove" question="Take it away for good?" sure="Remove" isBusy=${isBusy} onSure=${takeAway} />
        </p>`}
    </section>`;
}

function moment({ times }, instant) {
  return html`<span class="figures">${times.clock(instant)}</span>, ${times.date(instant)}`;
}

function nameOf({ properties }) {
  return properties.name || KINDS[properties.kind];
}
