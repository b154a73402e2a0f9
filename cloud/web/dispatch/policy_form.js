// What driving, lateness and change cost a company, and which re-plans ask first.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { get, put } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Field, Refusal } from "../look/parts.js";
import { changedPolicy, POLICY_PARTS, policyDraft } from "./policy.js";

const SHOWN = [...POLICY_PARTS.flatMap(({ prices }) => prices.map(([name]) => name)), "ask_above_moved"];

/** The form; only an administrator may change what is in it. */
export function PolicyForm({ state, onBack }) {
  const [policy, setPolicy] = useState(null);
  const [draft, setDraft] = useState(null);
  const [problem, setProblem] = useState(null);
  const [isKept, setKept] = useState(false);
  const mayChange = state.me?.role === "admin";
  const take = (found) => {
    setPolicy(found);
    setDraft(policyDraft(found));
  };
  useEffect(() => {
    state.attempt(async () => take(await get("planning/policy"))).then(setProblem);
  }, []);
  const change = (part) => {
    setKept(false);
    setDraft({ ...draft, ...part });
  };
  const send = async (event) => {
    event.preventDefault();
    const refused = await state.attempt(async () => take(await put("planning/policy", changedPolicy(policy, draft))));
    setProblem(refused);
    setKept(refused === null);
  };
  return html`
    <section class="detail" aria-label="Policy">
      <${Chosen} title="Policy" onBack=${onBack} back="Back to the plan" />
      <p class="hint-line">Every plan is the cheapest by these prices. All are told in minutes of driving, and hold from the next re-plan on.</p>
      ${draft === null ? html`<${Refusal} problem=${problem} />` : html`
        <form class="form policy" onSubmit=${send}>
          ${POLICY_PARTS.map(({ title, prices }) => html`
            <fieldset class="form" disabled=${!mayChange}>
              <legend class="section">${title}</legend>
              ${prices.map(([name, label]) => html`
                <${Field} id=${`policy-${name}`} label=${label} type="number" min="0" step="any" problem=${problem} fields=${[name]}
                  value=${draft[name]} onInput=${(event) => change({ [name]: event.target.value })} />`)}
            </fieldset>`)}
          <fieldset class="form" disabled=${!mayChange}>
            <legend class="section">When a re-plan asks first</legend>
            <label class="check"><input type="checkbox" checked=${draft.asksAboveMoved}
              onChange=${(event) => change({ asksAboveMoved: event.target.checked })} /> When it moves many orders</label>
            ${draft.asksAboveMoved && html`
              <${Field} id="policy-moved" label="More than so many orders" type="number" min="0" max="100000" step="1" problem=${problem}
                fields=${["ask_above_moved"]} value=${draft.askAboveMoved} onInput=${(event) => change({ askAboveMoved: event.target.value })} />`}
            <label class="check"><input type="checkbox" checked=${draft.asksBeforePromise}
              onChange=${(event) => change({ asksBeforePromise: event.target.checked })} /> When it tells a customer another time</label>
            <p class="hint-line">Everything else is published at once. What a dispatcher asks for is never asked again.</p>
          </fieldset>
          <${Refusal} problem=${problem} shown=${SHOWN} />
          ${mayChange
            ? html`<p class="actions"><button class="button primary" type="submit">Keep the policy</button>
                <span role="status">${isKept ? "Kept; it holds from the next re-plan on." : ""}</span></p>`
            : html`<p class="hint-line">An administrator may change it.</p>`}
        </form>`}
    </section>`;
}
