// Drawing a geofence: on the map, or by typing its points.

import { useState } from "../vendor/preact/hooks.module.js";
import { post, Problem, put } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Field, Refusal, sentence } from "../look/parts.js";
import { bodyOf, pointsOf, SHAPES, withoutLast } from "./fences.js";

const SHOWN = ["properties.name", "properties.radius_m", "properties.width_m", "properties.dwell_after_s", "properties.depot_id", "geometry"];

/** The form; `draft` is what is drawn, `onChange` is told the next one, `onDone(fenceId)` the fence that is there. */
export function FenceForm({ state, draft, hasMap, onChange, onDone, onBack }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { how, size, sizeLabel } = SHAPES[draft.shape];
  const { points } = pointsOf(draft);
  const type = (name) => (event) => onChange({ ...draft, [name]: event.target.value });
  const send = async (event) => {
    event.preventDefault();
    const { body, problems } = bodyOf(draft);
    if (body === null) {
      setProblem(new Problem(0, "The shape is not whole.", problems));
      return;
    }
    setBusy(true);
    let fence;
    const refused = await state.attempt(async () => {
      fence = draft.id === null ? await post("geofences", body) : await put(`geofences/${encodeURIComponent(draft.id)}`, body);
      await state.book.read();
    });
    setBusy(false);
    setProblem(refused);
    if (refused === null) onDone(fence.id);
  };
  const refusedShape = problem?.fields.find(({ field }) => field.startsWith("geometry"));
  const others = problem?.fields.map(({ field }) => field).filter((field) => field.startsWith("geometry")) ?? [];
  return html`
    <section class="detail" aria-label="Geofence">
      <${Chosen} title=${draft.id === null ? "New fence" : "Draw anew"} onBack=${onBack} back="Close without a fence" />
      <form class="form" onSubmit=${send}>
        <fieldset class="choice">
          <legend class="visually-hidden">Shape</legend>
          ${Object.entries(SHAPES).map(([shape, { label }]) => html`
            <label><input type="radio" name="shape" checked=${shape === draft.shape} onChange=${() => onChange({ ...draft, shape })} /> ${label}</label>`)}
        </fieldset>
        <p class="hint-line">${hasMap ? `${how} Or type ` : "Type "}latitude, longitude in degrees, one place a line.</p>
        <div class="field">
          <label for="fence-points">${draft.shape === "Point" ? "Centre" : "Points"} <span class="hint">${points.length === 0 ? "" : `${points.length} placed`}</span></label>
          <textarea id="fence-points" class="input figures" rows=${draft.shape === "Point" ? 1 : 4} spellcheck=${false} placeholder="−29.90591, −71.25014"
            value=${draft.points} onInput=${type("points")} aria-invalid=${refusedShape !== undefined}
            aria-describedby=${refusedShape && "fence-points-problem"}></textarea>
          ${refusedShape && html`<p class="problem" id="fence-points-problem">${sentence(refusedShape)}</p>`}
        </div>
        ${draft.shape !== "Point" && html`
          <p class="actions"><button class="button" type="button" disabled=${points.length === 0} onClick=${() => onChange(withoutLast(draft))}>Take back the last point</button></p>`}
        <div class="pair">
          ${size !== null && html`
            <${Field} id="fence-size" label=${sizeLabel} type="number" min="1" step="any" problem=${problem} fields=${[`properties.${size}`]}
              value=${draft.size} onInput=${type("size")} />`}
          <${Field} id="fence-dwell" label="A stay is told after, min" type="number" min="0.2" step="any" isOptional problem=${problem}
            fields=${["properties.dwell_after_s"]} value=${draft.dwellMin} onInput=${type("dwellMin")} />
        </div>
        <${Field} id="fence-name" label="Name" maxlength="200" autocomplete="off" problem=${problem} fields=${["properties.name"]}
          value=${draft.name} onInput=${type("name")} />
        <${Field} id="fence-depot" label="For the vans of" problem=${problem} fields=${["properties.depot_id"]} value=${draft.depotId} onChange=${type("depotId")}>
          <option value="">All depots</option>
          ${state.depots.map(({ id, name }) => html`<option value=${id} selected=${id === draft.depotId}>${name}</option>`)}
        </${Field}>
        <label class="check"><input type="checkbox" checked=${draft.isForVans} onChange=${(event) => onChange({ ...draft, isForVans: event.target.checked })} />
          Vans watch it themselves, offline too</label>
        <${Refusal} problem=${problem} shown=${[...SHOWN, ...others]} />
        <p class="actions">
          <button class="button primary" type="submit" disabled=${isBusy}>${isBusy ? "Keeping…" : "Keep the fence"}</button>
          <button class="button plain" type="button" onClick=${onBack}>Close</button>
        </p>
      </form>
    </section>`;
}
