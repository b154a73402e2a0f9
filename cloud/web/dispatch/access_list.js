// Areas with access hours: the list, and one of them.

import { useState } from "../vendor/preact/hooks.module.js";
import { remove } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Fact, Refusal, Sure } from "../look/parts.js";
import { hoursInWords, WEEKDAYS } from "./access_areas.js";

const AT_ONCE = 50;

/** All areas by name. */
export function AccessList({ state, onArea, onDraw }) {
  const [limit, setLimit] = useState(AT_ONCE);
  const areas = [...state.roads.areas.values()].sort((one, other) => one.properties.name.localeCompare(other.properties.name));
  return html`
    <div class="section headed"><h3>Areas with access hours</h3>
      ${state.mayAct && html`<button class="button" type="button" data-access="new" onClick=${onDraw}>Draw an area</button>`}</div>
    ${areas.length === 0 && html`<p class="soft">None. An area such as a pedestrian zone lets vans in at some hours of the week; plans keep to them.</p>`}
    <ul class="rows" aria-label="Areas with access hours">
      ${areas.slice(0, limit).map((area) => html`
        <li key=${area.id}>
          <button type="button" class="row" data-access=${area.id} onClick=${() => onArea(area.id)}>
            <span class="row-title">${area.properties.name}</span>
            <span class="row-line">${hoursInWords(area.properties.hours)}</span>
          </button>
        </li>`)}
    </ul>
    ${areas.length > limit && html`
      <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>Show more (${areas.length - limit} left)</button>`}`;
}

/** The chosen area. */
export function AccessDetail({ state, area, onDraw, onBack }) {
  const [problem, setProblem] = useState(null);
  const { properties, id } = area;
  const { week, special } = properties.hours;
  const takeAway = async () => {
    const refused = await state.attempt(() => remove(`access-areas/${encodeURIComponent(id)}`).then(() => state.roads.read()));
    setProblem(refused);
    if (refused === null) onBack();
    return false;
  };
  return html`
    <section class="detail" aria-label=${properties.name}>
      <${Chosen} title=${properties.name} onBack=${onBack} back="Back to all streets" />
      <p class="hint-line">When vans may be in it, by the clock of their depot.</p>
      <dl class="facts">
        ${WEEKDAYS.map(([day, name]) => html`<${Fact} term=${name}><span class="figures">${(week[day] ?? []).join(", ") || "closed"}</span></${Fact}>`)}
        <${Fact} term="Changed by">${properties.changed_by || "–"}, ${state.times.date(properties.changed_at)}</${Fact}>
        ${special.map((one) => html`<${Fact} term=${one.name || "Special day"}>${one.day}: ${one.hours.join(", ") || "closed"}</${Fact}>`)}
      </dl>
      <${Refusal} problem=${problem} />
      ${state.mayAct && html`
        <p class="actions">
          <button class="button" type="button" onClick=${onDraw}>Change</button>
          <${Sure} label="Remove" question="Take it away for good?" sure="Remove" onSure=${takeAway} />
        </p>`}
    </section>`;
}
