// Letting somebody in.

import { useState } from "../vendor/preact/hooks.module.js";
import { post } from "../look/api.js";
import { html } from "../look/html.js";
import { Chosen, Field, Refusal } from "../look/parts.js";
import { Grant, GRANT_FIELDS } from "./grant.js";
import { PasswordChoice, ShownOnce } from "./secret.js";
import { madeUp } from "./words.js";

const BLANK = { name: "", grant: { role: "dispatcher", reach: { depot_ids: null, carrier_id: null } }, how: "made", password: "" };

/** The form, and then the password that was made up. */
export function NewUser({ state, onBack }) {
  const [draft, setDraft] = useState(BLANK);
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const [made, setMade] = useState(null);
  const change = (next) => setDraft({ ...draft, ...next });
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    const password = { made: madeUp(), typed: draft.password, none: undefined }[draft.how];
    let user;
    const refused = await state.attempt(async () => {
      user = await post("users", { name: draft.name.trim(), ...draft.grant, password });
    });
    setBusy(false);
    setProblem(refused);
    if (user !== undefined) setMade({ user, password: draft.how === "made" ? password : null });
  };
  if (made !== null) return html`<${Made} made=${made} onBack=${onBack} />`;
  return html`
    <section class="narrow" aria-label="Let somebody in">
      <${Chosen} title="Let somebody in" onBack=${onBack} back="Back without letting anybody in" />
      <form class="form" onSubmit=${send}>
        <${Field} id="user-name" label="Name" maxlength="64" autocomplete="off" autocapitalize="none" problem=${problem} fields=${["name"]}
          hint="What is typed at the sign-in." value=${draft.name} onInput=${(event) => change({ name: event.target.value })} />
        <${Grant} state=${state} grant=${draft.grant} problem=${problem} onChange=${(grant) => change({ grant })} />
        <${PasswordChoice} ...${draft} problem=${problem} mayBeNone onChange=${change} />
        <${Refusal} problem=${problem} shown=${["name", ...(draft.how === "typed" ? ["password"] : []), ...GRANT_FIELDS]} />
        <p class="actions">
          <button class="button primary" type="submit" disabled=${isBusy}>${isBusy ? "Letting in…" : "Let in"}</button>
          <button class="button plain" type="button" onClick=${onBack}>Close</button>
        </p>
      </form>
    </section>`;
}

function Made({ made: { user, password }, onBack }) {
  const say = password === null
    ? html`<p class="note good" role="status">${user.sign_in_name} is let in${user.has_password ? "" : "; make an API token for them under “API tokens”"}.</p>
      <p class="actions"><button class="button primary" type="button" autofocus onClick=${onBack}>Back to all people</button></p>`
    : html`<${ShownOnce} title=${`Password of ${user.sign_in_name}`} secret=${password} hint="Give it to them by a safe way." onDone=${onBack} />`;
  return html`
    <section class="narrow" aria-label="Let in">
      <${Chosen} title=${`${user.name} is let in`} onBack=${onBack} back="Back to all people" />
      ${say}
    </section>`;
}
