// The orders of the day: found by words, filtered by how they stand.

import { useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { Chip } from "../look/parts.js";
import { OrderChip } from "./parts.js";
import { GROUPS, groupOf, waits } from "./rounds.js";

const AT_ONCE = 100;

/** Filter, search and list; `filter` is a key of GROUPS, "all", "urgent" or "unserved". */
export function OrderList({ state, filter, onFilter, onOrder }) {
  const [search, setSearch] = useState("");
  const [limit, setLimit] = useState(AT_ONCE);
  const reasons = new Map(state.plan.unserved.map((left) => [left.order_id, left]));
  const found = [...state.orders.values()]
    .filter((order) => fits(order, filter, reasons) && says(order, search))
    .sort((one, other) => rank(other, reasons) - rank(one, reasons));
  return html`
    <div class="tools">
      <div class="field">
        <label class="visually-hidden" for="order-search">Search orders</label>
        <input id="order-search" class="input" type="search" placeholder="Address, reference or id"
          value=${search} onInput=${(event) => setSearch(event.target.value)} />
      </div>
      <div class="field">
        <label class="visually-hidden" for="order-filter">Show</label>
        <select id="order-filter" class="input" value=${filter} onChange=${(event) => onFilter(event.target.value)}>
          ${filters(state, reasons).map(([key, label, count]) => html`
            <option value=${key} selected=${key === filter}>${label} (${count})</option>`)}
        </select>
      </div>
    </div>
    ${found.length === 0 && html`<p class="empty">${nothing(state, search)}</p>`}
    <ul class="rows" aria-label="Orders">
      ${found.slice(0, limit).map((order) => html`
        <${Row} key=${order.id} state=${state} order=${order} left=${reasons.get(order.id)} onOrder=${onOrder} />`)}
    </ul>
    ${found.length > limit && html`
      <button class="button more" type="button" onClick=${() => setLimit(limit + AT_ONCE)}>
        Show more (${found.length - limit} left)
      </button>`}`;
}

function filters(state, reasons) {
  const orders = [...state.orders.values()];
  const count = (key) => orders.filter((order) => fits(order, key, reasons)).length;
  const keys = [["all", "All orders"], ["unserved", "Unserved"], ["waiting", "Waiting for a later day"], ["urgent", "Urgent"]];
  for (const [key, { label }] of Object.entries(GROUPS)) keys.push([key, label]);
  return keys.map(([key, label]) => [key, label, count(key)]);
}

function fits(order, filter, reasons) {
  if (filter === "all") return true;
  if (filter === "unserved") return reasons.has(order.id) && !waits(reasons.get(order.id));
  if (filter === "waiting") return waits(reasons.get(order.id));
  if (filter === "urgent") return order.priority === "urgent";
  return groupOf(order) === filter;
}

function says(order, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${order.address} ${order.reference} ${order.id}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function rank(order, reasons) {
  if (reasons.has(order.id)) return waits(reasons.get(order.id)) ? 0 : 3;
  if (groupOf(order) === "trouble") return 2;
  return order.priority === "urgent" && ["todo", "under_way"].includes(groupOf(order)) ? 1 : 0;
}

function nothing(state, search) {
  if (state.orders.size === 0) return "No orders for today yet. Post one with “Urgent order”, or import a CSV over the API.";
  return search === "" ? "No order stands like that now." : "No order matches; try fewer words or another filter.";
}

function Row({ state, order, left, onOrder }) {
  const van = vanOf(state, order);
  return html`
    <li>
      <button type="button" class="row order-row" data-order=${order.id} onClick=${() => onOrder(order.id)}>
        <span class="row-title">${order.address}</span>
        <span class="chips">
          ${order.priority === "urgent" && html`<${Chip} tone="warn">Urgent</${Chip}>`}
          <${OrderChip} order=${order} isUnserved=${left !== undefined} isWaiting=${waits(left)} />
        </span>
        ${left !== undefined
          ? html`<span class=${`row-line ${waits(left) ? "" : "at-risk"}`}>${left.reason}</span>`
          : html`<span class="row-line">
              ${[order.reference, van?.name, order.promise && `promised ${state.times.span(order.promise.current)}`]
                .filter(Boolean).join(" · ")}
            </span>`}
      </button>
    </li>`;
}

/** The van on whose route an order is, or undefined. */
export function vanOf(state, order) {
  if (order.route_id === null) return undefined;
  for (const route of state.routes.values()) {
    if (route.id === order.route_id) return state.vans.get(route.vehicle_id);
  }
  return undefined;
}
