// Vans between two fixes: shown gliding from where they were to where they are. Pure but for its state.

const SHORTEST_MS = 200;
const LONGEST_MS = 4_000;
const JUMP_DEG = 0.02;

/** Places of vans at any real moment, never ahead of what was measured. */
export class Motion {
  constructor() {
    this.vans = new Map();
  }

  /** A van was measured; `at` in real milliseconds. The same fix again changes nothing. */
  measured(id, { lat, lon, course_deg: course, fix_time: fixTime }, at) {
    const known = this.vans.get(id);
    if (known?.fixTime === fixTime) return;
    const here = { lat, lon, course: course ?? known?.to.course ?? 0 };
    if (known === undefined || Math.hypot(lat - known.to.lat, lon - known.to.lon) > JUMP_DEG) {
      this.vans.set(id, { from: here, to: here, at, lastMs: SHORTEST_MS, fixTime });
      return;
    }
    const lastMs = Math.min(Math.max(at - known.at, SHORTEST_MS), LONGEST_MS);
    this.vans.set(id, { from: this.place(id, at), to: here, at, lastMs, fixTime });
  }

  /** Where a van is shown at a real moment, or undefined when it was never measured. */
  place(id, at) {
    const van = this.vans.get(id);
    if (van === undefined) return undefined;
    const part = Math.min(1, Math.max(0, (at - van.at) / van.lastMs));
    const { from, to } = van;
    const turn = ((to.course - from.course + 540) % 360) - 180;
    return {
      lat: from.lat + (to.lat - from.lat) * part,
      lon: from.lon + (to.lon - from.lon) * part,
      course: from.course + turn * Math.min(1, part * 2),
    };
  }

  /** Whether any van is still gliding. */
  isMoving(at) {
    for (const van of this.vans.values()) {
      if (at - van.at < van.lastMs + 50) return true;
    }
    return false;
  }
}
