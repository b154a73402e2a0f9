// The day's plan: what waits for a word, planning it, what could not be planned, rules and revisions.

import { useState } from "../vendor/preact/hooks.module.js";
import { post, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Fact, Refusal } from "../look/parts.js";
import { RulesInForce } from "./day_rules.js";
import { km, minutes } from "./parts.js";
import { followJob } from "./plan_book.js";
import { waits } from "./rounds.js";
import { Proposals } from "./proposal_list.js";
import { Revisions } from "./revision_list.js";
import { ShortShifts } from "./working_time.js";

const AT_ONCE = 30;

/** Numbers of the plan, proposals, the planning form, what is unserved, rules, and the revisions, newest first. */
export function PlanView({ state, hasMap, onOrder, onVan, onPolicy }) {
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
      ${state.maySeeDesk && html`<${Proposals} state=${state} hasMap=${hasMap} onOrder=${onOrder} onVan=${onVan} />`}
      ${state.mayAct && html`<${Optimize} state=${state} />`}
      <${Unserved} state=${state} onOrder=${onOrder} />
      ${state.maySeeDesk && html`<${ShortShifts} state=${state} onVan=${onVan} />`}
      ${state.maySeeDesk && html`<${RulesInForce} state=${state} onOrder=${onOrder} onVan=${onVan} />`}
      <div class="section headed"><h3>Revisions</h3>
        ${state.maySeeDesk && html`<button class="link soft" type="button" onClick=${onPolicy}>What plans are priced by</button>`}</div>
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
  await followJob(id, setJob);
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
  const none = state.plan.unserved.filter((left) => !waits(left));
  const later = state.plan.unserved.filter((left) => waits(left) && state.orders.has(left.order_id));
  return html`
    <${LeftOut} state=${state} title="Unserved" every=${none} onOrder=${onOrder} />
    <${LeftOut} state=${state} title="Waiting for a later day" every=${later} onOrder=${onOrder} />`;
}

function LeftOut({ state, title, every, onOrder }) {
  if (every.length === 0) return null;
  return html`
    <h3 class="section">${title} (${every.length})</h3>
    <ul class="rows">
      ${every.slice(0, AT_ONCE).map((left) => html`
        <li key=${left.order_id}>
          <button class="row" type="button" onClick=${() => onOrder(left.order_id)}>
            <span class="row-title">${state.orders.get(left.order_id)?.address ?? left.order_id}</span>
            <${Chip} tone=${waits(left) ? "quiet" : "bad"}>${waits(left) ? "Waits" : "Unserved"}</${Chip}>
            <span class=${`row-line ${waits(left) ? "" : "at-risk"}`}>${left.reason}</span>
          </button>
        </li>`)}
    </ul>`;
}
