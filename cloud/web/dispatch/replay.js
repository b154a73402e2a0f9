// One van's day on the board: read over REST, played at any speed.

import { get } from "../look/api.js";
import { journeys, PastTrack, streetFeatures } from "./past.js";

const FRAME_MS = 40;

/** A day of a van. `tell` is called when there is something new to see. */
export class Replay {
  constructor({ vanId, day, fromMs, toMs, tell }) {
    Object.assign(this, { vanId, day, fromMs, toMs, tell });
    this.track = null;
    this.entries = [];
    this.toldBy = null;
    this.streets = null;
    this.isOnStreets = false;
    this.nowMs = fromMs;
    this.speed = 60;
    this.isPlaying = false;
  }

  /** Read track and trips; raises Problem. */
  async read() {
    const span = { from: new Date(this.fromMs).toISOString(), to: new Date(this.toMs).toISOString() };
    const van = encodeURIComponent(this.vanId);
    const [track, told] = await Promise.all([
      get(`vehicles/${van}/track`, { ...span, format: "geojson", fields: "speed" }),
      get(`vehicles/${van}/trips`, span),
    ]);
    this.entries = journeys(told);
    this.toldBy = told.told_by;
    this.track = new PastTrack(track);
    if (!this.track.isEmpty) this.nowMs = this.track.beginsMs;
    this.tell();
  }

  /** Draw the track along the streets, or as it was measured; raises Problem. */
  async alongStreets(isOnStreets) {
    this.isOnStreets = isOnStreets;
    this.tell();
    if (!isOnStreets || this.streets !== null) return;
    try {
      this.streets = await get(`vehicles/${encodeURIComponent(this.vanId)}/track/matched`, {
        from: new Date(this.track.beginsMs).toISOString(), to: new Date(this.track.endsMs + 1).toISOString(),
      });
    } catch (error) {
      this.isOnStreets = false;
      throw error;
    } finally {
      this.tell();
    }
  }

  /** Where a file of the track is to be had: "gpx" or "csv". */
  file(format) {
    const span = { format, from: new Date(this.fromMs).toISOString(), to: new Date(this.toMs).toISOString() };
    return `/api/v1/vehicles/${encodeURIComponent(this.vanId)}/track?${new URLSearchParams(span)}`;
  }

  /** What the map draws. */
  get line() {
    return this.isOnStreets && this.streets !== null ? this.streetLine() : this.ownLine();
  }

  ownLine() {
    this.own ??= this.track?.features() ?? [];
    return this.own;
  }

  streetLine() {
    this.along ??= streetFeatures(this.streets);
    return this.along;
  }

  /** The van at the moment that is shown, or null. */
  get place() {
    return this.track === null || this.track.isEmpty ? null : this.track.at(this.nowMs);
  }

  /** Show a moment. */
  seek(ms) {
    this.nowMs = Math.min(Math.max(ms, this.track.beginsMs), this.track.endsMs);
    this.tell();
  }

  /** Let time run on, or stop it; from the end it begins anew. */
  play(isPlaying) {
    this.isPlaying = isPlaying;
    cancelAnimationFrame(this.frame);
    if (isPlaying) {
      if (this.nowMs >= this.track.endsMs) this.nowMs = this.track.beginsMs;
      this.drawnAt = performance.now();
      this.frame = requestAnimationFrame((at) => this.step(at));
    }
    this.tell();
  }

  step(at) {
    const elapsed = at - this.drawnAt;
    if (elapsed >= FRAME_MS) {
      this.drawnAt = at;
      this.seek(this.nowMs + elapsed * this.speed);
      if (this.nowMs >= this.track.endsMs) this.isPlaying = false;
    }
    if (this.isPlaying) this.frame = requestAnimationFrame((next) => this.step(next));
  }

  /** Stop for good. */
  close() {
    this.isPlaying = false;
    cancelAnimationFrame(this.frame);
  }
}
