// Everybody who may call, in a table.

import { useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { Chip } from "../look/parts.js";
import { nameOf, reachInWords, roleInWords } from "./words.js";

const SHOWN = {
  office: ["The office", (user) => user.driver_id === null],
  drivers: ["Drivers", (user) => user.driver_id !== null],
  disabled: ["Disabled", (user) => user.disabled_at !== null],
  all: ["Everybody", () => true],
};

/** The table, with a filter and the way to let somebody in. */
export function UserList({ state, onUser, onNew }) {
  const [shown, setShown] = useState("office");
  const users = state.users.filter(SHOWN[shown][1]);
  return html`
    <div class="tools">
      <div class="field">
        <label class="visually-hidden" for="shown">Show</label>
        <select id="shown" class="input" value=${shown} onChange=${(event) => setShown(event.target.value)}>
          ${Object.entries(SHOWN).map(([key, [label, fits]]) => html`
            <option value=${key} selected=${key === shown}>${label} (${state.users.filter(fits).length})</option>`)}
        </select>
      </div>
      <button class="button primary" type="button" data-id="new" onClick=${onNew}>Let somebody in</button>
    </div>
    ${users.length === 0 ? html`<p class="empty">Nobody stands like that.</p>` : html`<${Table} state=${state} users=${users} onUser=${onUser} />`}`;
}

function Table({ state, users, onUser }) {
  const heads = ["Name", "Role", "Reach", "Gets in by", "Tokens", "Since"];
  return html`
    <div class="scroll-x">
      <table class="table">
        <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
        <tbody>
          ${users.map((user) => html`
            <tr key=${user.id} class=${user.disabled_at === null ? "" : "is-off"}>
              <th scope="row"><button class="link" type="button" data-id=${user.id} onClick=${() => onUser(user.id)}>${nameOf(user)}</button></th>
              <td><span class="chips">
                <${Chip} tone=${user.role === "admin" ? "brand" : "quiet"}>${roleInWords(user.role)}</${Chip}>
                ${user.disabled_at !== null && html`<${Chip} tone="bad">Disabled</${Chip}>`}
              </span></td>
              <td class="wide">${user.driver_id === null ? reachInWords(user.reach, state.names) : "Own route"}</td>
              <td>${user.has_password ? "Password" : "Tokens only"}</td>
              <td class="figures">${state.tokens.filter((token) => token.user_id === user.id).length}</td>
              <td class="figures">${state.moment(user.created_at)}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>`;
}
