// Geofences as people draw and read them: shapes, drafts and words. Pure.

const METRES_A_DEGREE = 111_320;
const CIRCLE_CORNERS = 64;
const MAX_POINTS = 200;

/** Shapes by the type of their geometry: what they are called, how they are drawn, and their points. */
export const SHAPES = {
  Point: { label: "Circle", how: "Click its centre on the map.", least: 1, most: 1, size: "radius_m", sizeLabel: "Radius, m" },
  LineString: { label: "Corridor", how: "Click along its line.", least: 2, most: MAX_POINTS, size: "width_m", sizeLabel: "Width, m" },
  Polygon: { label: "Polygon", how: "Click its corners, one after the other.", least: 3, most: MAX_POINTS, size: null },
};

/** What a new fence begins with. */
export function blankDraft() {
  return { id: null, shape: "Point", points: "", size: "150", name: "", depotId: "", dwellMin: "", isForVans: true };
}

/** A fence (GeoJSON feature) to be drawn anew. */
export function draftOf({ id, geometry, properties }) {
  return {
    id,
    shape: geometry.type,
    points: corners(geometry).map(([lon, lat]) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`).join("\n"),
    size: String(properties.radius_m ?? properties.width_m ?? "50"),
    name: properties.name,
    depotId: properties.depot_id ?? "",
    dwellMin: properties.dwell_after_s === null ? "" : String(properties.dwell_after_s / 60),
    isForVans: properties.for_vans,
  };
}

/** The points of a draft as [lon, lat], and the first line that is none (1 is the first), or null. */
export function pointsOf({ points }) {
  const lines = points.split("\n").map((line) => line.trim());
  const found = [];
  for (const [index, line] of lines.entries()) {
    if (line === "") continue;
    const place = placeIn(line);
    if (place === null) return { points: found, wrongLine: index + 1 };
    found.push(place);
  }
  return { points: found, wrongLine: null };
}

/** A draft with one more point from the map; a circle's centre moves. */
export function withPoint(draft, { lat, lon }) {
  const line = `${lat.toFixed(6)}, ${lon.toFixed(6)}`;
  const isOne = SHAPES[draft.shape].most === 1;
  return { ...draft, points: isOne || draft.points.trim() === "" ? line : `${draft.points.trimEnd()}\n${line}` };
}

/** A draft without its last point. */
export function withoutLast(draft) {
  return { ...draft, points: draft.points.trimEnd().split("\n").slice(0, -1).join("\n") };
}

/** The fence as the service takes it, or `problems` [{field, problem, remedy}] of what is missing. */
export function bodyOf(draft) {
  const { points, wrongLine } = pointsOf(draft);
  const { least, size } = SHAPES[draft.shape];
  const problems = [];
  if (wrongLine !== null) problems.push({ field: "geometry", problem: `line ${wrongLine} is no place`, remedy: "write latitude, longitude in degrees" });
  else if (points.length < least) {
    const what = least === 1 ? "the place is missing" : `${points.length} of at least ${least} points`;
    problems.push({ field: "geometry", problem: what, remedy: "click the map, or type latitude, longitude" });
  }
  if (problems.length > 0) return { body: null, problems };
  const properties = {
    name: draft.name.trim(),
    depot_id: draft.depotId || null,
    dwell_after_s: draft.dwellMin === "" ? null : Math.round(Number(draft.dwellMin) * 60),
    for_vans: draft.isForVans,
  };
  if (size !== null) properties[size] = Number(draft.size);
  return { body: { type: "Feature", geometry: geometry(draft.shape, points), properties }, problems };
}

/** What a draft looks like while it is drawn: features for the map. */
export function preview(draft) {
  const { points } = pointsOf(draft);
  const dots = points.map((coordinates) => feature({ type: "Point", coordinates }, { part: "dot" }));
  const size = Number(draft.size) || 0;
  const { least, size: sized } = SHAPES[draft.shape];
  if (points.length < least) return points.length < 2 ? dots : [...dots, feature({ type: "LineString", coordinates: points }, { part: "edge" })];
  const properties = sized === null ? {} : { [sized]: size };
  return [...drawn({ id: "draft", geometry: geometry(draft.shape, points), properties }), ...dots];
}

/** A fence as features for the map: an area with its edge, or a line as wide as a corridor. */
export function drawn({ id, geometry: shape, properties }, more = {}) {
  const about = { fence: id, name: properties.name ?? "", ...more };
  if (shape.type === "LineString") {
    const [, lat] = shape.coordinates[0];
    return [
      feature(shape, { ...about, part: "corridor", pixels: pixelsAtZoom0(properties.width_m, lat) }),
      feature({ type: "Point", coordinates: shape.coordinates[shape.coordinates.length >> 1] }, { ...about, part: "name" }),
    ];
  }
  const area = shape.type === "Point" ? { type: "Polygon", coordinates: [circle(shape.coordinates, properties.radius_m)] } : shape;
  const middle = shape.type === "Point" ? shape.coordinates : middleOf(area.coordinates[0]);
  return [feature(area, { ...about, part: "area" }), feature({ type: "Point", coordinates: middle }, { ...about, part: "name" })];
}

/** All places of a fence, [{lat, lon}], to bring it into view. */
export function placesOf({ geometry: shape, properties }) {
  const ring = shape.type === "Point" ? circle(shape.coordinates, properties.radius_m) : corners(shape);
  return ring.map(([lon, lat]) => ({ lat, lon }));
}

/** "Circle, 150 m", "Corridor, 50 m wide", "Polygon, 5 corners". */
export function shapeInWords({ geometry: shape, properties }) {
  const { label } = SHAPES[shape.type];
  if (shape.type === "Point") return `${label}, ${metres(properties.radius_m)}`;
  if (shape.type === "LineString") return `${label}, ${metres(properties.width_m)} wide`;
  return `${label}, ${corners(shape).length} corners`;
}

/** Whose zone a fence is: "Van 1, Rosa". */
export function holdersInWords({ vehicles, drivers }) {
  return [...vehicles, ...drivers].map(({ name }) => name).join(", ");
}

/** What is wrong with a zone whose fence was taken away, and how to mend it. */
export function goneInWords(zone) {
  return `${holdersInWords(zone)}: the zone ${zone.geofence_id} was taken away, and no plan knows of it. Name another one in the register, or draw it anew and name that.`;
}

/** What happened at a fence, as people say it. */
export const CROSSINGS = { entered: "came in", dwelled: "has stayed", left: "left" };

function metres(m) {
  return m >= 10_000 ? `${(m / 1000).toFixed(1)} km` : `${Math.round(m)} m`;
}

function placeIn(line) {
  const [lat, lon, more] = line.replaceAll("−", "-").split(/[\s,;]+/).map(Number);
  const isPlace = more === undefined && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  return isPlace ? [lon, lat] : null;
}

/** A geometry of points as [lon, lat]. */
export function geometry(type, points) {
  if (type === "Point") return { type, coordinates: points[0] };
  if (type === "LineString") return { type, coordinates: points };
  return { type, coordinates: [[...points, points[0]]] };
}

/** The points of a geometry as [lon, lat], without the one that closes a ring. */
export function corners({ type, coordinates }) {
  if (type === "Point") return [coordinates];
  return type === "LineString" ? coordinates : coordinates[0].slice(0, -1);
}

function circle([lon, lat], radiusM) {
  const north = radiusM / METRES_A_DEGREE;
  const east = north / Math.cos((lat * Math.PI) / 180);
  const ring = Array.from({ length: CIRCLE_CORNERS }, (_, index) => {
    const angle = (2 * Math.PI * index) / CIRCLE_CORNERS;
    return [lon + east * Math.sin(angle), lat + north * Math.cos(angle)];
  });
  return [...ring, ring[0]];
}

/** The middle of what is around a ring. */
export function middleOf(ring) {
  const [lons, lats] = [ring.map(([lon]) => lon), ring.map(([, lat]) => lat)];
  return [(Math.min(...lons) + Math.max(...lons)) / 2, (Math.min(...lats) + Math.max(...lats)) / 2];
}

/** How many pixels a width has where the whole world has 512. */
function pixelsAtZoom0(widthM, lat) {
  return (widthM * 512) / (40_075_017 * Math.cos((lat * Math.PI) / 180));
}

/** A GeoJSON feature. */
export function feature(shape, properties) {
  return { type: "Feature", geometry: shape, properties };
}
