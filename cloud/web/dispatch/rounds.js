// What a dispatcher wants to know of a round, worked out from plan, orders and positions. Pure.

const LATE_ENOUGH_S = 300;
const SILENT_S = 60;
const SLOW_LINE_S = 5;

/** States of an order as the board groups them. */
export const GROUPS = {
  todo: { label: "To do", states: ["received", "planned"] },
  under_way: { label: "Aboard", states: ["loaded", "out_for_delivery"] },
  done: { label: "Delivered", states: ["delivered", "partially_delivered"] },
  trouble: { label: "In trouble", states: ["failed_attempt", "reschedule_pending", "returning", "returned", "lost"] },
  cancelled: { label: "Cancelled", states: ["cancelled"] },
};

const GROUP_OF = Object.fromEntries(
  Object.entries(GROUPS).flatMap(([group, { states }]) => states.map((state) => [state, group])),
);

/** Whether an order that is left out waits for a later day. */
export function waits(left) {
  return left !== undefined && left.waits_until !== null;
}

/** Which group of states an order is in. */
export function groupOf(order) {
  return GROUP_OF[order.state] ?? "todo";
}

/** A state as people say it. */
export function stateInWords(state) {
  return state.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
}

/** Whether an order can still be called off. */
export function isCancellable(order) {
  return ["todo", "under_way"].includes(groupOf(order)) || order.state === "failed_attempt";
}

/**
 * How a route stands at `nowMs`: how many stops are done, which is next, and how many seconds it is
 * behind its plan. `atRisk` holds the stops that probably miss what was promised: by the service's
 * `arrivals` (by stop id), or, where it has none, at this delay.
 */
export function progress(route, nowMs, orders, arrivals = new Map()) {
  const stops = route.stops;
  const next = stops.find((stop) => stop.state !== "done") ?? null;
  const done = stops.filter((stop) => stop.state === "done").length;
  const delayS = next === null ? 0 : delay(stops, next, nowMs);
  const atRisk = new Set(
    stops.filter((stop) => isAtRisk(stop, delayS, orders, arrivals.get(stop.id))).map((stop) => stop.id),
  );
  return { total: stops.length, done, next, delayS, atRisk };
}

function delay(stops, next, nowMs) {
  const last = stops.findLast((stop) => stop.state === "done" && stop.done_at !== null);
  const carried = last ? Date.parse(last.done_at) - Date.parse(last.planned_departure) : 0;
  const due = next.state === "arrived" ? next.planned_departure : next.planned_arrival;
  return Math.max(0, nowMs - Date.parse(due), carried) / 1000;
}

function isAtRisk(stop, delayS, orders, arrival) {
  if (stop.state !== "open" || stop.kind !== "delivery") return false;
  if (arrival !== undefined) return arrival.risk === "late";
  const promised = promiseOf(stop, orders);
  return promised !== null && expectedMs(stop, delayS) > Date.parse(promised.to);
}

/** When a stop is expected to be reached: as the service expects it, or as much behind as the van is now. */
export function expectedMs(stop, delayS, arrival) {
  return arrival !== undefined ? Date.parse(arrival.p50) : Date.parse(stop.planned_arrival) + delayS * 1000;
}

/** What was promised at a delivery stop, or null. */
export function promiseOf(stop, orders) {
  const order = stop.kind === "delivery" ? orders.get(stop.order_ids[0]) : undefined;
  return order?.promise?.current ?? null;
}

/** Parcels that are in a van now. */
export function parcelsAboard(vanId, orders) {
  let count = 0;
  for (const order of orders.values()) {
    for (const { whereabouts } of order.parcels) {
      count += whereabouts.kind === "van" && whereabouts.at === vanId;
    }
  }
  return count;
}

/** Age of a van's newest position in seconds of domain time, or null when there is none. */
export function ageS(van, nowMs) {
  return van.position === null ? null : Math.max(0, (nowMs - Date.parse(van.position.fix_time)) / 1000);
}

/** Whether a position is too old to be believed, or the service misses the van. A fast demo's line is as slow. */
export function isStale(van, nowMs, speed) {
  const age = ageS(van, nowMs);
  return age === null || van.is_silent || van.presence === "offline" || age > SILENT_S + SLOW_LINE_S * speed;
}

/** One word on a van for a glance, how bad it is, and the sentence behind it. */
export function standing(van, route, round, nowMs, speed, isBroken = false) {
  if (isBroken) return { kind: "broken", tone: "bad", text: "Broken down" };
  if (route === undefined) return { kind: "idle", tone: "quiet", text: "No route today" };
  if (round.next === null) return { kind: "done", tone: "quiet", text: "Route finished" };
  if (isStale(van, nowMs, speed)) return { kind: "silent", tone: "bad", text: silence(van, nowMs) };
  if (round.atRisk.size > 0) {
    const many = round.atRisk.size === 1 ? "1 promise" : `${round.atRisk.size} promises`;
    return { kind: "late", tone: "bad", text: `${many} at risk` };
  }
  if (round.delayS >= LATE_ENOUGH_S) {
    return { kind: "behind", tone: "warn", text: `${Math.round(round.delayS / 60)} min behind` };
  }
  if (round.done === 0 && round.next.state === "open" && nowMs < Date.parse(route.shift.starts_at)) {
    return { kind: "ready", tone: "quiet", text: "Not started" };
  }
  return { kind: "on_time", tone: "good", text: "On time" };
}

function silence(van, nowMs) {
  const age = ageS(van, nowMs);
  if (age === null) return "Never heard of";
  const since = age < 5400 ? `${Math.max(1, Math.round(age / 60))} min` : `${Math.round(age / 3600)} h`;
  return `Silent for ${since}`;
}
