// What plans, revisions and rules say, as people say it. Pure.

import { km, minutes } from "./parts.js";
import { stateInWords } from "./rounds.js";

const TRIGGERS = {
  optimize: ["brand", "Planned by hand"],
  new_order: ["quiet", "New order"],
  urgent_order: ["warn", "Urgent order"],
  cancellation: ["bad", "Cancellation"],
  changed_order: ["quiet", "Changed order"],
  failed_pickup: ["bad", "Failed pickup"],
  failed_attempt: ["bad", "Failed attempt"],
  van_silent: ["bad", "Silent van"],
  van_broken_down: ["bad", "Van broken down"],
  van_off_route: ["warn", "Van off its route"],
  driver_reordered: ["warn", "Driver's own order"],
  road_changed: ["warn", "Street changed"],
  access_changed: ["warn", "Access hours changed"],
  waves_changed: ["warn", "Waves changed"],
  changed_shift: ["warn", "Changed shift"],
  promise_at_risk: ["bad", "Promise at risk"],
  rule: ["brand", "Rule"],
  undo: ["brand", "Undone"],
  accepted: ["good", "Accepted"],
};

/** What set a re-plan off: [tone, words]. */
export function triggerInWords(trigger) {
  return TRIGGERS[trigger] ?? ["quiet", stateInWords(trigger)];
}

/** A sentence of the service, with addresses and names in place of the ids it holds. */
export function sayNames(text, { orders, vans }) {
  const named = text.replace(/[A-Za-z0-9][\w-]*/g, (id) => orders.get(id)?.address ?? vans.get(id)?.name ?? id);
  return named.replace(/^./, (first) => first.toUpperCase());
}

/** "3 orders added, 2 moved, 1 promise moved", or that nobody's place changes. */
export function countsOf({ added, removed, moved, promises_moved: promises = [] }) {
  const told = [
    [added.length, "added"], [removed.length, "taken off"], [moved.length, "moved"],
    [promises.length, promises.length === 1 ? "promise moved" : "promises moved"],
  ].filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return told.length === 0 ? "No order changes its place" : told.join(", ");
}

/** "+4 min, +1.2 km to drive". */
export function drivingOf({ drive_s: seconds, distance_m: metres }) {
  return `${minutes(seconds, true)}, ${km(metres, true)} to drive`;
}

/**
 * What a plan costs, in time of driving: [[term, words, isBad]]. Without prices there are none.
 */
export function pricesInWords(prices) {
  if (prices === null) return [];
  const told = [
    ["Driving", prices.driving, false], ["Lateness", prices.lateness, prices.lateness > 0],
    ["Change", prices.change, false],
  ];
  if (prices.risk > 0) told.push(["Lateness to be feared", prices.risk, false]);
  if (prices.preference > 0) told.push(["Zones and known doors", prices.preference, false]);
  if (prices.unserved > 0) told.push(["Left out", prices.unserved, true]);
  return told.map(([term, seconds, isBad]) => [term, minutes(seconds), isBad]);
}

/** What a rule says beside the order or van it is shown with: "Pinned to Van 3". */
export function ruleInWords({ kind, vehicle_id: vanId, order_id: orderId }, { orders, vans }, beside = null) {
  const van = vans.get(vanId)?.name ?? vanId;
  if (kind === "lock") return beside === "van" ? "Route locked" : `Route of ${van} locked`;
  if (kind === "sequence") return beside === "van" ? "Stops keep their order" : `Stops of ${van} keep their order`;
  const what = kind === "pin" ? "pinned to" : "banned from";
  const order = orders.get(orderId)?.address ?? orderId;
  return beside === "order" ? `${what.replace(/^./, (first) => first.toUpperCase())} ${van}` : `${order} ${what} ${van}`;
}
