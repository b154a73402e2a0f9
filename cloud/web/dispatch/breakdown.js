// A van that cannot drive on: who said so, the report, and that it goes out again.

import { useState } from "../vendor/preact/hooks.module.js";
import { Problem, put, remove } from "../look/api.js";
import { html } from "../look/html.js";
import { Field, Refusal, Sure } from "../look/parts.js";
import { place } from "./van_list.js";

const SHOWN = ["lat", "lon", "note"];

/** Whether a van stands, and the way to say so or to end it. */
export function Breakdown({ state, van }) {
  const [isAsking, setAsking] = useState(false);
  const told = state.breakdowns.get(van.id);
  if (told !== undefined) return html`<${Standing} state=${state} van=${van} told=${told} />`;
  if (!state.mayAct) return null;
  if (isAsking) return html`<${Report} state=${state} van=${van} onDone=${() => setAsking(false)} />`;
  return html`<p class="actions"><button class="button" type="button" onClick=${() => setAsking(true)}>Report a breakdown…</button></p>`;
}

function Standing({ state, van, told }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const end = async () => {
    setBusy(true);
    const refused = await state.attempt(async () => {
      await remove(pathOf(van));
      await state.readBreakdowns();
    });
    setBusy(false);
    setProblem(refused);
    return refused === null;
  };
  return html`
    <div class="note bad" data-breakdown=${van.id}>
      <b>Broken down</b> at <span class="figures">${place(told)}</span>,
      told by ${told.reported_by} at <span class="figures">${state.times.clock(told.reported_at)}</span>${told.note && `: ${told.note}`}
      <p class="soft">It is not sent out; other vans fetch what it has aboard from there.</p>
      ${state.mayAct && html`
        <p class="actions">
          <${Sure} label="Back in service" question="It drives on with what nobody has fetched?" sure="It drives again" isBusy=${isBusy} onSure=${end} />
        </p>`}
      <${Refusal} problem=${problem} />
    </div>`;
}

function Report({ state, van, onDone }) {
  const [isSeen, setSeen] = useState(van.position !== null);
  const [lat, setLat] = useState("");
  const [lon, setLon] = useState("");
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    const refused = await state.attempt(async () => {
      await put(pathOf(van), bodyOf({ isSeen, lat, lon, note }));
      await state.readBreakdowns();
    });
    setBusy(false);
    setProblem(refused);
    if (refused === null) return onDone();
    if (refused.fields.some(({ field }) => field === "lat")) setSeen(false); // nobody knows where it is
  };
  const type = (set) => (event) => set(event.target.value);
  return html`
    <form class="form boxed" onSubmit=${send} aria-label="Breakdown">
      <fieldset class="choice">
        <legend class="visually-hidden">Where the van stands</legend>
        <label><input type="radio" name="breakdown-place" disabled=${van.position === null} checked=${isSeen} onChange=${() => setSeen(true)} /> Where it was seen last</label>
        <label><input type="radio" name="breakdown-place" checked=${!isSeen} onChange=${() => setSeen(false)} /> Somewhere else</label>
      </fieldset>
      ${!isSeen && html`
        <div class="pair">
          <${Field} id="breakdown-lat" label="Latitude" inputmode="decimal" placeholder="−29.90591" problem=${problem} fields=${["lat"]} value=${lat} onInput=${type(setLat)} />
          <${Field} id="breakdown-lon" label="Longitude" inputmode="decimal" placeholder="−71.25014" problem=${problem} fields=${["lon"]} value=${lon} onInput=${type(setLon)} />
        </div>`}
      <${Field} id="breakdown-note" label="Remarks" isOptional maxlength="500" autocomplete="off" placeholder="No battery; parked at the kerb" problem=${problem}
        fields=${["note"]} value=${note} onInput=${type(setNote)} />
      <${Refusal} problem=${problem} shown=${isSeen ? ["note"] : SHOWN} />
      <p class="hint-line">The van gets no stops, and others fetch its parcels where it stands, until it is back in service.</p>
      <p class="actions">
        <button class="button danger" type="submit" disabled=${isBusy}>${isBusy ? "Telling…" : "It cannot drive on"}</button>
        <button class="button plain" type="button" onClick=${onDone}>Close</button>
      </p>
    </form>`;
}

function pathOf({ id }) {
  return `vehicles/${encodeURIComponent(id)}/breakdown`;
}

function bodyOf({ isSeen, lat, lon, note }) {
  if (isSeen) return { note: note.trim() };
  const place = { lat: degrees(lat), lon: degrees(lon) };
  const wrong = Object.entries(place).filter(([, value]) => Number.isNaN(value));
  if (wrong.length > 0) {
    throw new Problem(0, "The place is missing.", wrong.map(([field]) => ({ field, problem: "is not a number", remedy: "type degrees such as -29.90591" })));
  }
  return { ...place, note: note.trim() };
}

function degrees(text) {
  return text.trim() === "" ? NaN : Number(text.replace("−", "-").replace(",", "."));
}
