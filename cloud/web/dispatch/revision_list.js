// The revisions of a day: why each came, what it changed, what it costs; the way back, and two compared.

import { useState } from "../vendor/preact/hooks.module.js";
import { get, post, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Refusal, Sure } from "../look/parts.js";
import { minutes } from "./parts.js";
import { followJob } from "./plan_book.js";
import { countsOf, drivingOf, pricesInWords, sayNames, triggerInWords } from "./plan_words.js";

const AT_ONCE = 30;

/** All revisions, the newest first. */
export function Revisions({ state, onOrder, onVan }) {
  const [limit, setLimit] = useState(AT_ONCE);
  const { revisions } = state;
  if (revisions.length === 0) return html`<p class="empty">No plan was published for today yet.</p>`;
  return html`
    ${revisions.length > 1 && html`<${Compare} state=${state} onOrder=${onOrder} onVan=${onVan} />`}
    <ol class="revisions" aria-label="Revisions">
      ${[...revisions].reverse().slice(0, limit).map((revision) => html`
        <${Revision} key=${revision.number} state=${state} revision=${revision} onOrder=${onOrder} onVan=${onVan} />`)}
    </ol>
    ${revisions.length > limit && html`
      <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>Show more (${revisions.length - limit} left)</button>`}`;
}

function Revision({ state, revision, onOrder, onVan }) {
  const { diff, number, prices } = revision;
  const [tone, trigger] = triggerInWords(revision.trigger);
  const isCurrent = number === state.plan.revision;
  return html`
    <li class="revision" data-revision=${number}>
      <div class="revision-head">
        <b class="figures">#${number}</b>
        <${Chip} tone=${tone}>${trigger}</${Chip}>
        ${isCurrent && html`<${Chip} tone="good">In force</${Chip}>`}
        <time class="figures soft" datetime=${revision.created_at}>${state.times.clock(revision.created_at)}</time>
      </div>
      <p class="reason">${sayNames(revision.reason, state)}</p>
      ${revision.because !== null && html`<p class="soft">By ${revision.because}</p>`}
      <p class="soft">
        <span class="figures">${drivingOf(diff)}</span><br />${countsOf(diff)}
        ${revision.cost.late_s > 0 && html`<br /><span class="at-risk">${minutes(revision.cost.late_s)} late in all</span>`}
      </p>
      <${Sacrificed} state=${state} diff=${diff} onOrder=${onOrder} />
      <${Prices} prices=${prices} />
      ${number > 1 && html`<${Changes} state=${state} diff=${diff} onOrder=${onOrder} onVan=${onVan} />`}
      ${state.mayAct && mayGoBack(number, state.plan.revision) && html`<${Back} key=${`back ${isCurrent}`} state=${state} number=${number} isCurrent=${isCurrent} />`}
    </li>`;
}

/** One goes back from the plan in force, or to a revision that lies further back than the one before. */
function mayGoBack(number, current) {
  return (number === current && number > 1) || number < current - 1;
}

function Prices({ prices }) {
  if (prices === null) return null;
  return html`
    <dl class="prices" title="What the plan costs by your policy, in time of driving">
      <div class="soft">Price</div>
      ${pricesInWords(prices).map(([term, words, isBad]) => html`
        <div><dt>${term}</dt><dd class=${isBad ? "figures at-risk" : "figures"}>${words}</dd></div>`)}
    </dl>`;
}

/** The promises that are not kept, each by name. */
export function Sacrificed({ state, diff, onOrder }) {
  if (diff.sacrificed.length === 0) return null;
  return html`
    <ul class="note bad" aria-label="Promises given up">
      ${diff.sacrificed.slice(0, AT_ONCE).map((one) => html`
        <li key=${one.order_id}><${Order} state=${state} id=${one.order_id} onOrder=${onOrder} />:
          promised until <b class="figures">${state.times.clock(one.promised_until)}</b>, comes at <b class="figures">${state.times.clock(one.served_at)}</b></li>`)}
      ${diff.sacrificed.length > AT_ONCE && html`<li>and ${diff.sacrificed.length - AT_ONCE} more</li>`}
    </ul>`;
}

/** Order by order, what changes; folded. */
export function Changes({ state, diff, onOrder, onVan }) {
  const { added, removed, moved, promises_moved: promises } = diff;
  if (added.length + removed.length + moved.length + promises.length === 0) return null;
  return html`
    <details>
      <summary>What changed</summary>
      <${Lists} state=${state} lists=${{ added, removed, moved, promises }} onOrder=${onOrder} onVan=${onVan} />
    </details>`;
}

function Lists({ state, lists: { added, removed, moved, promises = [] }, onOrder, onVan }) {
  const named = (id) => html`<${Order} state=${state} id=${id} onOrder=${onOrder} />`;
  const told = [
    ...added.map((id) => html`<li>Added ${named(id)}</li>`),
    ...removed.map((id) => html`<li>Taken off ${named(id)}</li>`),
    ...moved.map((one) => html`<li>${named(one.order_id)} ${move(one, state, onVan)}</li>`),
    ...promises.map((id) => html`<li>Another time is promised to ${named(id)}</li>`),
  ];
  return html`
    <ul class="changes">
      ${told.slice(0, AT_ONCE)}
      ${told.length > AT_ONCE && html`<li class="soft">and ${told.length - AT_ONCE} more</li>`}
    </ul>`;
}

function Order({ state, id, onOrder }) {
  if (!state.orders.has(id)) return id;
  return html`<button class="link" type="button" onClick=${() => onOrder(id)}>${state.orders.get(id).address}</button>`;
}

function move({ from_vehicle: from, to_vehicle: to }, state, onVan) {
  const named = (id) => html`<button class="link" type="button" onClick=${() => onVan(id)}>${state.vans.get(id)?.name ?? id}</button>`;
  return from === to ? html`has another place on ${named(to)}` : html`went from ${named(from)} to ${named(to)}`;
}

/** The way back to an earlier revision; from the current one, to the one before. */
function Back({ state, number, isCurrent }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const to = isCurrent ? number - 1 : number;
  const undo = async () => {
    setBusy(true);
    const refused = await state.attempt(async () => {
      const { job_id: id } = await post(`${state.desk.path}/undo`, { revision: state.plan.revision, to });
      const job = await followJob(id, () => {});
      await state.readDay();
      if (job.state === "failed") throw new Problem(0, `The way back failed: ${job.error}. The plan stays as it is.`);
    });
    setBusy(false);
    setProblem(refused);
    return refused === null;
  };
  return html`
    <p><${Sure} label=${isCurrent ? `Undo #${number}…` : `Back to #${number}…`} isBusy=${isBusy} onSure=${undo}
      question=${`Drive what is still open as in #${to}?`} sure=${isBusy ? "Going back…" : `Back to #${to}`} /></p>
    <${Refusal} problem=${problem} />`;
}

function Compare({ state, onOrder, onVan }) {
  const numbers = state.revisions.map(({ number }) => number).reverse();
  const [chosenFrom, setFrom] = useState(null);
  const [chosenTo, setTo] = useState(null);
  const [from, to] = [chosenFrom ?? numbers[1], chosenTo ?? numbers[0]];
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const compare = async (event) => {
    event.preventDefault();
    setFound(null);
    setProblem(await state.attempt(async () => {
      setFound({ from, to, ...(await get(`${state.desk.path}/comparison`, { from, to })) });
    }));
  };
  const choice = (id, label, value, set) => html`
    <div class="field">
      <label for=${id}>${label}</label>
      <select id=${id} class="input" value=${value} onChange=${(event) => set(Number(event.target.value))}>
        ${numbers.map((number) => html`<option value=${number} selected=${number === value}>#${number}</option>`)}
      </select>
    </div>`;
  return html`
    <details class="compare">
      <summary>Compare two revisions</summary>
      <form class="compare-tools" onSubmit=${compare}>
        ${choice("compare-from", "From", from, setFrom)}
        ${choice("compare-to", "To", to, setTo)}
        <button class="button" type="submit" disabled=${from === to}>Compare</button>
      </form>
      <${Refusal} problem=${problem} />
      ${found !== null && html`
        <div role="status">
          <p><b class="figures">#${found.from} → #${found.to}:</b> ${countsOf(found)}</p>
          <${Lists} state=${state} lists=${found} onOrder=${onOrder} onVan=${onVan} />
          ${found.removed.length > 0 && html`<p class="hint-line">What was delivered meanwhile counts as taken off.</p>`}
        </div>`}
    </details>`;
}
