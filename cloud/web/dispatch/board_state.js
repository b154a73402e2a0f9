// What the board knows: read over REST, kept fresh by the stream, told to whoever subscribes.

import { get, getAll, Problem } from "../look/api.js";
import { DepotTime } from "../look/moment.js";
import { FenceBook } from "./fence_book.js";
import { NewsDesk } from "./news_desk.js";
import { PlanBook } from "./plan_book.js";
import { Replay } from "./replay.js";
import { RoadBook } from "./road_book.js";

const NEWS_PAUSE_MS = 1_200;
const REVISION_PAUSE_MS = 150;
const FEW_ORDERS = 4;
const REFRESH_MS = 10_000;

/** Vans, orders, plan and revisions of one depot's day. Changes are told at most once a frame. */
export class BoardState {
  /** `clock` is a ServerClock. */
  constructor(clock) {
    this.clock = clock;
    this.city = null;
    this.me = null;
    this.depots = [];
    this.depot = null;
    this.times = new DepotTime("UTC");
    this.day = null;
    this.vans = new Map();
    this.orders = new Map();
    this.routes = new Map();
    this.arrivals = new Map();
    this.plan = { revision: 0, unserved: [] };
    this.revisions = [];
    this.line = "opening";
    this.error = null;
    this.planFailure = null;
    this.breakdowns = new Map();
    this.copies = new Set();
    this.news = new NewsDesk(() => this.tell());
    this.book = new FenceBook(() => this.tell());
    this.desk = new PlanBook(() => this.tell());
    this.roads = new RoadBook(() => this.tell());
    this.replay = null;
    this.pastLook = null;
    this.listeners = new Set();
    this.changed = new Set();
    this.turns = { plan: 0, orders: 0 };
  }

  /** Whether who is signed in may change orders, plans and fences. */
  get mayAct() {
    return ["admin", "dispatcher"].includes(this.me?.role);
  }

  /** Whether who is signed in may look at geofences; they are the company's own. */
  get maySeeFences() {
    return this.me !== null && this.me.role !== "carrier";
  }

  /** Whether who is signed in may look at what dispatchers decide: proposals, rules, streets, the policy. */
  get maySeeDesk() {
    return ["admin", "dispatcher", "viewer"].includes(this.me?.role);
  }

  /** The moment to judge vans by: while the line to the service is lost, nobody knows who is silent. */
  get judgedMs() {
    return this.line === "lost" ? this.lostMs : this.clock.nowMs();
  }

  /** Call `heard` after changes; gives the function that ends it. */
  subscribe(heard) {
    this.listeners.add(heard);
    return () => this.listeners.delete(heard);
  }

  /** Tell that something has changed. */
  tell() {
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = undefined;
      for (const heard of this.listeners) heard();
    });
  }

  /** Read everything; also after the stream was lost. */
  async open() {
    this.clock.set(await get("clock"));
    const [me, depots, city] = await Promise.all([get("me"), get("depots"), get("city").catch(notImported)]);
    this.me = me;
    this.depots = depots.items;
    this.city = city;
    this.choose(this.depot?.id ?? this.depots[0]?.id);
    await Promise.all([this.readVans(), this.readDay(), this.maySeeFences ? this.book.read() : null, this.maySeeDesk ? this.roads.read() : null, this.readBreakdowns()]);
    this.refreshing ??= setInterval(() => this.refresh(), REFRESH_MS);
  }

  /** Look at a depot's day of today. */
  choose(depotId) {
    this.depot = this.depots.find((depot) => depot.id === depotId) ?? null;
    if (this.depot === null) return;
    this.times = new DepotTime(this.depot.zone);
    this.day = this.times.day(this.clock.nowMs());
    this.tell();
  }

  async readVans() {
    const found = await getAll("vehicles", { limit: 500 });
    found.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
    this.vans = new Map(found.map((van) => [van.id, van]));
    this.tell();
  }

  /** The vans that cannot drive on. */
  async readBreakdowns() {
    if (!this.maySeeDesk) return;
    const { items } = await get("breakdowns");
    this.breakdowns = new Map(items.map((one) => [one.vehicle_id, one]));
    this.tell();
  }

  /** Plan, orders and revisions of the day. */
  async readDay() {
    if (this.depot === null) return;
    await Promise.all([this.readPlan(), this.readOrders(), this.readRevisions(), this.readDesk()]);
  }

  /** What waits for the dispatcher, and the rules of the day. */
  async readDesk() {
    if (this.maySeeDesk) await this.desk.read(`depots/${this.depot.id}/plans/${this.day}`);
  }

  async readPlan() {
    const turn = this.begin("plan");
    const [plan, expected] = await Promise.all([
      get(`depots/${this.depot.id}/plans/${this.day}`).catch(noPlanYet),
      get(`depots/${this.depot.id}/plans/${this.day}/arrivals`).catch(noArrivalsYet),
    ]);
    const routes = new Map(plan.routes.map((route) => [route.vehicle_id, route]));
    const others = [...this.vans.values()].filter(
      (van) => van.route_id !== null && van.depot_id === this.depot.id && !routes.has(van.id),
    );
    for (const van of others) routes.set(van.id, await get(`routes/${van.route_id}`));
    if (turn !== this.turns.plan) return;
    this.plan = plan;
    this.routes = routes;
    this.arrivals = new Map(expected.routes.flatMap(({ items }) => items.map((one) => [one.stop_id, one])));
    this.tell();
  }

  async readOrders() {
    const turn = this.begin("orders");
    const query = { depot_id: this.depot.id, service_date: this.day, limit: 500 };
    const found = await getAll("orders", query);
    if (turn !== this.turns.orders) return;
    this.orders = new Map(found.map((order) => [order.id, order]));
    this.tell();
  }

  async readRevisions() {
    const found = await get(`depots/${this.depot.id}/plans/${this.day}/revisions`).catch(noRevisionYet);
    this.revisions = found.items;
    this.tell();
  }

  /** What no event tells of: stops that were reached, drivers that began, the day's end. */
  async refresh() {
    if (document.hidden || this.line !== "open" || this.depot === null) return;
    await this.safely(async () => {
      const today = this.times.day(this.clock.nowMs());
      await Promise.all([this.readVans(), this.maySeeDesk ? this.roads.read() : null, this.readBreakdowns()]);
      if (today === this.day) return Promise.all([this.readPlan(), this.readDesk()]);
      this.day = today;
      return this.readDay();
    });
  }

  /** Take an event of the stream. */
  hear(name, data) {
    if (name === "snapshot") this.columns = data.columns;
    if (name === "snapshot" || name === "vans") this.moveVans(data);
    if (name === "snapshot" && this.line === "open" && this.hasSnapshot) this.safely(() => this.readDay());
    if (name === "snapshot") this.hasSnapshot = true;
    if (name === "order") {
      this.changed.add(data.order_id);
      this.soon(NEWS_PAUSE_MS);
    }
    if (name === "revision" && data.depot_id === this.depot?.id && data.service_date === this.day) {
      this.planFailure = null;
      this.isRevised = true;
      this.soon(REVISION_PAUSE_MS);
    }
    if (name === "planning_failed" && data.depot_id === this.depot?.id) {
      this.planFailure = data.error;
    }
    if (["plan_proposed", "rule"].includes(name) && data.depot_id === this.depot?.id) this.safely(() => this.readDesk());
    if (["van_broke_down", "van_repaired"].includes(name)) this.safely(() => this.readBreakdowns());
    if (name === "copy_suspected") this.copies.add(data.vehicle_id);
    if (name === "geofence") this.book.hear(data);
    this.news.hear(name, data, {
      nameOf: (id) => this.vans.get(id)?.name ?? id,
      addressOf: (id) => this.orders.get(id)?.address ?? id,
      nowMs: this.clock.nowMs(),
      clock: (instant) => this.times.clock(instant),
    });
  }

  /** The state of the stream has changed; after a loss everything is read again. */
  lineIs(line) {
    const wasLost = this.line === "lost";
    if (wasLost) this.hasSnapshot = false;
    if (line === "lost" && !wasLost) this.lostMs = this.clock.nowMs();
    this.line = line;
    if (line === "open" && wasLost) this.safely(() => this.open());
    this.tell();
  }

  /** Do something that may fail, and tell the dispatcher if it does. */
  async safely(work) {
    try {
      await work();
      this.error = null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.error = error.message;
    }
    this.tell();
  }

  /** Do something that may be refused; gives the Problem, or null. */
  async attempt(work) {
    try {
      await work();
      return null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return error;
    }
  }

  /** Look at a van's day of the past; raises Problem. */
  async openPast(vanId, day) {
    this.closePast();
    const fromMs = Date.parse(this.times.instant(day, "00:00"));
    const toMs = Math.min(Date.parse(this.times.instant(day, "00:00", 1)), Math.max(this.clock.nowMs(), fromMs + 1000));
    this.replay = new Replay({ vanId, day, fromMs, toMs, tell: () => this.tell() });
    await this.replay.read();
  }

  /** Back to the present. */
  closePast() {
    this.replay?.close();
    this.replay = null;
    this.pastLook = null;
    this.tell();
  }

  /** Bring a trip or dwell of the past into view. */
  lookAtPast({ fromMs, toMs, place }) {
    const { track } = this.replay;
    const places = place ? [place] : track.between(fromMs, toMs ?? track.endsMs);
    if (places.length > 0) this.pastLook = places;
    this.tell();
  }

  /** Tell the dispatcher of something that went wrong. */
  say(error) {
    this.error = error;
    this.tell();
  }

  moveVans({ now, vans }) {
    this.clock.sync(now);
    for (const row of vans) {
      const told = Object.fromEntries(this.columns.map((name, at) => [name, row[at]]));
      const { id, presence, motion, is_silent, fix_time_ms, ...position } = told;
      const van = this.vans.get(id);
      if (van === undefined) continue;
      const at = fix_time_ms === null ? van.position : { ...position, fix_time: moment(fix_time_ms) };
      this.vans.set(id, { ...van, presence, motion, is_silent, position: at });
    }
    this.tell();
  }

  /** Only the answer to the newest question is taken: answers may overtake each other. */
  begin(what) {
    this.turns[what] += 1;
    return this.turns[what];
  }

  soon(pauseMs) {
    const due = performance.now() + pauseMs;
    if (this.pending !== undefined && this.pending.due <= due) return;
    clearTimeout(this.pending?.timer);
    const timer = setTimeout(() => {
      this.pending = undefined;
      this.safely(() => this.catchUp());
    }, pauseMs);
    this.pending = { due, timer };
  }

  async catchUp() {
    const ids = [...this.changed];
    this.changed.clear();
    const isRevised = this.isRevised;
    this.isRevised = false;
    const isMuch = isRevised || ids.length > FEW_ORDERS;
    const orders = isMuch ? this.readOrders() : Promise.all(ids.map((id) => this.readOrder(id)));
    await Promise.all([orders, this.readPlan(), ...(isRevised ? [this.readRevisions(), this.readDesk()] : [])]);
  }

  async readOrder(id) {
    const order = await get(`orders/${encodeURIComponent(id)}`);
    if (order.depot_id === this.depot.id && order.service_date === this.day) this.orders.set(id, order);
    else this.orders.delete(id);
  }
}

function moment(ms) {
  return new Date(ms).toISOString();
}

function notImported(problem) {
  if (problem.status === 404) return { missing: problem.message };
  throw problem;
}

function noPlanYet(problem) {
  if (problem.status === 404) return { revision: 0, routes: [], unserved: [] };
  throw problem;
}

function noArrivalsYet(problem) {
  if (problem.status === 404) return { routes: [] };
  throw problem;
}

function noRevisionYet(problem) {
  if (problem.status === 404) return { items: [] };
  throw problem;
}
