// The day's plan: planning it, what could not be planned, and every revision with its reason.

import { useState } from "../vendor/preact/hooks.module.js";
import { get, post, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Fact, Refusal } from "../look/parts.js";
import { km, minutes } from "./parts.js";
import { stateInWords } from "./rounds.js";

const LOOK_AGAIN_MS = 400;
const TRIGGER_TONES = { urgent_order: "warn", cancellation: "bad", failed_pickup: "bad", optimize: "brand" };
const AT_ONCE = 30;

/** Numbers of the plan, the planning form, what is unserved, and the revisions, newest first. */
export function PlanView({ state, onOrder, onVan }) {
  const { plan, times } = state;
  const routes = [...state.routes.values()];
  const sum = (name) => routes.reduce((total, route) => total + route[name], 0);
  return html`
    <section aria-label="Plan" class="plan">
      <dl class="facts">
        <${Fact} term="Day">${state.day === null ? "–" : times.date(Date.parse(`${state.day}T12:00:00Z`))}</${Fact}>
        <${Fact} term="Revision">${plan.revision === 0 ? "not planned yet" : plan.revision}</${Fact}>
        <${Fact} term="Routes">${routes.length}</${Fact}>
        <${Fact} term="Still to drive">${km(sum("distance_m"))}, ${minutes(sum("drive_s"))}</${Fact}>
      </dl>
      ${state.mayAct && html`<${Optimize} state=${state} />`}
      <${Unserved} state=${state} onOrder=${onOrder} />
      <h3 class="section">Revisions</h3>
      <${Revisions} state=${state} onOrder=${onOrder} onVan=${onVan} />
    </section>`;
}

function Optimize({ state }) {
  const [solver, setSolver] = useState("auto");
  const [seconds, setSeconds] = useState("3");
  const [job, setJob] = useState(null);
  const [problem, setProblem] = useState(null);
  const isBusy = job !== null && ["queued", "running"].includes(job.state);
  const plan = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      await follow(state, { solver, seconds: Number(seconds) }, setJob);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setJob(null);
      setProblem(error);
    }
  };
  return html`
    <form class="form boxed" onSubmit=${plan}>
      <div class="plan-tools">
        <div class="field">
          <label for="solver">Solver</label>
          <select id="solver" class="input" value=${solver} onChange=${(event) => setSolver(event.target.value)}>
            <option value="auto">Automatic</option>
            <option value="pyvrp">PyVRP</option>
            <option value="ortools">OR-Tools</option>
            <option value="insertion">Insertion</option>
          </select>
        </div>
        <div class="field">
          <label for="seconds">Seconds</label>
          <input id="seconds" class="input" type="number" min="0.1" max="120" step="0.1" required value=${seconds}
            onInput=${(event) => setSeconds(event.target.value)} />
        </div>
        <button class="button primary" type="submit" disabled=${isBusy || state.depot === null}>
          ${isBusy ? "Planning…" : "Plan the day"}
        </button>
      </div>
      <p class="hint-line">Plans what is still open again. Stops being driven to and parcels aboard stay as they are.</p>
      <${Job} job=${job} seconds=${Number(seconds)} />
      <${Refusal} problem=${problem} shown=${[]} />
    </form>`;
}

async function follow(state, asked, setJob) {
  const { job_id: id } = await post(`depots/${state.depot.id}/plans/${state.day}/optimize`, asked);
  const since = performance.now();
  let job;
  do {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    job = await get(`jobs/${id}`);
    setJob({ ...job, elapsedS: (performance.now() - since) / 1000 });
  } while (["queued", "running"].includes(job.state));
  await state.safely(() => state.readDay());
}

function Job({ job, seconds }) {
  if (job === null) return null;
  if (job.state === "done") return html`<p class="note good" role="status">Planned: revision ${job.revision} is in force.</p>`;
  if (job.state === "failed") {
    return html`<p class="note bad" role="alert">Planning failed: ${job.error}. The plan before stays in force.</p>`;
  }
  return html`
    <p role="status">
      <label class="job">
        <span>${job.state === "queued" ? "Waiting for the planner" : "Searching"}, ${Math.round(job.elapsedS)} s</span>
        <progress max=${seconds + 2} value=${Math.min(job.elapsedS, seconds + 1.8)}></progress>
      </label>
    </p>`;
}

function Unserved({ state, onOrder }) {
  const { unserved } = state.plan;
  if (unserved.length === 0) return null;
  return html`
    <h3 class="section">Unserved (${unserved.length})</h3>
    <ul class="rows">
      ${unserved.slice(0, AT_ONCE).map(({ order_id: id, reason }) => html`
        <li key=${id}>
          <button class="row" type="button" onClick=${() => onOrder(id)}>
            <span class="row-title">${state.orders.get(id)?.address ?? id}</span>
            <${Chip} tone="bad">Unserved</${Chip}>
            <span class="row-line at-risk">${reason}</span>
          </button>
        </li>`)}
    </ul>`;
}

function Revisions({ state, onOrder, onVan }) {
  if (state.revisions.length === 0) return html`<p class="empty">No plan was published for today yet.</p>`;
  return html`
    <ol class="revisions">
      ${[...state.revisions].reverse().slice(0, AT_ONCE).map((revision) => html`
        <${Revision} key=${revision.number} state=${state} revision=${revision} onOrder=${onOrder} onVan=${onVan} />`)}
    </ol>`;
}

function Revision({ state, revision, onOrder, onVan }) {
  const { diff, number } = revision;
  const counts = [
    [diff.added.length, "added"], [diff.removed.length, "taken off"],
    [diff.moved.length, "moved"], [diff.promises_moved.length, "promises moved"],
  ].filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return html`
    <li class="revision" data-revision=${number}>
      <div class="revision-head">
        <b class="figures">#${number}</b>
        <${Chip} tone=${TRIGGER_TONES[revision.trigger] ?? "quiet"}>${stateInWords(revision.trigger)}</${Chip}>
        <time class="figures soft" datetime=${revision.created_at}>${state.times.clock(revision.created_at)}</time>
      </div>
      <p class="reason">${sayNames(revision.reason, state)}</p>
      <p class="soft">
        <span class="figures">${minutes(diff.drive_s, true)}, ${km(diff.distance_m, true)} to drive</span>
        ${counts.length > 0 && html`<br />${counts.join(", ")}`}
        ${revision.cost.late_s > 0 && html`<br /><span class="at-risk">${minutes(revision.cost.late_s)} late in all</span>`}
      </p>
      ${number > 1 && (diff.moved.length > 0 || diff.added.length > 0) && html`
        <details>
          <summary>What changed</summary>
          <ul class="changes">
            ${diff.added.slice(0, AT_ONCE).map((id) => html`<li>Added <${Named} state=${state} id=${id} onOrder=${onOrder} /></li>`)}
            ${diff.moved.slice(0, AT_ONCE).map((one) => html`
              <li><${Named} state=${state} id=${one.order_id} onOrder=${onOrder} /> ${move(one, state, onVan)}</li>`)}
          </ul>
        </details>`}
    </li>`;
}

/** A reason of the service, with addresses in place of the ids that it names. */
function sayNames(reason, state) {
  const named = reason.replace(/\bord-[a-z0-9]+/g, (id) => state.orders.get(id)?.address ?? id);
  return named.replace(/^./, (first) => first.toUpperCase());
}

function Named({ state, id, onOrder }) {
  return html`<button class="link" type="button" onClick=${() => onOrder(id)}>${state.orders.get(id)?.address ?? id}</button>`;
}

function move({ from_vehicle: from, to_vehicle: to }, state, onVan) {
  const named = (id) => html`<button class="link" type="button" onClick=${() => onVan(id)}>${state.vans.get(id)?.name ?? id}</button>`;
  return from === to ? html`has another place on ${named(to)}` : html`went from ${named(from)} to ${named(to)}`;
}
