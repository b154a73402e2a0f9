// How the map looks: layers over the board's own sources, in a light and a dark dress.

const LIGHT = {
  land: "#ece8df", edge: "#c9c2b4", street: "#ffffff", main: "#fff0c2", trunk: "#f8d583",
  lane: "#f9f7f2", mainFar: "#f5dfa4", far: "#cfc8ba", name: "#6d675c", halo: "#fffdf8", ink: "#1d2526", paper: "#ffffff",
  fence: "#8a4b9c", draft: "#b3261e", closed: "#b3261e", slow: "#b45f06", access: "#1f6f78",
};
const DARK = {
  land: "#151b1f", edge: "#0c1012", street: "#37434a", main: "#4a555a", trunk: "#6b6245",
  lane: "#2a3339", mainFar: "#4f5a60", far: "#323c42", name: "#93a0a5", halo: "#151b1f", ink: "#eef2f2", paper: "#20282d",
  fence: "#cf9be0", draft: "#ff968c", closed: "#ff6f61", slow: "#f2a73b", access: "#5cc3cf",
};

// Names no browser has, so that its own sans-serif is drawn; MapLibre reads the weight off them.
const FONT = ["Board Regular"];
const FONT_BOLD = ["Board Bold"];
const TRUNK = ["motorway", "motorway_link", "trunk", "trunk_link"];
const MAIN = ["primary", "primary_link", "secondary", "secondary_link", "tertiary", "tertiary_link"];
const LANE = ["service", "living_street", "pedestrian"];

/** A MapLibre style without any address outside; without `streetsUrl` there are no streets. */
export function boardStyle(streetsUrl, isDark) {
  const c = isDark ? DARK : LIGHT;
  return {
    version: 8,
    sources: {
      streets: streetsUrl === null ? empty() : { type: "geojson", data: streetsUrl, tolerance: 0.3 },
      fences: empty(), draft: empty(), routes: empty(), stops: empty(), orders: empty(), vans: empty(), past: empty(), ghost: empty(), proposed: empty(), roads: empty(),
    },
    layers: [
      { id: "land", type: "background", paint: { "background-color": c.land } },
      ...streets(c),
      ...fences(c),
      ...roads(c),
      ...routes(c),
      ...proposed(c),
      ...orders(c),
      ...stops(c),
      ...past(c),
      ...vans(c),
      ...ghost(),
      ...draft(c),
    ],
  };
}

function empty() {
  return { type: "geojson", data: { type: "FeatureCollection", features: [] } };
}

function streets(c) {
  const kind = ["match", ["get", "class"], TRUNK, 3, MAIN, 2, LANE, 0, 1];
  const width = (extra) => [
    "interpolate", ["exponential", 1.6], ["zoom"],
    10, ["+", ["match", kind, 3, 1.6, 2, 0.9, 1, 0.35, 0.15], extra / 4],
    13, ["+", ["match", kind, 3, 3.6, 2, 2.6, 1, 1.3, 0.6], extra / 2],
    16, ["+", ["match", kind, 3, 12, 2, 10, 1, 7, 3.5], extra],
    19, ["+", ["match", kind, 3, 40, 2, 36, 1, 28, 14], extra],
  ];
  const layout = { "line-cap": "round", "line-join": "round", "line-sort-key": kind };
  return [
    {
      id: "street-edges", type: "line", source: "streets", layout,
      paint: { "line-color": c.edge, "line-width": width(2) },
    },
    {
      id: "streets", type: "line", source: "streets", layout,
      paint: {
        "line-color": [
          "step", ["zoom"], ["match", kind, 3, c.trunk, 2, c.mainFar, c.far],
          12.3, ["match", kind, 3, c.trunk, 2, c.main, 1, c.street, c.lane],
        ],
        "line-width": width(0),
      },
    },
    {
      id: "street-names", type: "symbol", source: "streets", minzoom: 13,
      filter: ["all", ["has", "name"], [">", kind, 0]],
      layout: {
        "symbol-placement": "line", "symbol-sort-key": ["-", 0, kind], "symbol-spacing": 400,
        "text-field": ["get", "name"], "text-font": FONT, "text-padding": 8,
        "text-size": ["interpolate", ["linear"], ["zoom"], 13, 10.5, 17, 13],
      },
      paint: { "text-color": c.name, "text-halo-color": c.halo, "text-halo-width": 1.4 },
    },
  ];
}

function fences(c) {
  const isArea = ["==", ["get", "part"], "area"];
  const isCorridor = ["==", ["get", "part"], "corridor"];
  const strength = (weak, strong) => ["case", ["get", "isSelected"], strong, weak];
  return [
    {
      id: "fences", type: "fill", source: "fences", filter: isArea,
      paint: { "fill-color": c.fence, "fill-opacity": strength(0.12, 0.25) },
    },
    {
      id: "fence-edges", type: "line", source: "fences", filter: isArea,
      paint: { "line-color": c.fence, "line-width": strength(1.4, 3), "line-opacity": 0.9 },
    },
    {
      id: "fence-corridors", type: "line", source: "fences", filter: isCorridor,
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": c.fence, "line-width": groundWidth(), "line-opacity": strength(0.22, 0.4) },
    },
    {
      id: "fence-names", type: "symbol", source: "fences", minzoom: 12, filter: ["==", ["get", "part"], "name"],
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 12, "text-optional": true },
      paint: { "text-color": c.fence, "text-halo-color": c.halo, "text-halo-width": 1.6 },
    },
  ];
}

function roads(c) {
  const is = (part) => ["==", ["get", "part"], part];
  const colour = ["match", ["get", "kind"], "closed", c.closed, "access", c.access, c.slow];
  const faint = (plain) => ["case", ["get", "isComing"], plain / 2.5, plain];
  const width = (thin, wide) => ["interpolate", ["linear"], ["zoom"], 11, thin, 16, wide];
  const layout = { "line-cap": "round", "line-join": "round" };
  return [
    {
      id: "road-areas", type: "fill", source: "roads", filter: is("area"),
      paint: { "fill-color": colour, "fill-opacity": faint(0.22) },
    },
    {
      id: "road-area-edges", type: "line", source: "roads", filter: is("area"),
      paint: { "line-color": colour, "line-width": ["case", ["get", "isSelected"], 4, 2], "line-opacity": faint(0.9), "line-dasharray": [3, 1.5] },
    },
    {
      id: "road-lines", type: "line", source: "roads", filter: is("line"), layout,
      paint: { "line-color": colour, "line-width": width(5, 11), "line-opacity": faint(0.9) },
    },
    {
      id: "road-bars", type: "line", source: "roads", filter: ["all", is("line"), ["==", ["get", "kind"], "closed"]],
      paint: { "line-color": c.paper, "line-width": width(2, 5), "line-opacity": faint(0.95), "line-dasharray": [1, 1] },
    },
    {
      id: "road-names", type: "symbol", source: "roads", minzoom: 11, filter: is("name"),
      layout: {
        "text-field": ["get", "name"], "text-font": FONT_BOLD, "text-size": 12, "text-optional": true, "text-max-width": 12,
        "text-variable-anchor": ["top", "bottom", "left", "right"], "text-radial-offset": 0.8,
      },
      paint: { "text-color": colour, "text-halo-color": c.halo, "text-halo-width": 1.8 },
    },
  ];
}

/** As wide as on the ground: `pixels` at zoom 0, twice as many at each further one. */
function groundWidth() {
  return ["interpolate", ["exponential", 2], ["zoom"], 0, ["get", "pixels"], 22, ["*", 2 ** 22, ["get", "pixels"]]];
}

function draft(c) {
  const is = (part) => ["==", ["get", "part"], part];
  return [
    {
      id: "draft-area", type: "fill", source: "draft", filter: is("area"),
      paint: { "fill-color": c.draft, "fill-opacity": 0.2 },
    },
    {
      id: "draft-corridor", type: "line", source: "draft", filter: is("corridor"),
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": c.draft, "line-width": groundWidth(), "line-opacity": 0.3 },
    },
    {
      id: "draft-edge", type: "line", source: "draft", filter: ["any", is("area"), is("edge")],
      paint: { "line-color": c.draft, "line-width": 2, "line-dasharray": [2, 1.5] },
    },
    {
      id: "draft-dots", type: "circle", source: "draft", filter: is("dot"),
      paint: { "circle-radius": 5, "circle-color": c.paper, "circle-stroke-color": c.draft, "circle-stroke-width": 2.5 },
    },
  ];
}

function past(c) {
  const layout = { "line-cap": "round", "line-join": "round" };
  const isLine = ["!", ["get", "isGap"]];
  return [
    {
      id: "past-edge", type: "line", source: "past", filter: isLine, layout,
      paint: { "line-color": c.paper, "line-width": 6.5 },
    },
    {
      id: "past", type: "line", source: "past", filter: isLine, layout,
      paint: { "line-color": ["get", "colour"], "line-width": 3.2 },
    },
    {
      id: "past-gaps", type: "line", source: "past", filter: ["get", "isGap"],
      paint: { "line-color": ["get", "colour"], "line-width": 2, "line-dasharray": [1.5, 2], "line-opacity": 0.8 },
    },
  ];
}

function ghost() {
  return [
    {
      id: "ghost", type: "symbol", source: "ghost",
      layout: {
        "icon-image": ["get", "icon"], "icon-rotate": ["get", "course"], "icon-rotation-alignment": "map",
        "icon-allow-overlap": true, "icon-ignore-placement": true,
      },
      paint: { "icon-opacity": 1 },
    },
  ];
}

function routes(c) {
  const layout = { "line-cap": "round", "line-join": "round" };
  return [
    {
      id: "routes", type: "line", source: "routes", filter: ["!", ["get", "isSelected"]], layout,
      paint: { "line-color": ["get", "colour"], "line-width": 2, "line-opacity": ["get", "opacity"] },
    },
    {
      id: "route-edge", type: "line", source: "routes", filter: ["get", "isSelected"], layout,
      paint: { "line-color": c.paper, "line-width": 8 },
    },
    {
      id: "route", type: "line", source: "routes", filter: ["get", "isSelected"], layout,
      paint: { "line-color": ["get", "colour"], "line-width": 4.5 },
    },
  ];
}

function proposed(c) {
  const layout = { "line-cap": "round", "line-join": "round" };
  const is = (part) => ["==", ["get", "part"], part];
  return [
    {
      id: "proposed-edge", type: "line", source: "proposed", filter: is("after"), layout,
      paint: { "line-color": c.paper, "line-width": 7.5 },
    },
    {
      id: "proposed", type: "line", source: "proposed", filter: is("after"), layout,
      paint: { "line-color": ["get", "colour"], "line-width": 4 },
    },
    {
      id: "proposed-before", type: "line", source: "proposed", filter: is("before"),
      paint: { "line-color": ["get", "colour"], "line-width": 2.2, "line-dasharray": [1.2, 1.6] },
    },
    {
      id: "proposed-moved", type: "circle", source: "proposed", filter: is("moved"),
      paint: {
        "circle-radius": 11, "circle-color": c.paper, "circle-opacity": 0.6, "circle-stroke-color": c.draft,
        "circle-stroke-width": 2.5,
      },
    },
  ];
}

function orders(c) {
  const grow = (small, large) => ["interpolate", ["linear"], ["zoom"], 11, small, 15, large];
  return [
    {
      id: "orders", type: "circle", source: "orders",
      layout: { "circle-sort-key": ["get", "weight"] },
      paint: {
        "circle-color": ["get", "colour"], "circle-opacity": ["get", "opacity"],
        "circle-radius": grow(["get", "radius"], ["*", 1.7, ["get", "radius"]]),
        "circle-stroke-color": c.paper, "circle-stroke-width": grow(0.8, 1.6),
        "circle-stroke-opacity": ["get", "opacity"],
      },
    },
    {
      id: "urgent-orders", type: "symbol", source: "orders", filter: ["get", "isUrgent"],
      layout: {
        "text-field": "!", "text-font": FONT_BOLD, "text-size": grow(11, 15), "text-allow-overlap": true,
        "text-ignore-placement": true,
      },
      paint: { "text-color": "#ffffff" },
    },
  ];
}

function stops(c) {
  return [
    {
      id: "stops", type: "circle", source: "stops",
      layout: { "circle-sort-key": ["get", "weight"] },
      paint: {
        "circle-radius": ["case", ["get", "isNext"], 13, ["get", "isDone"], 7, 10],
        "circle-color": ["case", ["get", "isDone"], c.paper, ["get", "isNext"], ["get", "colour"], c.paper],
        "circle-stroke-color": ["get", "colour"],
        "circle-stroke-width": ["case", ["get", "isDone"], 1.5, 2.5],
        "circle-opacity": ["case", ["get", "isDone"], 0.85, 1],
      },
    },
    {
      id: "stop-numbers", type: "symbol", source: "stops",
      layout: {
        "text-field": ["get", "label"], "text-font": FONT_BOLD, "text-allow-overlap": true,
        "text-ignore-placement": true, "symbol-sort-key": ["get", "weight"],
        "text-size": ["case", ["get", "isDone"], 9, 11.5],
      },
      paint: { "text-color": ["case", ["get", "isNext"], "#ffffff", c.ink] },
    },
  ];
}

function vans(c) {
  return [
    {
      id: "vans", type: "symbol", source: "vans",
      layout: {
        "icon-image": ["get", "icon"], "icon-rotate": ["get", "course"],
        "icon-rotation-alignment": "map", "icon-allow-overlap": true, "icon-ignore-placement": true,
        "icon-size": ["interpolate", ["linear"], ["zoom"], 10, 0.7, 14, 1],
        "symbol-sort-key": ["get", "weight"],
      },
      paint: { "icon-opacity": ["get", "opacity"] },
    },
    {
      id: "van-names", type: "symbol", source: "vans",
      layout: {
        "text-field": ["get", "name"], "text-font": FONT_BOLD, "text-size": 12,
        "text-variable-anchor": ["top", "left", "right", "bottom"], "text-radial-offset": 1.25,
        "text-optional": true, "text-padding": 1,
      },
      paint: {
        "text-color": c.ink, "text-halo-color": c.paper, "text-halo-width": 1.8,
        "text-opacity": ["get", "opacity"],
      },
    },
  ];
}
