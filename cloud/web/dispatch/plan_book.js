// What waits for the dispatcher on a day, and what dispatchers have laid down for it.

import { get, post, remove } from "../look/api.js";
import { proposedPaths } from "./proposed.js";

const LOOK_AGAIN_MS = 400;

/** Proposals, rules and working time of one depot's day; `shown` is the proposal on the map, or null. */
export class PlanBook {
  constructor(tell) {
    this.tell = tell;
    this.proposals = [];
    this.rules = [];
    this.working = [];
    this.shown = null;
    this.turn = 0;
  }

  /** Look at a day: `depots/…/plans/…`, or null for none. */
  async read(path) {
    this.path = path;
    this.turn += 1;
    const { turn } = this;
    const parts = ["proposals", "rules", "working-time"].map((part) => get(`${path}/${part}`));
    const [proposals, rules, working] = await Promise.all(parts);
    if (turn !== this.turn) return;
    this.proposals = proposals.items;
    this.rules = rules.items;
    this.working = working.items;
    if (this.shown !== null && !this.open.some(({ id }) => id === this.shown.id)) this.hide();
    this.tell();
  }

  /** Proposals that can be accepted. */
  get open() {
    return this.proposals.filter(({ state }) => state === "open");
  }

  /** Rules of a van, and those of an order. */
  rulesOf({ vanId, orderId }) {
    return this.rules.filter((rule) => rule.vehicle_id === vanId || (orderId !== undefined && rule.order_id === orderId));
  }

  /** Draw on the map what a proposal changes: the old and the new paths of the vans it touches. */
  async show(proposal, state) {
    this.shown = { id: proposal.id, features: [], places: [] };
    this.tell();
    const { items } = await get(`${this.path}/proposals/${encodeURIComponent(proposal.id)}/sequences`);
    const found = await proposedPaths(proposal, items, state);
    if (this.shown?.id !== proposal.id) return;
    this.shown = { id: proposal.id, ...found };
    this.tell();
  }

  /** Take it off the map. */
  hide() {
    this.shown = null;
    this.tell();
  }

  async layDown(rule) {
    await post(`${this.path}/rules`, rule);
    await this.read(this.path);
  }

  async lift({ id }) {
    await remove(`${this.path}/rules/${encodeURIComponent(id)}`);
    await this.read(this.path);
  }
}

/** Follow a job to its end; `onJob` is told how far it is. Gives the job as it ended. */
export async function followJob(id, onJob) {
  const since = performance.now();
  let job;
  do {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    job = await get(`jobs/${encodeURIComponent(id)}`);
    onJob({ ...job, elapsedS: (performance.now() - since) / 1000 });
  } while (["queued", "running"].includes(job.state));
  return job;
}
