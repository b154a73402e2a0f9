// What the page knows of people: read over REST, read again after each change.

import { get, getAll, Problem } from "../look/api.js";
import { DepotTime } from "../look/moment.js";
import { partsOf } from "./words.js";

/** Who asks, and, for an administrator, everybody else. `redraw` is called after changes. */
export class PeopleState {
  constructor(redraw) {
    this.redraw = redraw;
    this.me = null;
    this.users = [];
    this.tokens = [];
    this.names = { depots: new Map(), carriers: new Map() };
    this.times = new DepotTime("UTC");
    this.parts = null;
    this.error = null;
  }

  get isAdmin() {
    return this.me?.role === "admin";
  }

  async open() {
    this.me = await get("me");
    const [depots, carriers] = await Promise.all([getAll("depots"), getAll("carriers")]);
    this.names = { depots: named(depots), carriers: named(carriers) };
    this.times = new DepotTime(depots[0]?.zone ?? "UTC");
    await this.read();
  }

  /** Users and tokens. */
  async read() {
    const [users, tokens] = await Promise.all([
      this.isAdmin ? getAll("users", { limit: 500 }) : [],
      this.me.role === "driver" ? [] : get("tokens").then(({ items }) => items),
    ]);
    this.users = users;
    this.tokens = tokens;
    this.redraw();
  }

  /** What a token can be limited to; read when a token is to be made. */
  async readParts() {
    this.parts ??= partsOf(await get("openapi.json"));
    this.redraw();
  }

  /** The name of a user who may be gone. */
  nameOf(userId) {
    return this.users.find((user) => user.id === userId)?.name ?? (userId === this.me.user_id ? this.me.name : userId);
  }

  /** "26 Nov 2026, 07:12" of an instant, or a dash. */
  moment(instant) {
    if (instant === null) return "–";
    return `${this.times.date(instant)} ${instant.slice(0, 4)}, ${this.times.clock(instant)}`;
  }

  /** Do something that may be refused, then read again; gives the Problem, or null. */
  async attempt(work) {
    try {
      await work();
      await this.read();
      return null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return error;
    }
  }
}

function named(items) {
  return new Map(items.map(({ id, name }) => [id, name]));
}
