// API tokens: whose they are, what they are good for, until when; a new one is shown once.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { post, Problem, remove } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Chosen, Field, Refusal, Sure } from "../look/parts.js";
import { ShownOnce } from "./secret.js";
import { nameOf, roleInWords, scopesInWords } from "./words.js";

const FIELDS = ["name", "scopes", "expires_in_days", "user_id"];
const SOON_MS = 14 * 86_400_000;

/** Every token within sight, and the way to make one. */
export function TokenList({ state, onNew }) {
  return html`
    <div class="tools">
      <p class="hint-line">A token lets another system call as its user. Its secret is never shown again.</p>
      <button class="button primary" type="button" data-id="new" onClick=${onNew}>Make a token</button>
    </div>
    <${TokenTable} state=${state} tokens=${state.tokens} hasUser=${state.isAdmin} />`;
}

/** Some tokens. */
export function TokenTable({ state, tokens, hasUser = false }) {
  const [problem, setProblem] = useState(null);
  if (tokens.length === 0) return html`<p class="empty">There is no API token.</p>`;
  const heads = ["Token", ...(hasUser ? ["Acts as"] : []), "Good for", "Made", "Last used", "Until", ""];
  const end = async (token) => {
    setProblem(await state.attempt(() => remove(`tokens/${token.id}`)));
    return true;
  };
  return html`
    <div class="scroll-x">
      <table class="table">
        <thead><tr>${heads.map((head) => html`<th scope="col">${head || html`<span class="visually-hidden">End it</span>`}</th>`)}</tr></thead>
        <tbody>
          ${tokens.map((token) => html`
            <tr key=${token.id} data-token=${token.id}>
              <th scope="row" class="wide">${token.name}</th>
              ${hasUser && html`<td class="wide">${state.nameOf(token.user_id).replace(/^driver:[^:]*:/, "")}</td>`}
              <td class="wide">${scopesInWords(token.scopes)}</td>
              <td class="figures">${state.moment(token.created_at)}</td>
              <td class="figures">${token.last_used_at === null ? "never" : state.moment(token.last_used_at)}</td>
              <td class="figures">${until(token, state)}</td>
              <td><${Sure} label="End…" question="Whoever uses it is shut out. End it?" sure="End it" onSure=${() => end(token)} /></td>
            </tr>`)}
        </tbody>
      </table>
    </div>
    <${Refusal} problem=${problem} />`;
}

function until({ expires_at: end }, state) {
  if (end === null) return "for ever";
  const leftMs = Date.parse(end) - Date.now();
  return html`${state.moment(end)} ${leftMs < SOON_MS && html`<${Chip} tone=${leftMs < 0 ? "bad" : "warn"}>${leftMs < 0 ? "Ended" : "Soon"}</${Chip}>`}`;
}

/** A new token, at first for `userId`. */
export function TokenForm({ state, userId, onBack }) {
  const [draft, setDraft] = useState({ name: "", userId, scopes: null, days: "365" });
  const [problem, setProblem] = useState(null);
  const [made, setMade] = useState(null);
  const change = (next) => setDraft({ ...draft, ...next });
  useEffect(() => {
    state.readParts().catch((error) => error instanceof Problem ? setProblem(error) : Promise.reject(error));
  }, []);
  const send = async (event) => {
    event.preventDefault();
    const body = { name: draft.name.trim(), scopes: draft.scopes, expires_in_days: Number(draft.days) };
    if (draft.userId !== state.me.user_id) body.user_id = draft.userId;
    let found;
    const refused = await state.attempt(async () => {
      found = await post("tokens", body);
    });
    setProblem(refused);
    if (found !== undefined) setMade(found);
  };
  if (made !== null) {
    return html`
      <section class="narrow" aria-label="Token made">
        <${Chosen} title=${made.name} onBack=${onBack} back="Back to all tokens" />
        <${ShownOnce} title="API token" secret=${made.token} hint="It goes into the header “Authorization: Bearer …”." onDone=${onBack} />
      </section>`;
  }
  return html`
    <section class="narrow" aria-label="Make a token">
      <${Chosen} title="Make a token" onBack=${onBack} back="Back without a token" />
      <form class="form" onSubmit=${send}>
        <${Field} id="token-name" label="Name" maxlength="64" placeholder="web shop" autocomplete="off" problem=${problem} fields=${["name"]}
          hint="Which system it is for, so that it can be ended alone." value=${draft.name} onInput=${(event) => change({ name: event.target.value })} />
        ${state.isAdmin && html`
          <${Field} id="token-user" label="Acts as" problem=${problem} fields=${["user_id"]} value=${draft.userId}
            onChange=${(event) => change({ userId: event.target.value })}>
            ${state.users.map((user) => html`<option value=${user.id} selected=${user.id === draft.userId}>${nameOf(user)}, ${roleInWords(user.role).toLowerCase()}</option>`)}
          </${Field}>`}
        <${Scopes} parts=${state.parts} scopes=${draft.scopes} onChange=${(scopes) => change({ scopes })} />
        <${Field} id="token-days" label="Ends after days" type="number" min="1" max="3650" problem=${problem} fields=${["expires_in_days"]}
          value=${draft.days} onInput=${(event) => change({ days: event.target.value })} />
        <${Refusal} problem=${problem} shown=${FIELDS.filter((field) => field !== "scopes")} />
        <p class="actions">
          <button class="button primary" type="submit" disabled=${draft.scopes?.length === 0}>Make the token</button>
          <button class="button plain" type="button" onClick=${onBack}>Close</button>
        </p>
      </form>
    </section>`;
}

function Scopes({ parts, scopes, onChange }) {
  const toggle = (scope) => (event) => {
    const held = scopes.filter((one) => one !== scope);
    onChange(event.target.checked ? [...held, scope] : held);
  };
  const box = (part, kinds, kind) => kinds.has(kind) && html`
    <input type="checkbox" aria-label=${`${part}:${kind}`} checked=${scopes.includes(`${part}:${kind}`)} onChange=${toggle(`${part}:${kind}`)} />`;
  return html`
    <fieldset class="roles">
      <legend>Good for</legend>
      <label><input type="radio" name="scopes" checked=${scopes === null} onChange=${() => onChange(null)} />
        <span>All that the user may</span></label>
      <label><input type="radio" name="scopes" checked=${scopes !== null} disabled=${parts === null} onChange=${() => onChange([])} />
        <span>Only what is marked<small>To write includes to read.</small></span></label>
      ${scopes !== null && html`
        <table class="scopes">
          <thead><tr><th scope="col">Part</th><th scope="col">Read</th><th scope="col">Write</th></tr></thead>
          <tbody>${parts.map(([part, kinds]) => html`
            <tr key=${part}><th scope="row">${part}</th><td>${box(part, kinds, "read")}</td><td>${box(part, kinds, "write")}</td></tr>`)}
          </tbody>
        </table>`}
    </fieldset>`;
}
