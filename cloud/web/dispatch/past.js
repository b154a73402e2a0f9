// A van's day of the past: where it was at any moment, and what it did. Pure.

/** The fixes of a track, [{lon, lat}] with their times, and where its line breaks. */
export class PastTrack {
  /** `feature` as GET /vehicles/{id}/track gives it. */
  constructor({ geometry, properties }) {
    const lines = geometry === null ? [] : geometry.type === "LineString" ? [geometry.coordinates] : geometry.coordinates;
    this.lines = lines.map((line, index) => line.slice(0, properties.pieces[index]));
    this.places = this.lines.flat();
    this.timesMs = properties.times.slice(0, this.places.length).map((instant) => Date.parse(instant));
    this.speeds = properties.speeds_mps ?? [];
    this.starts = new Set();
    let start = 0;
    for (const line of this.lines) {
      this.starts.add(start);
      start += line.length;
    }
    this.gaps = properties.gaps;
  }

  get isEmpty() {
    return this.places.length === 0;
  }

  get beginsMs() {
    return this.timesMs[0];
  }

  get endsMs() {
    return this.timesMs.at(-1);
  }

  /** Where the van was at a moment; `isKnown` is false where its line breaks, and before and after. */
  at(ms) {
    const index = this.last(ms);
    if (index < 0) return { ...this.fix(0), isKnown: false };
    const next = index + 1;
    if (next === this.places.length) return { ...this.fix(index), isKnown: ms === this.endsMs };
    if (this.starts.has(next)) return { ...this.fix(index), isKnown: ms === this.timesMs[index] };
    const [from, to] = [this.places[index], this.places[next]];
    const part = (ms - this.timesMs[index]) / (this.timesMs[next] - this.timesMs[index] || 1);
    return {
      ...this.fix(index),
      lon: from[0] + (to[0] - from[0]) * part,
      lat: from[1] + (to[1] - from[1]) * part,
      course: course(from, to),
      isKnown: true,
    };
  }

  /** The last fix not after a moment; -1 before the first. */
  last(ms) {
    let [low, high] = [0, this.timesMs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.timesMs[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  fix(index) {
    const [lon, lat] = this.places[index];
    return { lon, lat, course: null, speed: this.speeds[index] ?? null };
  }

  /** The places from one moment to another. */
  between(fromMs, toMs) {
    return this.places.slice(this.last(fromMs - 1) + 1, this.last(toMs) + 1).map(([lon, lat]) => ({ lat, lon }));
  }

  /** Features for the map: the line in its pieces, and straight over what is not known. */
  features() {
    const pieces = this.lines.map((line) => feature(line.length > 1 ? line : [line[0], line[0]], { isGap: false }));
    const gaps = this.lines.slice(1).map((line, index) => feature([this.lines[index].at(-1), line[0]], { isGap: true }));
    return [...pieces, ...gaps];
  }
}

/** A track along the streets (GET …/track/matched) as features for the map. */
export function streetFeatures({ features }) {
  return features.map(({ geometry, properties }) => feature(geometry.coordinates, { isGap: !properties.matched }));
}

/** Trips and dwells by time: [{kind, fromMs, toMs | null, ...}]. */
export function journeys({ trips, dwells }) {
  const told = (kind) => (one) => ({
    ...one,
    kind,
    fromMs: Date.parse(one.started_at),
    toMs: one.ended_at === null ? null : Date.parse(one.ended_at),
  });
  return [...trips.map(told("trip")), ...dwells.map(told("dwell"))].sort((one, other) => one.fromMs - other.fromMs);
}

/** What a day comes to: metres and seconds driven, seconds at rest, how many trips. */
export function sums(entries, untilMs) {
  const sum = { distanceM: 0, drivenS: 0, restedS: 0, trips: 0 };
  for (const entry of entries) {
    const lastedS = ((entry.toMs ?? untilMs) - entry.fromMs) / 1000;
    if (entry.kind === "trip") {
      sum.trips += 1;
      sum.distanceM += entry.distance_m ?? 0;
      sum.drivenS += lastedS;
    } else sum.restedS += lastedS;
  }
  return sum;
}

function course([west, south], [east, north]) {
  const x = (east - west) * Math.cos((south * Math.PI) / 180);
  const y = north - south;
  return x === 0 && y === 0 ? null : ((Math.atan2(x, y) * 180) / Math.PI + 360) % 360;
}

function feature(coordinates, properties) {
  return { type: "Feature", geometry: { type: "LineString", coordinates }, properties };
}
