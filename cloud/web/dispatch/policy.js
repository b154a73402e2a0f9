// The policy as people read and write it: minutes in place of seconds of driving. Pure.

/** Prices by what they are about: [[name, label]]. */
export const POLICY_PARTS = [
  {
    title: "Driving",
    prices: [["km", "A kilometre, beside its time"], ["hour", "An hour that a van is out"], ["vehicle", "One more van sent out"]],
  },
  {
    title: "Lateness",
    prices: [["late_s", "A minute after what was promised"], ["late_soft_s", "A minute after a preferred window"], ["unserved", "An order left out"], ["unserved_urgent", "An urgent order left out"], ["wait", "What may wait a day, left out"]],
  },
  {
    title: "Change",
    prices: [["changed_vehicle", "An order that gets another van"], ["changed_sequence", "An order that gets another place in its round"]],
  },
  {
    title: "Zones and known doors",
    prices: [["outside_zone", "A delivery outside the zones of its driver or van"], ["unfamiliar", "A door that another driver knows well"]],
  },
];

// A second after a promise costs seconds of driving: as many as a minute costs minutes.
const SAME = new Set(["late_s", "late_soft_s"]);
const USUAL_MOVED = "10";

/** What the form begins with. */
export function policyDraft(policy) {
  const prices = POLICY_PARTS.flatMap((part) => part.prices).map(([name]) => [name, shown(policy[name] / unit(name))]);
  return {
    ...Object.fromEntries(prices),
    asksAboveMoved: policy.ask_above_moved !== null,
    askAboveMoved: String(policy.ask_above_moved ?? USUAL_MOVED),
    asksBeforePromise: policy.ask_before_moving_a_promise,
  };
}

/** The policy as the service takes it; what the form does not show stays as it was. */
export function changedPolicy(policy, draft) {
  const prices = POLICY_PARTS.flatMap((part) => part.prices)
    .filter(([name]) => draft[name] !== shown(policy[name] / unit(name)))
    .map(([name]) => [name, Number(draft[name]) * unit(name)]);
  return {
    ...policy,
    ...Object.fromEntries(prices),
    ask_above_moved: draft.asksAboveMoved ? Number(draft.askAboveMoved) : null,
    ask_before_moving_a_promise: draft.asksBeforePromise,
  };
}

function unit(name) {
  return SAME.has(name) ? 1 : 60;
}

function shown(value) {
  return String(Number(value.toFixed(4)));
}
