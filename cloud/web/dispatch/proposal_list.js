// Re-plans that wait for a dispatcher: what they change, on the map too, and yes or no.

import { useState } from "../vendor/preact/hooks.module.js";
import { post, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Refusal, Sure } from "../look/parts.js";
import { minutes } from "./parts.js";
import { followJob } from "./plan_book.js";
import { countsOf, drivingOf, sayNames, triggerInWords } from "./plan_words.js";
import { Changes, Sacrificed } from "./revision_list.js";

/** Open proposals, and nothing when there is none. */
export function Proposals({ state, hasMap, onOrder, onVan }) {
  const { open } = state.desk;
  if (open.length === 0) return null;
  return html`
    <section class="proposals" aria-label="Proposals">
      ${open.map((one) => html`<${Proposal} key=${one.id} state=${state} proposal=${one} hasMap=${hasMap} onOrder=${onOrder} onVan=${onVan} />`)}
    </section>`;
}

function Proposal({ state, proposal, hasMap, onOrder, onVan }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { diff, id } = proposal;
  const [tone, trigger] = triggerInWords(proposal.trigger);
  const { shown } = state.desk;
  const isShown = shown?.id === id;
  const decide = async (word) => {
    setBusy(true);
    setProblem(await state.attempt(async () => {
      const path = `${state.desk.path}/proposals/${encodeURIComponent(id)}/${word}`;
      const answer = await post(path);
      const job = word === "accept" ? await followJob(answer.job_id, () => {}) : null;
      await state.readDay();
      if (job?.state === "failed") throw new Problem(0, `It could not be published: ${job.error}. The plan before stays in force.`);
    }));
    setBusy(false);
  };
  const show = () => state.safely(() => isShown ? state.desk.hide() : state.desk.show(proposal, state));
  return html`
    <article class="form boxed proposal" data-proposal=${id} aria-label="Proposal">
      <div class="revision-head">
        <b>Waits for you</b>
        <${Chip} tone=${tone}>${trigger}</${Chip}>
        <time class="figures soft" datetime=${proposal.created_at}>${state.times.clock(proposal.created_at)}</time>
      </div>
      <p class="reason">${sayNames(proposal.reason, state)}</p>
      <p class="soft">You are asked because ${sayNames(proposal.asks_because, state).replace(/^It /, "it ")}.</p>
      <p><b class="figures">${drivingOf(diff)}</b><br />${countsOf(diff)}
        ${proposal.cost.late_s > 0 && html`<br /><span class="at-risk">${minutes(proposal.cost.late_s)} late in all</span>`}</p>
      <${Sacrificed} state=${state} diff=${diff} onOrder=${onOrder} />
      <${Changes} state=${state} diff=${diff} onOrder=${onOrder} onVan=${onVan} />
      ${hasMap && html`<p><button class="button" type="button" aria-pressed=${isShown} onClick=${show}>${isShown ? "Take it off the map" : "Show on the map"}</button></p>`}
      ${isShown && shown.more > 0 && html`<p class="hint-line">Only the first vans are drawn; ${shown.more} more change.</p>`}
      <${Refusal} problem=${problem} />
      ${state.mayAct && html`
        <p class="actions">
          <button class="button primary" type="button" disabled=${isBusy} onClick=${() => decide("accept")}>${isBusy ? "Publishing…" : "Accept"}</button>
          <${Sure} label="Reject" question="Leave the plan as it is?" sure="Reject" isBusy=${isBusy} onSure=${() => decide("reject")} />
        </p>`}
    </article>`;
}
