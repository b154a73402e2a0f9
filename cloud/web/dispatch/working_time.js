// What rest and work of other days take of the shifts of a day.

import { html } from "../look/html.js";

const AT_ONCE = 30;

/** Every shift that has less than was entered, and why; nothing when all have theirs. */
export function ShortShifts({ state, onVan }) {
  const short = state.desk.working.filter(({ warnings }) => warnings.length > 0);
  if (short.length === 0) return null;
  return html`
    <h3 class="section">Working time (${short.length})</h3>
    <ul class="rules" aria-label="Working time">
      ${short.slice(0, AT_ONCE).map((one) => html`
        <li class="rule" key=${one.shift_id} data-shift=${one.shift_id}>
          <div>
            <button class="link" type="button" onClick=${() => onVan(one.vehicle_id)}>${one.driver}, ${state.vans.get(one.vehicle_id)?.name ?? one.vehicle_id}</button>
            ${one.warnings.map(({ rule, text }) => html`<p class="at-risk" key=${rule}>${text}</p>`)}
          </div>
        </li>`)}
    </ul>
    ${short.length > AT_ONCE && html`<p class="soft">${short.length - AT_ONCE} more: look at their vans.</p>`}`;
}

/** The same of one van. */
export function ShortShift({ state, van }) {
  const warnings = state.desk.working.filter((one) => one.vehicle_id === van.id).flatMap((one) => one.warnings);
  return warnings.map(({ rule, text }) => html`<p class="note warn" key=${rule} data-working=${rule}>${text}</p>`);
}
