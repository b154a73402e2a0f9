// Areas that vans may enter at some hours of the week only, as people draw and read them. Pure.

import { corners, feature, geometry, middleOf, pointsOf } from "./fences.js";

/** Days of the week as the service names them, and as people do. */
export const WEEKDAYS = [
  ["mon", "Monday"], ["tue", "Tuesday"], ["wed", "Wednesday"], ["thu", "Thursday"], ["fri", "Friday"], ["sat", "Saturday"], ["sun", "Sunday"],
];
const SPAN = /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/;
const USUAL = "06:00-11:00";

/** What a new area begins with: open in the mornings of working days. */
export function blankArea() {
  const hours = Object.fromEntries(WEEKDAYS.map(([day], index) => [day, index < 5 ? USUAL : ""]));
  return { id: null, shape: "Polygon", points: "", name: "", depotId: "", hours, special: [] };
}

/** An area (GeoJSON feature) to be changed. */
export function areaDraftOf({ id, geometry: shape, properties }) {
  const { week, special } = properties.hours;
  return {
    ...blankArea(),
    id,
    points: corners(shape).map(([lon, lat]) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`).join("\n"),
    name: properties.name,
    depotId: properties.depot_id ?? "",
    hours: Object.fromEntries(WEEKDAYS.map(([day]) => [day, (week[day] ?? []).join(", ")])),
    special,
  };
}

/** The area as the service takes it, or `problems` [{field, problem, remedy}] of what is missing. */
export function areaBody(draft) {
  const { points, wrongLine } = pointsOf(draft);
  const problems = [];
  if (wrongLine !== null) problems.push({ field: "geometry", problem: `line ${wrongLine} is no place`, remedy: "write latitude, longitude in degrees" });
  else if (points.length < 3) {
    problems.push({ field: "geometry", problem: `${points.length} of at least 3 points`, remedy: "click the map, or type latitude, longitude" });
  }
  for (const [day] of WEEKDAYS) {
    const wrong = spansOf(draft.hours[day]).find((span) => !SPAN.test(span));
    if (wrong !== undefined) problems.push({ field: `properties.hours.week.${day}`, problem: `“${wrong}” is no span of hours`, remedy: "write 06:00-11:00" });
  }
  if (problems.length > 0) return { body: null, problems };
  const week = Object.fromEntries(WEEKDAYS.map(([day]) => [day, spansOf(draft.hours[day])]).filter(([, spans]) => spans.length > 0));
  const properties = { name: draft.name.trim(), hours: { week, special: draft.special }, depot_id: draft.depotId || null };
  return { body: { type: "Feature", geometry: geometry("Polygon", points), properties }, problems };
}

/** "06:00-11:00, 14:00–16:30" as the spans of the service; a dash may be any dash. */
export function spansOf(text) {
  return text.split(/[,;]+/).map((span) => span.replaceAll(/\s+/g, "").replaceAll(/[–−—]/g, "-")).filter(Boolean);
}

/** "Mon–Fri 06:00-11:00; Sat–Sun closed": days with the same hours together. */
export function hoursInWords({ week }) {
  const groups = [];
  for (const [day, name] of WEEKDAYS) {
    const hours = (week[day] ?? []).join(", ") || "closed";
    const last = groups.at(-1);
    if (last?.hours === hours) last.to = name.slice(0, 3);
    else groups.push({ from: name.slice(0, 3), to: null, hours });
  }
  return groups.map(({ from, to, hours }) => `${from}${to === null ? "" : `–${to}`} ${hours}`).join("; ");
}

/** An area as features for the map. */
export function drawnArea({ id, geometry: shape, properties }, isSelected) {
  const about = { access: id, kind: "access", isSelected, isComing: false };
  return [
    feature(shape, { ...about, part: "area" }),
    feature({ type: "Point", coordinates: middleOf(shape.coordinates[0]) }, { ...about, part: "name", name: properties.name }),
  ];
}
