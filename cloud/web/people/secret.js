// Passwords: made up or typed; and secrets that are shown once.

import { useEffect, useRef, useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { Field } from "../look/parts.js";

/** Shows what will never be shown again. */
export function ShownOnce({ title, secret, hint, onDone }) {
  const box = useRef(null);
  const [isCopied, setCopied] = useState(false);
  useEffect(() => box.current.select(), [secret]);
  const copy = async () => {
    box.current.select();
    const wrote = await navigator.clipboard?.writeText(secret).then(() => true, () => false);
    setCopied(wrote ?? document.execCommand("copy"));
  };
  return html`
    <section class="note good secret" role="status" aria-label=${title}>
      <b>${title}</b>
      <span class="line-of">
        <input class="input" readonly aria-label=${title} data-secret value=${secret} ref=${box} onFocus=${(event) => event.target.select()} />
        <button class="button" type="button" onClick=${copy}>${isCopied ? "Copied" : "Copy"}</button>
      </span>
      <span>${hint} It is shown this once.</span>
      <p class="actions"><button class="button primary" type="button" onClick=${onDone}>I have kept it</button></p>
    </section>`;
}

/** How somebody gets in: `how` is "made", "typed" or "none"; `onChange({how, password})`. */
export function PasswordChoice({ how, password, problem, mayBeNone = false, onChange }) {
  const ways = [
    ["made", "Make a password up, and show it once"],
    ["typed", "Type a password"],
    ...(mayBeNone ? [["none", "No password: API tokens only, for another system"]] : []),
  ];
  return html`
    <fieldset class="roles">
      <legend>Gets in by</legend>
      ${ways.map(([key, label]) => html`
        <label><input type="radio" name="how" value=${key} checked=${key === how} onChange=${() => onChange({ how: key, password: "" })} />
          <span>${label}</span></label>`)}
    </fieldset>
    ${how === "typed" && html`
      <${Field} id="typed-password" label="Password" type="password" autocomplete="new-password" problem=${problem} fields=${["password"]}
        hint="10 to 200 characters; four unrelated words are good." value=${password}
        onInput=${(event) => onChange({ how, password: event.target.value })} />`}`;
}
