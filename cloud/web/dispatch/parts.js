// Small pieces of markup that several parts of the board share.

import { html } from "../look/html.js";
import { Chip } from "../look/parts.js";
import { stateInWords } from "./rounds.js";

const TONES = {
  received: "quiet", planned: "quiet", loaded: "brand", out_for_delivery: "brand",
  delivered: "good", partially_delivered: "warn", cancelled: "quiet",
};

/** The state of an order. */
export function OrderChip({ order, isUnserved, isWaiting = false }) {
  if (isWaiting) return html`<${Chip} tone="quiet">Waits</${Chip}>`;
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
