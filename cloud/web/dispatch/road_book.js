// What people say of the streets: closures, slow zones, areas with access hours, what the engine drives by, and lines along streets.

import { get } from "../look/api.js";
import { pointsOf } from "./fences.js";
import { alongKey } from "./road_rules.js";

const MOST_WAYS = 300;

/** Rules of the streets and areas by id; `along` is the way of the draft that is being drawn: {key, coordinates}, or null. */
export class RoadBook {
  constructor(tell) {
    this.tell = tell;
    this.rules = new Map();
    this.areas = new Map();
    this.speeds = null;
    this.along = null;
    this.ways = new Map();
  }

  async read() {
    const [rules, areas, speeds] = await Promise.all([get("roads/rules"), get("access-areas"), get("roads/speeds")]);
    this.speeds = speeds;
    const told = JSON.stringify([rules, areas]);
    if (told !== this.told) {
      this.rules = new Map(rules.features.map((rule) => [rule.id, rule]));
      this.areas = new Map(areas.features.map((area) => [area.id, area]));
    }
    this.told = told;
    this.tell();
  }

  /** Find the way along the streets between the points of a draft. */
  async follow(draft) {
    const key = alongKey(draft);
    this.wanted = key;
    if (key === null) {
      this.along = null;
      this.tell();
      return;
    }
    const { points } = pointsOf(draft);
    const pairs = points.slice(1).map((to, index) => [points[index], to]);
    const ways = await Promise.all(pairs.map(([from, to]) => this.way(from, to, draft.isOneWay)));
    if (this.wanted !== key) return;
    const all = ways.flat();
    this.along = { key, coordinates: all.filter((one, index) => index === 0 || one.join() !== all[index - 1].join()) };
    this.tell();
  }

  /** The shorter way of both directions, as a street is closed in both unless it is said otherwise. */
  way(from, to, isOneWay) {
    const key = `${isOneWay} ${from} ${to}`;
    if (!this.ways.has(key)) {
      if (this.ways.size >= MOST_WAYS) this.ways.clear();
      this.ways.set(key, isOneWay ? oneWay(from, to).then((found) => found.points) : shorter(from, to));
    }
    return this.ways.get(key);
  }
}

async function shorter(from, to) {
  const [there, back] = await Promise.all([oneWay(from, to), oneWay(to, from)]);
  return there.metres <= back.metres ? there.points : back.points.reverse();
}

/** Straight on where the streets give no way. */
async function oneWay([lon, lat], [toLon, toLat]) {
  try {
    const query = new URLSearchParams([["point", `${lat},${lon}`], ["point", `${toLat},${toLon}`]]);
    const { geometry, metres } = await get(`roads/way?${query}`);
    return { points: geometry.coordinates, metres };
  } catch {
    return { points: [[lon, lat], [toLon, toLat]], metres: Infinity };
  }
}
