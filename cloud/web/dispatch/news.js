// What the stream tells as it happens, in sentences. Pure.

import { CROSSINGS } from "./fences.js";
import { minutes } from "./parts.js";

/** Events of the stream that become news. */
export const NEWS = ["van_silent", "van_heard", "van_broke_down", "van_repaired", "van_complaint", "geofence", "copy_suspected", "planning_failed", "promise_at_risk", "plan_proposed", "webhook_disabled"];

/**
 * One piece of news: {atMs, tone, what, text, detail, vanId, fenceId}. `nameOf(vanId)` names a van,
 * `addressOf(orderId)` an order, `nowMs` is when it was heard of, `clock(instant)` tells a time.
 */
export function newsOf(name, data, { nameOf, addressOf, nowMs, clock }) {
  const vanId = data.vehicle_id ?? null;
  const van = vanId === null ? "" : nameOf(vanId);
  const told = (tone, what, text, detail = "", atMs = nowMs) => ({ name, tone, what, text, detail, atMs, vanId, fenceId: data.geofence_id ?? null });
  switch (name) {
    case "van_silent":
      return told("bad", "Silent", `${van} has not been heard of since ${clock(data.heard_at)}.`, "", Date.parse(data.at));
    case "van_heard":
      return told("good", "Heard again", `${van} is heard again.`, "", Date.parse(data.at));
    case "van_broke_down":
      return told("bad", "Broken down", `${van} cannot drive on; others fetch what it has aboard.`, data.note);
    case "van_repaired":
      return told("good", "Repaired", `${van} goes out again.`);
    case "van_complaint":
      return told("warn", "Complaint", `${van}: ${data.complaint}.`, data.detail);
    case "geofence":
      return told("quiet", "Fence", `${van} ${CROSSINGS[data.kind]}: ${data.name}${stay(data)}`, "", Date.parse(data.at));
    case "copy_suspected":
      return told("bad", "Copied card", `A box asks to be ${van} with a certificate that was replaced.`);
    case "planning_failed":
      return told("warn", "Plan", "The plan could not follow; the one before stays in force.", data.error);
    case "plan_proposed":
      return told("warn", "Proposal", "A re-plan waits for a dispatcher: see the plan.", `Asked because ${data.asks_because}.`);
    case "promise_at_risk":
      return told("bad", "Promise", `${van} will probably come at ${clock(data.expected_at * 1000)}, promised until ${clock(data.promised_until * 1000)}.`, addressOf(data.order_id));
    default:
      return told("warn", "Webhook", "A webhook is disabled: its receiver has refused for too long, or is gone.", data.url ?? "");
  }
}

function stay({ kind, dwell_s: seconds }) {
  if (seconds === null) return ".";
  return kind === "dwelled" ? ` for ${minutes(seconds)}.` : `, after ${minutes(seconds)}.`;
}
