// One van: who drives it, how it stands, and its round stop by stop.

import { useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { inWords } from "../look/moment.js";
import { Chip, Chosen, Fact } from "../look/parts.js";
import { Breakdown } from "./breakdown.js";
import { RouteRules } from "./day_rules.js";
import { isPreferred } from "./order_detail.js";
import { km, minutes, VanDot } from "./parts.js";
import { expectedMs, parcelsAboard, promiseOf } from "./rounds.js";
import { PastView } from "./past_view.js";
import { place, speed } from "./van_list.js";
import { ShortShift } from "./working_time.js";

/** The chosen van; `row` as the list has it. */
export function VanDetail({ state, row, onBack, onOrder }) {
  const { van, stands } = row;
  const [isPast, setPast] = useState(false);
  const complaint = state.news.complaints.get(van.id);
  return html`
    <section class="detail" aria-label=${van.name}>
      <${Chosen} title=${van.name} onBack=${onBack} back="Back to all vans"
        mark=${html`<${VanDot} colour=${row.colour} isGrey=${row.isGrey} />`}>
        <${Chip} tone=${stands.tone}>${stands.text}</${Chip}>
      </${Chosen}>
      <div class="turn" role="group" aria-label="Now or the past">
        <button class="button" type="button" aria-pressed=${!isPast} onClick=${() => setPast(false)}>Now</button>
        <button class="button" type="button" aria-pressed=${isPast} onClick=${() => setPast(true)}>Past days</button>
      </div>
      ${complaint !== undefined && html`
        <p class="note warn">${complaint.text} ${complaint.detail} <span class="soft figures">${state.times.clock(complaint.atMs)}</span></p>`}
      ${isPast ? html`<${PastView} state=${state} van=${van} />` : html`<${Now} state=${state} row=${row} onOrder=${onOrder} />`}
    </section>`;
}

function Now({ state, row, onOrder }) {
  const { van, route } = row;
  return html`
    <dl class="facts">
      <${Fact} term="Driver">${route?.driver_id ?? van.driver_id ?? "nobody now"}</${Fact}>
      <${Fact} term="Aboard">${parcelsAboard(van.id, state.orders)} of ${van.capacity_parcels} parcels</${Fact}>
      <${Fact} term="Position">
        <span class="figures" data-position=${`${van.position?.lat},${van.position?.lon}`}>${place(van.position)}</span>
      </${Fact}>
      <${Fact} term="Speed">${speed(van.position)}</${Fact}>
      <${Fact} term="Age of position">${row.age === null ? "never heard of" : inWords(row.age)}</${Fact}>
      <${Fact} term="Gateway">${van.presence}</${Fact}>
      ${route !== undefined && html`
        <${Fact} term="Still to drive">${km(route.distance_m)}, ${minutes(route.drive_s)}</${Fact}>
        <${Fact} term="Shift">${state.times.span({ from: route.shift.starts_at, to: route.shift.ends_at })}</${Fact}>`}
    </dl>
    ${state.maySeeDesk && html`<${ShortShift} state=${state} van=${van} />`}
    ${state.maySeeDesk && html`<${Breakdown} state=${state} van=${van} />`}
    ${route === undefined
      ? html`<p class="empty">No route today. Plan the day, or post an order for this depot.</p>`
      : html`<${Stops} state=${state} row=${row} onOrder=${onOrder} />`}`;
}

function Stops({ state, row, onOrder }) {
  const stops = row.route.stops.map((stop, index) => ({ stop, number: index + 1 }));
  const done = stops.filter(({ stop }) => stop.state === "done");
  const open = stops.filter(({ stop }) => stop.state !== "done");
  const item = ({ stop, number }) => html`
    <${Stop} key=${stop.id} state=${state} row=${row} stop=${stop} number=${number} onOrder=${onOrder} />`;
  return html`
    <h3 class="section">Route, revision ${row.route.revision}</h3>
    ${state.maySeeDesk && html`<${RouteRules} state=${state} van=${row.van} route=${row.route} onOrder=${onOrder} />`}
    ${done.length > 0 && html`
      <details class="done-stops">
        <summary>${done.length === 1 ? "1 stop done" : `${done.length} stops done`}</summary>
        <ol class="stops" aria-label="Stops done">${done.map(item)}</ol>
      </details>`}
    ${open.length > 0
      ? html`<ol class="stops" aria-label="Stops to do">${open.map(item)}</ol>`
      : html`<p class="empty">${state.breakdowns.has(row.van.id) ? "Other vans have its stops." : "Every stop is done."}</p>`}`;
}

function Stop({ state, row, stop, number, onOrder }) {
  const isNext = stop === row.round.next;
  const orders = stop.order_ids.map((id) => state.orders.get(id)).filter(Boolean);
  const isUrgent = orders.some((order) => order.priority === "urgent");
  return html`
    <li class=${`stop ${stop.state} ${isNext ? "next" : ""}`} data-stop=${stop.id} style=${{ "--van": row.colour }}>
      <span class="stop-mark" aria-hidden="true">${stop.state === "done" ? "✓" : stop.kind === "pickup" ? "P" : number}</span>
      <div class="stop-text">
        <span class="stop-title">
          ${stop.kind === "delivery" && orders.length === 1
            ? html`<button class="link" type="button" onClick=${() => onOrder(orders[0].id)}>${stop.address}</button>`
            : stop.address}
          ${isUrgent && html` <${Chip} tone="warn">Urgent</${Chip}>`}
        </span>
        <span class="stop-line">${what(stop, orders)}</span>
        <${Promised} state=${state} row=${row} stop=${stop} />
        <${Preferred} state=${state} stop=${stop} orders=${orders} />
      </div>
      <${When} state=${state} row=${row} stop=${stop} isNext=${isNext} />
    </li>`;
}

function what(stop, orders) {
  const parcels = stop.parcel_ids.length === 1 ? "1 parcel" : `${stop.parcel_ids.length} parcels`;
  const doors = stop.kind === "delivery" && orders.length > 1 ? `, ${orders.length} orders` : "";
  if (orders.some((order) => order.kind === "return")) {
    return stop.kind === "pickup" ? `Collection of ${parcels}` : `Unloading of ${parcels}`;
  }
  return stop.kind === "pickup" ? `Pickup of ${parcels}` : `Delivery of ${parcels}${doors}`;
}

function Promised({ state, row, stop }) {
  const promised = promiseOf(stop, state.orders);
  if (promised === null) return null;
  const isAtRisk = row.round.atRisk.has(stop.id);
  return html`
    <span class=${`stop-line ${isAtRisk ? "at-risk" : ""}`}>
      Promised ${state.times.span(promised)}
      ${isAtRisk && `, expected ${state.times.clock(expectedMs(stop, row.round.delayS, state.arrivals.get(stop.id)))}`}
    </span>`;
}

function Preferred({ state, stop, orders }) {
  const wishes = stop.kind === "delivery" && stop.state !== "done" ? orders.filter(isPreferred) : [];
  if (wishes.length === 0) return null;
  const spans = [...new Set(wishes.map((order) => state.times.span(order.window)))];
  return html`<span class="stop-line" data-preferred>Preferred ${spans.join(", ")}</span>`;
}

function When({ state, row, stop, isNext }) {
  const { times } = state;
  if (stop.state === "done") {
    return html`<span class="stop-when figures"><b>${times.clock(stop.done_at ?? stop.planned_departure)}</b><small>done</small></span>`;
  }
  if (stop.state === "arrived") {
    return html`<span class="stop-when figures"><b>${times.clock(stop.arrived_at)}</b><small>arrived</small></span>`;
  }
  const arrival = state.arrivals.get(stop.id);
  if (arrival !== undefined) {
    return html`
      <span class="stop-when figures" title=${`Eight of ten such arrivals are between ${times.clock(arrival.p10)} and ${times.clock(arrival.p90)}; planned for ${times.clock(stop.planned_arrival)}`}>
        <b>${times.clock(arrival.p50)}</b>
        <small>${times.span({ from: arrival.p10, to: arrival.p90 })}</small>
      </span>`;
  }
  return html`
    <span class="stop-when figures">
      <b>${times.clock(stop.planned_arrival)}</b>
      <small>${isNext && row.round.delayS >= 60 ? `+${Math.round(row.round.delayS / 60)} min` : "planned"}</small>
    </span>`;
}
