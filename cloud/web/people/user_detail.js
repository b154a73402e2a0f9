// One user: role and reach, password, tokens; let go for a while or for good.

import { useState } from "../vendor/preact/hooks.module.js";
import { patch, put, remove } from "../look/api.js";
import { html } from "../look/html.js";
import { Chip, Chosen, Fact, Refusal, Sure } from "../look/parts.js";
import { Grant, GRANT_FIELDS } from "./grant.js";
import { PasswordChoice, ShownOnce } from "./secret.js";
import { TokenTable } from "./tokens.js";
import { madeUp, nameOf, reachInWords, roleInWords } from "./words.js";

/** The chosen user. */
export function UserDetail({ state, user, onBack, onToken }) {
  const tokens = state.tokens.filter((token) => token.user_id === user.id);
  const isDriver = user.driver_id !== null;
  return html`
    <section aria-label=${nameOf(user)}>
      <${Chosen} title=${nameOf(user)} onBack=${onBack} back="Back to all people">
        ${user.disabled_at !== null && html`<${Chip} tone="bad">Disabled</${Chip}>`}
        <${Chip} tone=${user.role === "admin" ? "brand" : "quiet"}>${roleInWords(user.role)}</${Chip}>
      </${Chosen}>
      <div class="narrow">
        <dl class="facts">
          <${Fact} term="Reach">${isDriver ? "Own route" : reachInWords(user.reach, state.names)}</${Fact}>
          <${Fact} term="Signs in as">${user.has_password ? user.sign_in_name : "– (API tokens only)"}</${Fact}>
          <${Fact} term="Let in">${state.moment(user.created_at)}</${Fact}>
          <${Fact} term="Disabled">${user.disabled_at === null ? "no" : `since ${state.moment(user.disabled_at)}`}</${Fact}>
        </dl>
        ${isDriver && html`<p class="note">This login came with the driver ${user.driver_id}; what a driver may is the driver’s own route.</p>`}
        ${user.id === state.me.user_id && html`<p class="note">This is you.</p>`}
        ${!isDriver && html`<${Change} state=${state} user=${user} /><${Password} state=${state} user=${user} />`}
      </div>
      <h3 class="section">API tokens</h3>
      <${TokenTable} state=${state} tokens=${tokens} />
      <p class="actions"><button class="button" type="button" onClick=${onToken}>Make a token…</button></p>
      <${LetGo} state=${state} user=${user} onBack=${onBack} />
    </section>`;
}

function Change({ state, user }) {
  const before = { role: user.role, reach: user.reach };
  const [grant, setGrant] = useState(before);
  const [problem, setProblem] = useState(null);
  const [isDone, setDone] = useState(false);
  const isSame = JSON.stringify(grant) === JSON.stringify(before);
  const save = async (event) => {
    event.preventDefault();
    const refused = await state.attempt(() => patch(`users/${user.id}`, grant));
    setProblem(refused);
    setDone(refused === null);
  };
  const change = (next) => {
    setGrant(next);
    setDone(false);
  };
  return html`
    <form class="form boxed" onSubmit=${save} aria-label="Role and reach">
      <${Grant} state=${state} grant=${grant} problem=${problem} onChange=${change} />
      <${Refusal} problem=${problem} shown=${GRANT_FIELDS} />
      <p class="actions">
        <button class="button primary" type="submit" disabled=${isSame}>Save</button>
        <span class="soft" role="status">${isDone && isSame ? "Saved; it holds from the next request." : ""}</span>
      </p>
    </form>`;
}

function Password({ state, user }) {
  const [choice, setChoice] = useState(null);
  const [problem, setProblem] = useState(null);
  const [made, setMade] = useState(null);
  if (made !== null) {
    return html`<div class="form boxed"><${ShownOnce} title=${`New password of ${user.sign_in_name}`} secret=${made}
      hint="Every session of before has ended." onDone=${() => setMade(null)} /></div>`;
  }
  if (choice === null) {
    return html`<p class="actions"><button class="button" type="button" onClick=${() => setChoice({ how: "made", password: "" })}>
      ${user.has_password ? "Give another password…" : "Give a password…"}</button></p>`;
  }
  const give = async (event) => {
    event.preventDefault();
    const password = choice.how === "made" ? madeUp() : choice.password;
    const refused = await state.attempt(() => put(`users/${user.id}/password`, { password }));
    setProblem(refused);
    if (refused !== null) return;
    setMade(choice.how === "made" ? password : null);
    setChoice(null);
  };
  return html`
    <form class="form boxed" onSubmit=${give} aria-label="Another password">
      <${PasswordChoice} ...${choice} problem=${problem} onChange=${setChoice} />
      <${Refusal} problem=${problem} shown=${choice.how === "typed" ? ["password"] : []} />
      <p class="hint-line">Every session of ${nameOf(user)} ends; API tokens stay.</p>
      <p class="actions">
        <button class="button primary" type="submit">Give this password</button>
        <button class="button plain" type="button" onClick=${() => setChoice(null)}>Close</button>
      </p>
    </form>`;
}

function LetGo({ state, user, onBack }) {
  const [problem, setProblem] = useState(null);
  const disable = async (disabled) => {
    const refused = await state.attempt(() => patch(`users/${user.id}`, { disabled }));
    setProblem(refused);
    return true;
  };
  const forget = async () => {
    const refused = await state.attempt(() => remove(`users/${user.id}`));
    setProblem(refused);
    if (refused === null) onBack();
    return false;
  };
  return html`
    <div class="apart">
      <p class="actions">
        ${user.disabled_at === null
          ? html`<${Sure} key="disable" label="Disable…" question="Signed out at once, tokens too. Disable?" sure="Disable" onSure=${() => disable(true)} />`
          : html`<button class="button" type="button" onClick=${() => disable(false)}>Enable again</button>`}
        ${user.driver_id === null && html`
          <${Sure} key="delete" label="Delete…" question="The audit log keeps the name; tokens end. Delete?" sure="Delete for good" onSure=${forget} />`}
      </p>
      <${Refusal} problem=${problem} />
    </div>`;
}
