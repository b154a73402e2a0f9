// Closures and slow zones as people draw and read them: drafts, shapes and words. Pure.

import { corners, feature, geometry, middleOf, pointsOf } from "./fences.js";
import { km } from "./parts.js";

const MAX_POINTS = 200;
const METRES_A_DEGREE = 111_195;

/** What a rule does, by its kind. */
export const KINDS = { closed: "Closed", slow: "Slow zone" };

/** Shapes by the type of their geometry. */
export const ROAD_SHAPES = {
  LineString: { label: "Street", how: "Click along the street: where it begins, and where it ends.", least: 2 },
  Polygon: { label: "Area", how: "Click its corners, one after the other.", least: 3 },
};

/** What a new rule begins with. */
export function blankRoad() {
  return {
    id: null, shape: "LineString", points: "", isAlong: true, kind: "closed", kmh: "20", isOneWay: false, name: "", depotId: "",
    from: "", until: "",
  };
}

/** A rule (GeoJSON feature) to be changed; `times` is the depot's. */
export function roadDraftOf({ id, geometry: shape, properties }, times) {
  return {
    ...blankRoad(),
    id,
    shape: shape.type,
    points: corners(shape).map(([lon, lat]) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`).join("\n"),
    isAlong: false,
    kind: properties.kind,
    kmh: String(properties.kmh ?? "20"),
    isOneWay: properties.one_way,
    name: properties.name,
    depotId: properties.depot_id ?? "",
    from: properties.from === null ? "" : times.input(properties.from),
    until: properties.until === null ? "" : times.input(properties.until),
  };
}

/** What a way along the streets was asked for with, or null when the draft wants none. */
export function alongKey(draft) {
  if (draft.shape !== "LineString" || !draft.isAlong || pointsOf(draft).points.length < 2) return null;
  return `${draft.isOneWay} ${draft.points}`;
}

/** The line or corners of a draft as [lon, lat]; `along` is {key, coordinates} of the streets. */
export function drawnPoints(draft, along) {
  return along !== null && along.key === alongKey(draft) ? along.coordinates : pointsOf(draft).points;
}

/** The rule as the service takes it, or `problems` [{field, problem, remedy}] of what is missing. */
export function roadBody(draft, along, times) {
  const { points, wrongLine } = pointsOf(draft);
  const { least } = ROAD_SHAPES[draft.shape];
  const problems = [];
  if (wrongLine !== null) problems.push({ field: "geometry", problem: `line ${wrongLine} is no place`, remedy: "write latitude, longitude in degrees" });
  else if (points.length < least) {
    problems.push({ field: "geometry", problem: `${points.length} of at least ${least} points`, remedy: "click the map, or type latitude, longitude" });
  }
  if (problems.length > 0) return { body: null, problems };
  const isLine = draft.shape === "LineString";
  const instant = (text) => text === "" ? null : times.instant(...text.split("T"));
  const properties = {
    kind: draft.kind,
    name: draft.name.trim(),
    kmh: draft.kind === "slow" && draft.kmh !== "" ? Number(draft.kmh) : null,
    one_way: isLine && draft.isOneWay,
    depot_id: draft.depotId || null,
    from: instant(draft.from),
    until: instant(draft.until),
  };
  return { body: { type: "Feature", geometry: geometry(draft.shape, thinned(drawnPoints(draft, along), MAX_POINTS)), properties }, problems };
}

/** A rule that is there, as the service takes it, with other `properties`. */
export function roadAgain({ geometry: shape, properties: told }, properties) {
  const { kind, name, kmh, one_way, depot_id, from, until } = told;
  return { type: "Feature", geometry: shape, properties: { kind, name, kmh, one_way, depot_id, from, until, ...properties } };
}

/** "in_force", "coming" or "ended" at `nowMs`. */
export function roadStanding({ properties: { from, until } }, nowMs) {
  if (until !== null && Date.parse(until) <= nowMs) return "ended";
  return from !== null && Date.parse(from) > nowMs ? "coming" : "in_force";
}

/** "Closed until 18:00", "Slow zone, 20 km/h, from 14:00", with the date where it is another day. */
export function roadInWords({ properties }, times, nowMs) {
  const when = (instant) => times.day(instant) === times.day(nowMs) ? times.clock(instant) : `${times.date(instant)}, ${times.clock(instant)}`;
  const { kind, kmh, from, until } = properties;
  const what = kind === "slow" ? `${KINDS.slow}, ${kmh} km/h` : KINDS.closed;
  const begins = from !== null && Date.parse(from) > nowMs ? ` from ${when(from)}` : "";
  return `${what}${begins}${until === null ? "" : ` until ${when(until)}`}`;
}

/** "Street, 0.4 km, one way", "Area, 5 corners". */
export function roadShape({ geometry: shape, properties }) {
  const { label } = ROAD_SHAPES[shape.type];
  if (shape.type === "Polygon") return `${label}, ${corners(shape).length} corners`;
  return `${label}, ${km(lengthM(shape.coordinates))}${properties.one_way ? ", one way" : ""}`;
}

/** A rule as features for the map. */
export function drawnRoad(rule, { label, isSelected, standing }) {
  const { geometry: shape, properties, id } = rule;
  const about = { road: id, kind: properties.kind, isSelected, isComing: standing === "coming" };
  const middle = shape.type === "Polygon" ? middleOf(shape.coordinates[0]) : shape.coordinates[shape.coordinates.length >> 1];
  return [
    feature(shape, { ...about, part: shape.type === "Polygon" ? "area" : "line" }),
    feature({ type: "Point", coordinates: middle }, { ...about, part: "name", name: label }),
  ];
}

/** What a draft looks like while it is drawn. */
export function previewRoad(draft, along) {
  const { points } = pointsOf(draft);
  const dots = points.map((coordinates) => feature({ type: "Point", coordinates }, { part: "dot" }));
  const path = drawnPoints(draft, along);
  if (path.length < 2) return dots;
  if (draft.shape === "Polygon" && path.length > 2) return [feature(geometry("Polygon", path), { part: "area" }), ...dots];
  return [feature({ type: "LineString", coordinates: path }, { part: "edge" }), ...dots];
}

/** A line with at most `most` points, the nearest to it that leaving out straight ones gives. */
export function thinned(points, most) {
  let kept = points;
  for (let toleranceM = 0.5; kept.length > most && toleranceM < 1000; toleranceM *= 2) kept = straightened(points, toleranceM);
  return kept;
}

/** Douglas and Peucker: without the points that lie within a tolerance of the line between others. */
function straightened(points, toleranceM) {
  const isKept = points.map((_, index) => index === 0 || index === points.length - 1);
  const spans = [[0, points.length - 1]];
  while (spans.length > 0) {
    const [from, to] = spans.pop();
    let [farthest, away] = [from, toleranceM];
    for (let index = from + 1; index < to; index += 1) {
      const found = awayM(points[index], points[from], points[to]);
      if (found > away) [farthest, away] = [index, found];
    }
    if (farthest === from) continue;
    isKept[farthest] = true;
    spans.push([from, farthest], [farthest, to]);
  }
  return points.filter((_, index) => isKept[index]);
}

function awayM(point, one, other) {
  const [dx, dy] = metresFrom(one, other);
  const [x, y] = metresFrom(one, point);
  const share = Math.min(1, Math.max(0, (x * dx + y * dy) / Math.max(dx * dx + dy * dy, 1e-9)));
  return Math.hypot(x - share * dx, y - share * dy);
}

function metresFrom([lon, lat], [toLon, toLat]) {
  return [(toLon - lon) * METRES_A_DEGREE * Math.cos((lat * Math.PI) / 180), (toLat - lat) * METRES_A_DEGREE];
}

function lengthM(points) {
  return points.slice(1).reduce((sum, point, index) => sum + Math.hypot(...metresFrom(points[index], point)), 0);
}
