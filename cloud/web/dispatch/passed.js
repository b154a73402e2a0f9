// Who passed a place today: asked for when somebody wants to know.

import { useState } from "../vendor/preact/hooks.module.js";
import { getAll } from "../look/api.js";
import { html } from "../look/html.js";
import { Refusal } from "../look/parts.js";
import { minutes } from "./parts.js";

const AROUND_M = 100;

/** The vans that came within 100 m of a place {lat, lon} on the day that the board shows. */
export function Passed({ state, place, onVan }) {
  const [vans, setVans] = useState(null);
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const ask = async () => {
    setBusy(true);
    const query = {
      around: `${place.lat},${place.lon},${AROUND_M}`,
      from: state.times.instant(state.day, "00:00"),
      to: new Date(state.clock.nowMs()).toISOString(),
    };
    setProblem(await state.attempt(async () => setVans(await getAll("passed-vehicles", query))));
    setBusy(false);
  };
  return html`
    <h3 class="section">Who passed here today</h3>
    ${vans?.length === 0 && html`<p class="empty" role="status">No van came within ${AROUND_M} m.</p>`}
    <ul class="rows" aria-label="Vans that passed">
      ${vans?.map((one) => html`
        <li key=${one.id}>
          <button type="button" class="row" onClick=${() => onVan(one.id)}>
            <span class="row-title">${state.vans.get(one.id)?.name ?? one.id}</span>
            <span class="figures soft">${state.times.span({ from: one.first_at, to: one.last_at })}</span>
            <span class="row-line">${how(one)}</span>
          </button>
        </li>`)}
    </ul>
    <${Refusal} problem=${problem} />
    <p class="actions"><button class="button" type="button" disabled=${isBusy} onClick=${ask}>${isBusy ? "Looking…" : vans === null ? "Look" : "Look again"}</button></p>`;
}

function how({ passes, nearest_m: nearest, inside_s: insideS }) {
  const times = passes === 1 ? "once" : `${passes} times`;
  const stay = insideS >= 60 ? `, ${minutes(insideS)} in all` : "";
  return `${times}${nearest === null ? "" : `, ${Math.round(nearest)} m away at the nearest`}${stay}`;
}
