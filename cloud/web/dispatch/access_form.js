// Drawing an area with access hours.

import { useState } from "../vendor/preact/hooks.module.js";
import { post, Problem, put } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Field, Refusal, sentence } from "../look/parts.js";
import { areaBody, WEEKDAYS } from "./access_areas.js";
import { pointsOf, withoutLast } from "./fences.js";

/** The form; `draft` is what is drawn, `onChange` is told the next one, `onDone(id)` the area that is there. */
export function AccessForm({ state, draft, hasMap, onChange, onDone, onBack }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { points } = pointsOf(draft);
  const type = (name) => (event) => onChange({ ...draft, [name]: event.target.value });
  const send = async (event) => {
    event.preventDefault();
    const { body, problems } = areaBody(draft);
    if (body === null) {
      setProblem(new Problem(0, "The area is not whole.", problems));
      return;
    }
    setBusy(true);
    let made;
    const refused = await state.attempt(async () => {
      made = draft.id === null ? await post("access-areas", body) : await put(`access-areas/${encodeURIComponent(draft.id)}`, body);
      await state.roads.read();
    });
    setBusy(false);
    setProblem(refused);
    if (refused === null) onDone(made.id);
  };
  const told = problem?.fields.map(({ field }) => field) ?? [];
  const ofDay = (day) => told.filter((field) => field.includes(`week.${day}`));
  const shown = ["properties.name", "properties.depot_id", ...told.filter((field) => field.startsWith("geometry")), ...WEEKDAYS.flatMap(([day]) => ofDay(day))];
  const wrongShape = problem?.fields.find(({ field }) => field.startsWith("geometry"));
  return html`
    <section class="detail" aria-label="Area with access hours">
      <${Chosen} title=${draft.id === null ? "New area" : "Change"} onBack=${onBack} back="Close without a change" />
      <form class="form" onSubmit=${send}>
        <p class="hint-line">${hasMap ? "Click its corners, one after the other. Or type " : "Type "}latitude, longitude in degrees, one place a line.</p>
        <div class="field">
          <label for="area-points">Corners <span class="hint">${points.length === 0 ? "" : `${points.length} placed`}</span></label>
          <textarea id="area-points" class="input figures" rows="3" spellcheck=${false} placeholder="−29.90591, −71.25014"
            value=${draft.points} onInput=${type("points")} aria-invalid=${wrongShape !== undefined}
            aria-describedby=${wrongShape && "area-points-problem"}></textarea>
          ${wrongShape && html`<p class="problem" id="area-points-problem">${sentence(wrongShape)}</p>`}
        </div>
        <p class="actions"><button class="button" type="button" disabled=${points.length === 0} onClick=${() => onChange(withoutLast(draft))}>Take back the last point</button></p>
        <${Field} id="area-name" label="Name" maxlength="200" autocomplete="off" placeholder="Pedestrian zone" problem=${problem}
          fields=${["properties.name"]} value=${draft.name} onInput=${type("name")} />
        <fieldset class="form days">
          <legend class="section">When vans may be in it</legend>
          ${WEEKDAYS.map(([day, name]) => html`
            <${Field} id=${`area-${day}`} label=${name} required=${false} autocomplete="off" placeholder="closed" problem=${problem} fields=${ofDay(day)}
              value=${draft.hours[day]} onInput=${(event) => onChange({ ...draft, hours: { ...draft.hours, [day]: event.target.value } })} />`)}
          <p class="hint-line">As 06:00-11:00; several with commas. Empty: closed all day.</p>
        </fieldset>
        ${state.depots.length > 1 && html`
          <${Field} id="area-depot" label="For the vans of" problem=${problem} fields=${["properties.depot_id"]} value=${draft.depotId} onChange=${type("depotId")}>
            <option value="">All depots</option>
            ${state.depots.map(({ id, name }) => html`<option value=${id} selected=${id === draft.depotId}>${name}</option>`)}
          </${Field}>`}
        <${Refusal} problem=${problem} shown=${shown} />
        <p class="actions">
          <button class="button primary" type="submit" disabled=${isBusy}>${isBusy ? "Keeping…" : "Keep the area"}</button>
          <button class="button plain" type="button" onClick=${onBack}>Close</button>
        </p>
      </form>
    </section>`;
}
