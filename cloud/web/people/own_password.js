// Changing one's own password.

import { useState } from "../vendor/preact/hooks.module.js";
import { Problem, put } from "../look/api.js";
import { html } from "../look/html.js";
import { Field, Refusal } from "../look/parts.js";

/** The form. When it is done every session has ended, so the way leads to the sign-in. */
export function OwnPassword() {
  const [draft, setDraft] = useState({ old: "", new: "" });
  const [problem, setProblem] = useState(null);
  const type = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const send = async (event) => {
    event.preventDefault();
    try {
      await put("me/password", draft);
      location.assign("/login");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
  };
  return html`
    <section class="narrow" aria-label="My password">
      <form class="form boxed" onSubmit=${send}>
        <${Field} id="password-old" label="Password of now" type="password" autocomplete="current-password" problem=${problem} fields=${["old"]}
          value=${draft.old} onInput=${type("old")} />
        <${Field} id="password-new" label="New password" type="password" autocomplete="new-password" problem=${problem} fields=${["new", "password"]}
          hint="10 to 200 characters; four unrelated words are good." value=${draft.new} onInput=${type("new")} />
        <${Refusal} problem=${problem} shown=${["old", "new", "password"]} />
        <p class="hint-line">Every session ends, this one too; API tokens stay.</p>
        <p class="actions"><button class="button primary" type="submit">Change it, and sign in again</button></p>
      </form>
    </section>`;
}
