// Who did what to what, when and from where; the newest first, a page at a time.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { get, Problem } from "../look/api.js";
import { html } from "../look/html.js";
import { Refusal } from "../look/parts.js";
import { detailInWords, doneInWords, roleInWords } from "./words.js";

const AT_ONCE = 50;

/** The log. */
export function AuditLog({ state }) {
  const [lines, setLines] = useState([]);
  const [next, setNext] = useState(undefined);
  const [isBusy, setBusy] = useState(true);
  const [problem, setProblem] = useState(null);
  const read = async (cursor, before) => {
    setBusy(true);
    setProblem(null);
    try {
      const page = await get("audit", { limit: AT_ONCE, cursor });
      setLines([...before, ...page.items]);
      setNext(page.next_cursor ?? undefined);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
    setBusy(false);
  };
  useEffect(() => {
    read(undefined, []);
  }, []);
  return html`
    <div class="tools">
      <p class="hint-line">Who did what, the newest first. A change and its line commit together; texts never enter it.</p>
      <button class="button" type="button" disabled=${isBusy} onClick=${() => read(undefined, [])}>Read again</button>
    </div>
    <${Refusal} problem=${problem} />
    ${lines.length > 0 && html`
      <div class="scroll-x">
        <table class="table" aria-label="Audit log">
          <thead><tr>${["When", "Who", "Did", "What", "From"].map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
          <tbody>${lines.map((line) => html`<${Line} key=${line.number} state=${state} line=${line} />`)}</tbody>
        </table>
      </div>`}
    ${lines.length === 0 && html`<p class="empty" role="status">${isBusy ? "Reading…" : "Nobody has done anything yet."}</p>`}
    ${next !== undefined && html`
      <button class="button more" type="button" disabled=${isBusy} onClick=${() => read(next, lines)}>${isBusy ? "Reading…" : "Show earlier"}</button>`}`;
}

function Line({ state, line }) {
  const { at, user_name: name, role, token_id: token, action, subject, detail, address } = line;
  const who = name.replace(/^driver:[^:]*:/, "");
  return html`
    <tr>
      <td class="figures"><time datetime=${at} title=${at}>${state.moment(at)}</time></td>
      <th scope="row" class="wide" title=${token === null ? undefined : `with the token ${token}`}>${who} <span class="soft">${roleInWords(role).toLowerCase()}</span></th>
      <td class="wide"><code>${doneInWords(action, subject)}</code></td>
      <td class="wide soft">${detailInWords(detail)}</td>
      <td class="figures">${address}</td>
    </tr>`;
}
