// What people, grants and lines of the audit log are called. Pure.

/** Roles as they can be given, and what each may; a driver's login comes with the driver. */
export const ROLES = {
  admin: ["Administrator", "Everything, and let others in."],
  dispatcher: ["Dispatcher", "Orders, plans, shifts, commands to vans."],
  viewer: ["Viewer", "Look at vans, orders and plans."],
  carrier: ["Carrier", "Look at one carrier’s vans and what is on them."],
  integrator: ["Integrator", "For other systems: orders in and out, webhooks, the feed, metrics."],
};

/** A role as people say it. */
export function roleInWords(role) {
  return ROLES[role]?.[0] ?? "Driver";
}

/** Somebody's name; a driver's login is called like the driver. */
export function nameOf(user) {
  return user.driver_id ?? user.name;
}

/** "Everything", "Depots: North, South" or "Carrier: Swift". */
export function reachInWords({ depot_ids: depots, carrier_id: carrier }, names) {
  const parts = [];
  if (depots !== null) parts.push(`${depots.length === 1 ? "Depot" : "Depots"}: ${depots.map((id) => names.depots.get(id) ?? id).join(", ")}`);
  if (carrier !== null) parts.push(`Carrier: ${names.carriers.get(carrier) ?? carrier}`);
  return parts.length === 0 ? "Everything" : parts.join("; ");
}

/** The parts of the interface that a token can be limited to, out of its OpenAPI document. */
export function partsOf({ paths }) {
  const parts = new Map();
  for (const [method, told] of Object.values(paths).flatMap((methods) => Object.entries(methods))) {
    if (!told.tags?.length || !told.security) continue;
    const kinds = parts.get(told.tags[0]) ?? new Set();
    kinds.add(method === "get" ? "read" : "write");
    parts.set(told.tags[0], kinds);
  }
  return [...parts].sort(([one], [other]) => one.localeCompare(other));
}

/** Scopes in a line: "everything the role may", or which. */
export function scopesInWords(scopes) {
  return scopes === null ? "All that the role may" : scopes.join(", ");
}

/** What was done: "POST /stops/stop-1/arrive" of a route and its path, or a word such as "sign-in". */
export function doneInWords(action, subject) {
  const [method, form] = action.split(" ");
  return form?.startsWith("/") ? `${method} ${subject.replace(/^\/api\/v1/, "")}` : action;
}

/** What a line of the audit log tells beside who, what and when: "role viewer, depots north". */
export function detailInWords(detail) {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${inWords(value)}`)
    .join(" · ");
}

function inWords(value) {
  if (Array.isArray(value)) return value.map(inWords).join(", ");
  if (value !== null && typeof value === "object") return `(${detailInWords(value)})`;
  return String(value);
}

/** A password that nobody guesses: 20 letters and digits that are not mistaken for each other. */
export function madeUp(random = (bytes) => crypto.getRandomValues(bytes)) {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  const fair = 256 - (256 % letters.length);
  const found = [];
  while (found.length < 20) found.push(...[...random(new Uint8Array(32))].filter((byte) => byte < fair));
  return found.slice(0, 20).map((byte) => letters[byte % letters.length]).join("").replace(/(.{5})(?=.)/g, "$1-");
}
