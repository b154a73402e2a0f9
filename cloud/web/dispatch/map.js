// The map: draws what it is shown, glides vans between fixes, and tells what was clicked.

import { AttributionControl, LngLatBounds, Map as GlMap, Marker, NavigationControl, ScaleControl } from "../vendor/maplibre-gl/maplibre-gl.mjs";
import { boardStyle } from "./map_style.js";
import { Motion } from "./motion.js";
import { VAN_COLOURS } from "./palette.js";
import { addVanIcons } from "./van_icons.js";

const STREETS = "/api/v1/city/streets.geojson";
const FRAME_MS = 33;
const MS_A_VAN = 0.1;
const CLICK_PX = 7;
const CLICKABLE = ["vans", "van-names", "stops", "orders", "road-names", "road-lines", "road-areas", "fence-names", "fence-edges", "fence-corridors", "fences"];

/**
 * One map in `container`. `onVan(id)`, `onOrder(id)`, `onFence(id)`, `onRoad(id)`, `onAccess(id)`, `onPlace({lat, lon})`,
 * `onFail()`, `onDrawn()` when the streets are there, and `onTrouble(text)` are told.
 */
export class BoardMap {
  constructor({ container, bbox, attribution, onVan, onOrder, onFence, onRoad, onAccess, onPlace, onFail, onDrawn, onTrouble }) {
    Object.assign(this, { onVan, onOrder, onFence, onRoad, onAccess, onPlace });
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.isCalm = matchMedia("(prefers-reduced-motion: reduce)");
    this.motion = new Motion();
    this.vans = [];
    this.isPicking = false;
    this.map = new GlMap({
      container,
      style: boardStyle(bbox === undefined ? null : new URL(STREETS, location.href).href, this.dark.matches),
      bounds: bbox,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
    });
    this.addControls(attribution);
    this.halo = new Marker({ element: haloElement() });
    this.pin = new Marker({ color: "#b3261e", draggable: true });
    this.pin.on("dragend", () => this.tellPlace(this.pin.getLngLat()));
    this.ready = new Promise((resolve) => this.map.once("style.load", resolve));
    this.ready.then(() => addVanIcons(this.map, VAN_COLOURS));
    this.map.on("click", (event) => this.clicked(event));
    this.map.on("mousemove", (event) => this.hovered(event));
    this.map.on("sourcedata", ({ sourceId, tile, isSourceLoaded }) => sourceId === "streets" && tile && isSourceLoaded && onDrawn());
    this.map.on("webglcontextlost", onFail);
    this.map.on("error", ({ error }) => onTrouble(error.message));
    this.redress = () => this.dress();
    this.dark.addEventListener("change", this.redress);
  }

  /** Free everything. */
  close() {
    cancelAnimationFrame(this.frame);
    this.dark.removeEventListener("change", this.redress);
    this.map.remove();
  }

  /** Show vans: [{id, name, position, icon, weight, opacity, isSelected, isTurned}]. */
  showVans(vans) {
    const now = performance.now();
    for (const van of vans) this.motion.measured(van.id, van.position, now);
    this.vans = vans;
    this.glide();
  }

  /** Replace the features of a source of the style. */
  async showFeatures(source, features) {
    await this.ready;
    this.map.getSource(source)?.setData({ type: "FeatureCollection", features });
  }

  /** Mark a depot by its name. */
  showDepot(depot) {
    this.depot?.remove();
    const element = document.createElement("div");
    element.className = "map-depot";
    element.textContent = `Depot ${depot.name}`;
    this.depot = new Marker({ element, anchor: "bottom", offset: [0, -14] }).setLngLat([depot.lon, depot.lat]).addTo(this.map);
  }

  /** Bring places [{lat, lon}] into view. */
  fit(places) {
    if (places.length === 0) return;
    const bounds = new LngLatBounds();
    for (const { lat, lon } of places) bounds.extend([lon, lat]);
    this.map.fitBounds(bounds, { padding: { top: 84, right: 60, bottom: 60, left: 60 }, maxZoom: 15, duration: this.isCalm.matches ? 0 : 600 });
  }

  /** Bring one place into view if it is not. */
  lookAt({ lat, lon }) {
    if (this.map.getBounds().contains([lon, lat])) return;
    this.map.easeTo({ center: [lon, lat], duration: this.isCalm.matches ? 0 : 600 });
  }

  /** The van of the past where it was, or none: {lat, lon, icon, course}. */
  async showGhost(ghost) {
    await this.ready;
    const features = ghost === null ? [] : [{
      type: "Feature",
      properties: { icon: ghost.icon, course: ghost.course ?? 0 },
      geometry: { type: "Point", coordinates: [ghost.lon, ghost.lat] },
    }];
    this.map.getSource("ghost")?.setData({ type: "FeatureCollection", features });
  }

  /** While picking, a click gives a place instead of choosing what is there; `place` has the pin. */
  pick(isPicking, place) {
    this.isPicking = isPicking;
    this.map.getCanvas().style.cursor = isPicking ? "crosshair" : "";
    if (!isPicking || place === null) this.pin.remove();
    else this.pin.setLngLat([place.lon, place.lat]).addTo(this.map);
  }

  addControls(attribution) {
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl({ unit: "metric" }), "bottom-left");
    const said = document.createElement("span");
    said.textContent = attribution;
    this.map.addControl(new AttributionControl({ compact: false, customAttribution: said.innerHTML }), "bottom-right");
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.getCanvas().setAttribute("aria-label", "Map of the city with vans, stops and orders. Everything on it is in the lists too.");
  }

  clicked({ point, lngLat }) {
    if (this.isPicking) {
      this.tellPlace(lngLat);
      return;
    }
    const found = this.at(point, CLICK_PX)[0];
    if (found === undefined) return;
    const { van, order, fence, road, access } = found.properties;
    if (van) this.onVan(van);
    else if (order) this.onOrder(order);
    else if (road) this.onRoad(road);
    else if (access) this.onAccess(access);
    else if (fence) this.onFence(fence);
  }

  hovered({ point }) {
    if (this.isPicking) return;
    this.map.getCanvas().style.cursor = this.at(point, 2).length ? "pointer" : "";
  }

  at({ x, y }, reach) {
    const layers = CLICKABLE.filter((layer) => this.map.getLayer(layer));
    const found = this.map.queryRenderedFeatures([[x - reach, y - reach], [x + reach, y + reach]], { layers });
    return found.sort((one, other) => CLICKABLE.indexOf(one.layer.id) - CLICKABLE.indexOf(other.layer.id));
  }

  tellPlace({ lat, lng }) {
    this.onPlace({ lat: Number(lat.toFixed(6)), lon: Number(lng.toFixed(6)) });
  }

  glide() {
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame((at) => this.step(at));
  }

  step(at) {
    this.frame = undefined;
    const pauseMs = Math.max(FRAME_MS, MS_A_VAN * this.vans.length);
    const isDue = this.drawnAt === undefined || at - this.drawnAt >= pauseMs;
    if (isDue) this.draw(at);
    if (!isDue || this.motion.isMoving(at)) this.glide();
  }

  draw(now) {
    const source = this.map.getSource("vans");
    if (source === undefined) return;
    this.drawnAt = now;
    const at = this.isCalm.matches ? now + 60_000 : now;
    source.setData({ type: "FeatureCollection", features: this.vans.map((van) => this.feature(van, at)) });
    const chosen = this.vans.find((van) => van.isSelected);
    if (chosen === undefined) this.halo.remove();
    else this.crown(chosen, this.motion.place(chosen.id, at));
  }

  feature(van, at) {
    const { lat, lon, course } = this.motion.place(van.id, at);
    const { id, name, icon, weight, opacity, isTurned } = van;
    return {
      type: "Feature",
      properties: { van: id, name, icon, weight, opacity, course: isTurned ? course : 0 },
      geometry: { type: "Point", coordinates: [lon, lat] },
    };
  }

  crown(van, { lat, lon }) {
    const element = this.halo.getElement();
    Object.assign(element.dataset, { van: van.id, lat: lat.toFixed(7), lon: lon.toFixed(7) });
    this.halo.setLngLat([lon, lat]);
    if (!element.isConnected) this.halo.addTo(this.map);
  }

  dress() {
    for (const layer of boardStyle(STREETS, this.dark.matches).layers) {
      for (const [name, value] of Object.entries(layer.paint)) this.map.setPaintProperty(layer.id, name, value);
    }
  }
}

function haloElement() {
  const element = document.createElement("div");
  element.className = "van-halo";
  element.setAttribute("aria-hidden", "true");
  return element;
}
