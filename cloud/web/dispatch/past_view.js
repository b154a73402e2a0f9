// A van's day: choose it, play it, read what it did.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Fact, Refusal } from "../look/parts.js";
import { sums } from "./past.js";
import { km, minutes } from "./parts.js";
import { place } from "./van_list.js";

const SPEEDS = [10, 30, 60, 300, 1200];
const NEAR_M = 80;
const DEPOT_NEAR_M = 200;

/** The day of a van. */
export function PastView({ state, van }) {
  const [day, setDay] = useState(state.day);
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { replay } = state;
  const safely = async (work) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
    setBusy(false);
  };
  const read = () => safely(() => state.openPast(van.id, day));
  useEffect(() => {
    read();
    return () => state.closePast();
  }, [van.id, day]);
  return html`
    <section aria-label=${`Past days of ${van.name}`}>
      <div class="past-tools">
        <div class="field">
          <label for="past-day">Day</label>
          <input id="past-day" class="input" type="date" required value=${day} max=${state.day}
            onChange=${({ target }) => target.value !== "" && setDay(target.value)} />
        </div>
        <button class="button" type="button" disabled=${isBusy} onClick=${read}>${isBusy ? "Reading…" : "Read again"}</button>
      </div>
      <${Refusal} problem=${problem} />
      ${problem === null && (replay?.track == null
        ? html`<p class="empty" role="status">Reading the day…</p>`
        : html`<${Day} state=${state} replay=${replay} safely=${safely} isBusy=${isBusy} />`)}
    </section>`;
}

function Day({ state, replay, safely, isBusy }) {
  if (replay.track.isEmpty && replay.entries.length === 0) {
    return html`<p class="empty">Nothing is known of this van on this day. Choose another one.</p>`;
  }
  const sum = sums(replay.entries, replay.toMs);
  return html`
    <dl class="facts">
      <${Fact} term="Trips">${sum.trips}</${Fact}>
      <${Fact} term="Driven">${km(sum.distanceM)}, ${minutes(sum.drivenS)}</${Fact}>
      <${Fact} term="At rest">${minutes(sum.restedS)}</${Fact}>
      <${Fact} term="Told by">${replay.toldBy === "van" ? "the van" : "its track"}</${Fact}>
    </dl>
    ${!replay.track.isEmpty && html`
      <${Player} state=${state} replay=${replay} />
      <p class="past-files">
        <label class="check"><input type="checkbox" checked=${replay.isOnStreets} disabled=${isBusy}
          onChange=${(event) => safely(() => replay.alongStreets(event.target.checked))} /> Along the streets</label>
        <a class="link" href=${replay.file("gpx")} download>GPX</a>
        <a class="link" href=${replay.file("csv")} download>CSV</a>
      </p>
      ${replay.isOnStreets && html`<${Streets} streets=${replay.streets} />`}`}
    <h3 class="section">What it did</h3>
    <ol class="rows journeys" aria-label="Trips and dwells">
      ${replay.entries.map((entry) => html`<${Entry} key=${`${entry.kind} ${entry.fromMs}`} state=${state} replay=${replay} entry=${entry} />`)}
    </ol>
    ${replay.entries.length === 0 && html`<p class="empty">No trip is known of this day.</p>`}`;
}

function Streets({ streets }) {
  if (streets === null) return html`<p class="hint-line" role="status">Finding the streets…</p>`;
  const sure = streets.confidence === null ? "" : `, ${Math.round(streets.confidence * 100)} % sure`;
  const rest = streets.unmatched_m >= 50 ? `; ${km(streets.unmatched_m)} fit no street (dashed)` : "";
  return html`<p class="hint-line" role="status">${km(streets.distance_m)} along streets${sure}${rest}.</p>`;
}

function Player({ state, replay }) {
  const { track } = replay;
  const moment = state.times.exact(replay.nowMs);
  const { speed, isKnown } = replay.place;
  const said = isKnown ? (speed === null ? "" : `${Math.round(speed * 3.6)} km/h`) : "nothing known";
  return html`
    <div class="player" role="group" aria-label="Replay">
      <button class="button" type="button" onClick=${() => replay.play(!replay.isPlaying)}>${replay.isPlaying ? "Pause" : "Play"}</button>
      <output class="figures" data-moment=${replay.nowMs}><b>${moment}</b> <span class="soft">${said}</span></output>
      <label class="speeds"><span class="visually-hidden">Speed</span>
        <select class="input" value=${replay.speed} onChange=${(event) => { replay.speed = Number(event.target.value); }}>
          ${SPEEDS.map((times) => html`<option value=${times} selected=${times === replay.speed}>${times}×</option>`)}
        </select>
      </label>
      <${Strip} replay=${replay} />
      <input class="slider" type="range" aria-label="Moment of the day" aria-valuetext=${`${moment} ${said}`}
        min=${track.beginsMs} max=${Math.max(track.endsMs, track.beginsMs + 1)} step="1000" value=${replay.nowMs}
        onInput=${(event) => replay.seek(Number(event.target.value))} />
      <span class="figures soft">${state.times.clock(track.beginsMs)}</span>
      <span class="figures soft">${state.times.clock(track.endsMs)}</span>
    </div>`;
}

function Strip({ replay: { track, entries } }) {
  const whole = Math.max(1, track.endsMs - track.beginsMs);
  const part = (ms) => (100 * Math.min(Math.max(ms - track.beginsMs, 0), whole)) / whole;
  return html`
    <span class="strip" aria-hidden="true">
      ${entries.filter(({ kind }) => kind === "trip").map(({ fromMs, toMs }) => html`
        <span style=${{ left: `${part(fromMs)}%`, width: `${part(toMs ?? track.endsMs) - part(fromMs)}%` }}></span>`)}
    </span>`;
}

function Entry({ state, replay, entry }) {
  const { kind, fromMs, toMs } = entry;
  const until = toMs === null ? "now" : state.times.clock(toMs);
  const isNow = fromMs <= replay.nowMs && replay.nowMs < (toMs ?? Infinity);
  const lasted = minutes(((toMs ?? replay.toMs) - fromMs) / 1000);
  const show = () => {
    if (!replay.track.isEmpty) replay.seek(fromMs);
    state.lookAtPast(entry);
  };
  return html`
    <li>
      <button type="button" class=${`row ${kind} ${isNow ? "is-now" : ""}`} aria-current=${isNow} onClick=${show}>
        <span class="row-title">${kind === "trip" ? drove(entry) : stood(entry, state)}</span>
        <span class="figures soft">${state.times.clock(fromMs)}–${until}</span>
        <span class="row-line">${kind === "trip" ? tripLine(entry, lasted) : `Stood ${lasted}`}</span>
      </button>
    </li>`;
}

function drove({ distance_m: metres }) {
  return metres === null ? "Drove" : `Drove ${km(metres)}`;
}

function tripLine({ top_speed_mps: top, idling_s: idling }, lasted) {
  const parts = [lasted];
  if (top !== null) parts.push(`top ${Math.round(top * 3.6)} km/h`);
  if (idling > 60) parts.push(`idled ${minutes(idling)}`);
  return parts.join(" · ");
}

/** Where a van stood: at a depot, at an order's address, or in degrees. */
function stood({ place: at }, { depots, orders }) {
  if (at === null) return "Place not told";
  const depot = depots.find((one) => metresBetween(one, at) < DEPOT_NEAR_M);
  if (depot !== undefined) return `Depot ${depot.name}`;
  let [nearest, nearestM] = [null, NEAR_M];
  for (const order of orders.values()) {
    const apart = metresBetween(order, at);
    if (apart < nearestM) [nearest, nearestM] = [order, apart];
  }
  return nearest?.address ?? place(at);
}

function metresBetween(one, other) {
  const east = (one.lon - other.lon) * Math.cos((one.lat * Math.PI) / 180);
  return 111_320 * Math.hypot(one.lat - other.lat, east);
}
