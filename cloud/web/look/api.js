// The REST interface as the pages call it. An error is a Problem that says what to do.

const BASE = "/api/v1/";
const TIMEOUT_MS = 20_000;

/** What the service refused and why. `fields` is [{field, problem, remedy}]. */
export class Problem extends Error {
  constructor(status, detail, fields = []) {
    super(detail);
    this.status = status;
    this.fields = fields;
  }
}

/** Read a resource; `query` is an object of values, of which undefined ones are left out. */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const suffix = given.length ? `?${new URLSearchParams(given)}` : "";
  return call("GET", path + suffix);
}

/** Send a JSON body; gives the answer's JSON. */
export function post(path, body = {}) {
  return call("POST", path, body);
}

/** Change what is there; gives the answer's JSON. */
export function patch(path, body) {
  return call("PATCH", path, body);
}

/** Put something in place; gives the answer's JSON, or null. */
export function put(path, body) {
  return call("PUT", path, body);
}

/** Take something away. */
export function remove(path) {
  return call("DELETE", path);
}

/** Every item of a list that comes in pages. */
export async function getAll(path, query = {}) {
  const items = [];
  let cursor;
  do {
    const page = await get(path, { ...query, cursor });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

/** End the session and go to the sign-in page. */
export async function signOut() {
  await call("DELETE", "session");
  location.assign("/login");
}

async function call(method, path, body) {
  const request = { method, signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) {
    request.headers = { "content-type": "application/json" };
    request.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(BASE + path, request);
  } catch {
    throw new Problem(0, "Roundsman does not answer. Check that it runs and that this machine reaches it, then try again.");
  }
  if (answer.status === 401) location.assign("/login");
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  const detail = found.detail ?? `The service answered ${answer.status}; try again in a moment.`;
  throw new Problem(answer.status, detail, found.errors ?? []);
}
