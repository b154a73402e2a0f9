// Small pieces of markup that several parts of the board share.

import { useEffect, useRef } from "../vendor/preact/hooks.module.js";
import { html } from "./html.js";
import { stateInWords } from "./rounds.js";

const TONES = {
  received: "quiet", planned: "quiet", loaded: "brand", out_for_delivery: "brand",
  delivered: "good", partially_delivered: "warn", cancelled: "quiet",
};

/** A word with a tone: good, warn, bad, quiet, brand. */
export function Chip({ tone, children }) {
  return html`<span class=${`chip ${tone}`}>${children}</span>`;
}

/** The state of an order. */
export function OrderChip({ order, isUnserved }) {
  if (isUnserved) return html`<${Chip} tone="bad">Unserved</${Chip}>`;
  return html`<${Chip} tone=${TONES[order.state] ?? "bad"}>${stateInWords(order.state)}</${Chip}>`;
}

/** A round mark in a van's colour. */
export function VanDot({ colour, isGrey }) {
  return html`<span class="van-dot" aria-hidden="true" style=${{ background: isGrey ? "var(--quiet)" : colour }}></span>`;
}

/** How much of something is done. */
export function Bar({ done, total, colour, label }) {
  const part = total === 0 ? 0 : (100 * done) / total;
  return html`
    <span class="bar" role="img" aria-label=${label}>
      <span style=${{ width: `${part}%`, background: colour }}></span>
    </span>`;
}

/** One fact: a term and what it is. */
export function Fact({ term, children }) {
  return html`<div class="fact"><dt>${term}</dt><dd>${children}</dd></div>`;
}

/** The heading of something that was chosen, with the way back. */
export function Chosen({ title, mark, onBack, back, children }) {
  const heading = useRef(null);
  useEffect(() => heading.current.focus({ preventScroll: true }), []);
  return html`
    <header class="chosen">
      <button class="button plain" type="button" onClick=${onBack} aria-label=${back}>←</button>
      ${mark}
      <h2 tabindex="-1" ref=${heading}>${title}</h2>
      ${children}
    </header>`;
}

/** What the service refused: its sentence, and the fields that no control on the page shows. */
export function Refusal({ problem, shown = [] }) {
  const box = useRef(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [problem]);
  if (problem === null) return null;
  const others = problem.fields.filter(({ field }) => !shown.includes(field));
  return html`
    <div class="note bad" role="alert" ref=${box}>
      ${problem.fields.length > 0 && others.length === 0 ? "Please mend the marked fields." : problem.message}
      ${others.length > 0 && html`
        <ul class="refusal">
          ${others.map(({ field, problem: what, remedy }) => html`<li><b>${field}</b>: ${what}. ${remedy}.</li>`)}
        </ul>`}
    </div>`;
}

/** Kilometres of metres, with a sign when asked for. */
export function km(metres, isChange = false) {
  return `${sign(metres, isChange)}${Math.abs(metres / 1000).toFixed(1)} km`;
}

/** Minutes of seconds, with a sign when asked for. */
export function minutes(seconds, isChange = false) {
  const whole = Math.round(Math.abs(seconds) / 60);
  const text = whole >= 120 ? `${Math.floor(whole / 60)} h ${String(whole % 60).padStart(2, "0")}` : `${whole} min`;
  return sign(seconds, isChange) + text;
}

function sign(value, isChange) {
  if (value < 0) return "−";
  return isChange && value > 0 ? "+" : "";
}
