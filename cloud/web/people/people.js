// The page of people: who is let in, as what and how far; tokens; the audit log.

import { useEffect, useRef } from "../vendor/preact/hooks.module.js";
import { signOut } from "../look/api.js";
import { html } from "../look/html.js";
import { Tabs } from "../look/parts.js";
import { AuditLog } from "./audit_log.js";
import { OwnPassword } from "./own_password.js";
import { TokenForm, TokenList } from "./tokens.js";
import { UserDetail } from "./user_detail.js";
import { NewUser } from "./user_form.js";
import { UserList } from "./user_list.js";

/** Everything on the page. What is looked at stands in the address, so that going back goes back. */
export function People({ state }) {
  const [tab, chosen = null] = where(state);
  useEscape(() => chosen !== null && go(tab));
  useReturn(tab, chosen);
  const isAdmin = state.isAdmin;
  const tabs = [
    ...(isAdmin ? [["people", "People", state.users.length]] : []),
    ["tokens", "API tokens", state.tokens.length],
    ...(isAdmin ? [["audit", "Audit log"]] : []),
    ["password", "My password"],
  ];
  return html`
    <header class="top">
      <img src="/static/look/mark.svg" alt="" width="28" height="28" />
      <h1>Roundsman <span>${isAdmin ? "People" : "My access"}</span></h1>
      <div class="top-actions">
        <span class="soft">${state.me.name}</span>
        <a class="button plain" href="/">Board</a>
        <button class="button plain" type="button" onClick=${signOut}>Sign out</button>
      </div>
    </header>
    <main class="sheet">
      <${Tabs} tabs=${tabs} tab=${tab} onTab=${(next) => go(next)} label="What to look at" />
      <div class="content" id="content" role="tabpanel" aria-label=${tab}>
        <${Content} state=${state} tab=${tab} chosen=${chosen} />
      </div>
    </main>`;
}

function Content({ state, tab, chosen }) {
  if (tab === "audit") return html`<${AuditLog} state=${state} />`;
  if (tab === "password") return html`<${OwnPassword} />`;
  if (tab === "tokens") {
    if (chosen === null) return html`<${TokenList} state=${state} onNew=${() => go("tokens", "new")} />`;
    return html`<${TokenForm} key=${chosen} state=${state} userId=${chosen === "new" ? state.me.user_id : chosen} onBack=${() => go("tokens")} />`;
  }
  if (chosen === "new") return html`<${NewUser} state=${state} onBack=${() => go("people")} />`;
  const user = state.users.find(({ id }) => id === chosen);
  if (user !== undefined) {
    return html`<${UserDetail} key=${user.id} state=${state} user=${user} onBack=${() => go("people")}
      onToken=${() => go("tokens", user.id)} />`;
  }
  return html`<${UserList} state=${state} onUser=${(id) => go("people", id)} onNew=${() => go("people", "new")} />`;
}

function where(state) {
  const [tab, chosen] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const known = state.isAdmin ? ["people", "tokens", "audit", "password"] : ["tokens", "password"];
  return known.includes(tab) ? [tab, chosen] : [known[0]];
}

function go(...parts) {
  location.hash = parts.map(encodeURIComponent).join("/");
}

/** When something chosen is left, the focus goes back to the row it was chosen from. */
function useReturn(tab, chosen) {
  const before = useRef(null);
  useEffect(() => {
    const left = before.current;
    before.current = chosen;
    if (left !== null && chosen === null) document.querySelector(`[data-id="${CSS.escape(left)}"]`)?.focus();
  }, [tab, chosen]);
}

function useEscape(done) {
  const told = useRef(done);
  told.current = done;
  useEffect(() => {
    const heard = ({ key }) => key === "Escape" && told.current();
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  }, []);
}
