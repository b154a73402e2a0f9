// Role and reach as a form: what somebody may, and how far.

import { html } from "../look/html.js";
import { sentence } from "../look/parts.js";
import { ROLES } from "./words.js";

const EVERYTHING = { depot_ids: null, carrier_id: null };

/** The fields of problems that `Grant` shows itself. */
export const GRANT_FIELDS = ["role", "reach", "reach.depot_ids", "reach.carrier_id"];

/** A grant that fits its role: an administrator is never limited, a carrier's people always are. */
export function fitting(role, reach) {
  if (role === "admin") return EVERYTHING;
  return role === "carrier" && reach.carrier_id === null ? { depot_ids: null, carrier_id: "" } : reach;
}

/** The form; `grant` is {role, reach}, `onChange` is told the next one. */
export function Grant({ state, grant, problem, onChange }) {
  const { role, reach } = grant;
  const kind = reach.carrier_id !== null ? "carrier" : reach.depot_ids !== null ? "depots" : "everything";
  const set = (next) => onChange({ role, reach: { ...EVERYTHING, ...next } });
  const toggle = (id) => (event) => {
    const held = reach.depot_ids.filter((one) => one !== id);
    set({ depot_ids: event.target.checked ? [...held, id] : held });
  };
  const reaches = [
    ["everything", "Everything of the company", role !== "carrier", () => set({})],
    ["depots", "Some depots", !["admin", "carrier"].includes(role), () => set({ depot_ids: [] })],
    ["carrier", "One carrier", role !== "admin", () => set({ carrier_id: "" })],
  ];
  return html`
    <fieldset class="roles">
      <legend>Role</legend>
      ${Object.entries(ROLES).map(([key, [name, may]]) => html`
        <label><input type="radio" name="role" value=${key} checked=${key === role}
          onChange=${() => onChange({ role: key, reach: fitting(key, reach) })} />
          <span>${name}<small>${may}</small></span></label>`)}
      <${Refused} problem=${problem} fields=${["role"]} />
    </fieldset>
    <fieldset class="roles">
      <legend>Reach</legend>
      ${reaches.map(([key, name, fits, choose]) => html`
        <label><input type="radio" name="reach" value=${key} checked=${key === kind} disabled=${!fits} onChange=${choose} />
          <span>${name}${key === "everything" && role === "carrier" && html`<small>A carrier’s people see their carrier only.</small>`}
            ${key === "depots" && role === "admin" && html`<small>An administrator is never limited: who lets others in could lift the limit.</small>`}</span></label>
        ${key === "depots" && kind === "depots" && html`
          <div class="held" role="group" aria-label="Depots">
            ${[...state.names.depots].map(([id, name]) => html`
              <label><input type="checkbox" checked=${reach.depot_ids.includes(id)} onChange=${toggle(id)} /> <span>${name}</span></label>`)}
          </div>`}
        ${key === "carrier" && kind === "carrier" && html`
          <div class="held"><select class="input" aria-label="Carrier" value=${reach.carrier_id} required
            onChange=${(event) => set({ carrier_id: event.target.value })}>
            <option value="">Choose…</option>
            ${[...state.names.carriers].map(([id, name]) => html`<option value=${id} selected=${id === reach.carrier_id}>${name}</option>`)}
          </select></div>`}`)}
      <${Refused} problem=${problem} fields=${GRANT_FIELDS.slice(1)} />
    </fieldset>`;
}

function Refused({ problem, fields }) {
  const found = problem?.fields.find(({ field }) => fields.includes(field));
  return found === undefined ? null : html`<p class="problem" role="alert">${sentence(found)}</p>`;
}
