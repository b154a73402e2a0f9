// Drawing a closure or a slow zone: on the map along the streets, or by typing its points.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { post, Problem, put } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Field, Refusal, sentence } from "../look/parts.js";
import { pointsOf, withoutLast } from "./fences.js";
import { alongKey, KINDS, ROAD_SHAPES, roadBody } from "./road_rules.js";

const SHOWN = ["name", "kmh", "depot_id", "from", "until"].map((name) => `properties.${name}`);

/** The form; `draft` is what is drawn, `onChange` is told the next one, `onDone(id)` the rule that is there. */
export function RoadForm({ state, draft, hasMap, onChange, onDone, onBack }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const key = alongKey(draft);
  useEffect(() => {
    state.roads.follow(draft);
  }, [key]);
  const { along } = state.roads;
  const isFollowing = key !== null && along?.key !== key;
  const { points } = pointsOf(draft);
  const type = (name) => (event) => onChange({ ...draft, [name]: event.target.value });
  const tick = (name) => (event) => onChange({ ...draft, [name]: event.target.checked });
  const send = async (event) => {
    event.preventDefault();
    const { body, problems } = roadBody(draft, along, state.times);
    if (body === null) {
      setProblem(new Problem(0, "The shape is not whole.", problems));
      return;
    }
    setBusy(true);
    let made;
    const refused = await state.attempt(async () => {
      made = draft.id === null ? await post("roads/rules", body) : await put(`roads/rules/${encodeURIComponent(draft.id)}`, body);
      await state.roads.read();
    });
    setBusy(false);
    setProblem(refused);
    if (refused === null) onDone(made.id);
  };
  const wrongShape = problem?.fields.find(({ field }) => field.startsWith("geometry"));
  const others = problem?.fields.map(({ field }) => field).filter((field) => field.startsWith("geometry")) ?? [];
  const { how } = ROAD_SHAPES[draft.shape];
  return html`
    <section class="detail" aria-label="Closure or slow zone">
      <${Chosen} title=${draft.id === null ? "Close or slow a street" : "Change"} onBack=${onBack} back="Close without a change" />
      <form class="form" onSubmit=${send}>
        <div class="choices">
          <${Choice} legend="What it does" name="road-kind" value=${draft.kind} options=${Object.entries(KINDS)} onChange=${(kind) => onChange({ ...draft, kind })} />
          <${Choice} legend="Where" name="road-shape" value=${draft.shape} onChange=${(shape) => onChange({ ...draft, shape })}
            options=${Object.entries(ROAD_SHAPES).map(([shape, { label }]) => [shape, label])} />
        </div>
        <p class="hint-line">${hasMap ? `${how} Or type ` : "Type "}latitude, longitude in degrees, one place a line.</p>
        <div class="field">
          <label for="road-points">Points <span class="hint" role="status">${isFollowing ? "finding the street…" : points.length === 0 ? "" : `${points.length} placed`}</span></label>
          <textarea id="road-points" class="input figures" rows="3" spellcheck=${false} placeholder="−29.90591, −71.25014"
            value=${draft.points} onInput=${type("points")} aria-invalid=${wrongShape !== undefined}
            aria-describedby=${wrongShape && "road-points-problem"}></textarea>
          ${wrongShape && html`<p class="problem" id="road-points-problem">${sentence(wrongShape)}</p>`}
        </div>
        <p class="actions"><button class="button" type="button" disabled=${points.length === 0} onClick=${() => onChange(withoutLast(draft))}>Take back the last point</button></p>
        ${draft.shape === "LineString" && html`
          <p class="checks">
            <label class="check"><input type="checkbox" checked=${draft.isAlong} onChange=${tick("isAlong")} /> Follow the street between the points</label>
            <label class="check"><input type="checkbox" checked=${draft.isOneWay} onChange=${tick("isOneWay")} /> In the direction of the line only</label>
          </p>`}
        ${draft.kind === "slow" && html`
          <${Field} id="road-kmh" label="At most, km/h" type="number" min="2" max="130" step="any" problem=${problem} fields=${["properties.kmh"]}
            value=${draft.kmh} onInput=${type("kmh")} />`}
        <${Field} id="road-from" label="From" type="datetime-local" isOptional problem=${problem} fields=${["properties.from"]}
          hint="Empty: from now on." value=${draft.from} onInput=${type("from")} />
        <${Field} id="road-until" label="Until" type="datetime-local" isOptional problem=${problem} fields=${["properties.until"]}
          hint="Empty: until somebody ends it." value=${draft.until} onInput=${type("until")} />
        <${Field} id="road-name" label="Why" isOptional maxlength="200" autocomplete="off" placeholder="Road works, market" problem=${problem}
          fields=${["properties.name"]} value=${draft.name} onInput=${type("name")} />
        ${state.depots.length > 1 && html`
          <${Field} id="road-depot" label="May be changed by dispatchers of" problem=${problem} fields=${["properties.depot_id"]} value=${draft.depotId} onChange=${type("depotId")}>
            <option value="">All depots</option>
            ${state.depots.map(({ id, name }) => html`<option value=${id} selected=${id === draft.depotId}>${name}</option>`)}
          </${Field}>`}
        <${Refusal} problem=${problem} shown=${[...SHOWN, ...others]} />
        <p class="actions">
          <button class="button primary" type="submit" disabled=${isBusy || isFollowing}>${isBusy ? "Keeping…" : draft.kind === "closed" ? "Close it" : "Slow it"}</button>
          <button class="button plain" type="button" onClick=${onBack}>Close</button>
        </p>
      </form>
    </section>`;
}

function Choice({ legend, name, value, options, onChange }) {
  return html`
    <fieldset class="choice">
      <legend class="visually-hidden">${legend}</legend>
      ${options.map(([key, label]) => html`
        <label><input type="radio" name=${name} checked=${key === value} onChange=${() => onChange(key)} /> ${label}</label>`)}
    </fieldset>`;
}
