// The geofences of the company and who crossed them lately: read over REST, kept fresh by the stream.

import { get } from "../look/api.js";

const KEPT = 200;

/** Fences by id, whose zones they are, and the crossings of the last day of those that were looked at, the newest first. */
export class FenceBook {
  constructor(tell) {
    this.tell = tell;
    this.fences = new Map();
    this.zones = [];
    this.crossings = new Map();
  }

  async read() {
    const [{ features }, { items }] = await Promise.all([get("geofences"), get("zones")]);
    this.fences = new Map(features.map((fence) => [fence.id, fence]));
    this.zones = items;
    this.tell();
  }

  /** Read who crossed some fences, one after the other; those that are known only when `isAgain`. */
  async readCrossings(ids, { isAgain = false } = {}) {
    for (const id of ids) {
      if (!isAgain && this.crossings.has(id)) continue;
      const { items } = await get(`geofences/${encodeURIComponent(id)}/events`);
      this.crossings.set(id, items.reverse());
      this.tell();
    }
  }

  /** Take what the stream tells of a crossing. */
  hear({ geofence_id: id, vehicle_id, kind, at, dwell_s }) {
    const known = this.crossings.get(id);
    if (known !== undefined) this.crossings.set(id, [{ vehicle_id, kind, at, dwell_s }, ...known].slice(0, KEPT));
  }
}
