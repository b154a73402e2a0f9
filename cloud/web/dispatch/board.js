// The dispatcher's board: header, map or table, and the panel of vans, orders and plan.

import { useEffect, useReducer, useRef, useState } from "../vendor/preact/hooks.module.js";
import { signOut } from "../look/api.js";
import { html } from "../look/html.js";
import { Tabs } from "../look/parts.js";
import { Header, Summary } from "./header.js";
import { attribution, hasWebGl, MapView } from "./map_view.js";
import { OrderDetail } from "./order_detail.js";
import { OrderForm } from "./order_form.js";
import { OrderList } from "./order_list.js";
import { PlanView } from "./plan_view.js";
import { VanDetail } from "./van_detail.js";
import { choose, VanList, vanRows, VanTable } from "./van_list.js";

const START = { tab: "vans", vanId: null, orderId: null, isOrdering: false, isPicking: false, place: null, standing: "all", filter: "all" };

/** Everything on the page; draws itself again when `state` tells of a change. */
export function Board({ state }) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const [at, setAt] = useState(START);
  const [canDraw] = useState(hasWebGl);
  const [noMap, setNoMap] = useState(canDraw ? null : "This browser has no WebGL 2");
  const [isTable, setTable] = useState(false);
  useEffect(() => state.subscribe(redraw), [state]);
  useReturn(at);
  useEscape(() => go({ isOrdering: false, place: null, vanId: null, orderId: null }));
  const go = (change) => setAt((before) => ({ ...before, ...change }));
  const hasMap = noMap === null && !isTable;
  const to = {
    van: (vanId) => go({ tab: "vans", vanId, orderId: null, isOrdering: false, place: null }),
    order: (orderId) => go({ tab: "orders", orderId, vanId: null, isOrdering: false, place: null }),
    tab: (tab) => go({ tab, vanId: null, orderId: null, isOrdering: false, place: null }),
    standing: (standing) => go({ tab: "vans", standing, vanId: null, isOrdering: false, place: null }),
    filter: (filter) => go({ tab: "orders", filter, orderId: null, isOrdering: false, place: null }),
    form: () => go({ isOrdering: true, isPicking: true, vanId: null, place: null }),
  };
  const toggle = () => {
    setTable(hasMap);
    setNoMap(null);
  };
  const rows = vanRows(state);
  return html`
    <div class=${hasMap ? "board" : "board no-map"}>
      <${Header} state=${state} onOrder=${to.form} onSignOut=${() => state.safely(signOut)}
        isTable=${!hasMap} onTable=${canDraw ? toggle : null} />
      <main class="panel" aria-label="Vans, orders and plan">
        ${noMap !== null && html`<p class="note warn" role="status">${noMap}, so there is no map; vans, routes, orders and the order form work here as tables.</p>`}
        ${state.city?.missing && html`<p class="note warn" role="status">${state.city.missing}</p>`}
        ${state.error !== null && html`<p class="note bad" role="alert">${state.error}</p>`}
        ${state.planFailure !== null && html`
          <p class="note warn" role="alert">The plan could not follow; the one before stays in force. ${state.planFailure}</p>`}
        ${[...state.copies].map((id) => html`
          <p class="note bad" role="alert" key=${id}>A box asks to be ${state.vans.get(id)?.name ?? id} with a certificate that was replaced; its card may have been copied. An administrator should revoke the van’s gateway and enrol its box again.</p>`)}
        ${!at.isOrdering && html`<${Summary} state=${state} rows=${rows} onStanding=${to.standing} onFilter=${to.filter} />`}
        <${Tabs} tabs=${tabs(state)} tab=${at.isOrdering ? null : at.tab} onTab=${to.tab} label="What to look at" />
        <div class="content" id="content" role="tabpanel" aria-label=${at.tab}>
          <${Content} state=${state} rows=${rows} at=${at} go=${go} to=${to} hasMap=${hasMap} />
        </div>
        ${!hasMap && html`<footer class="soft">Streets and routes: ${attribution(state.city)}</footer>`}
      </main>
      ${hasMap && html`
        <${MapView} state=${state} chosen=${at} picking=${{ isOn: at.isOrdering && at.isPicking, place: at.place }}
          onVan=${to.van} onOrder=${to.order} onPlace=${(place) => go({ place })} onFail=${setNoMap} />`}
    </div>`;
}

function tabs({ vans, orders }) {
  return [["vans", "Vans", vans.size], ["orders", "Orders", orders.size], ["plan", "Plan"]];
}

function Content({ state, rows, at, go, to, hasMap }) {
  if (at.isOrdering) {
    return html`<${OrderForm} state=${state} place=${at.place} hasMap=${hasMap} onVan=${to.van}
      onPlace=${(place) => go({ place })} onPosted=${(vanId) => go({ isPicking: false, place: null, vanId })}
      onAgain=${to.form} onBack=${() => go({ isOrdering: false, place: null, vanId: null })} />`;
  }
  if (at.tab === "plan") return html`<${PlanView} state=${state} onOrder=${to.order} onVan=${to.van} />`;
  if (at.tab === "orders") {
    const order = state.orders.get(at.orderId);
    if (order !== undefined) {
      return html`<${OrderDetail} key=${order.id} state=${state} order=${order} onVan=${to.van} onBack=${() => go({ orderId: null })} />`;
    }
    return html`<${OrderList} state=${state} filter=${at.filter} onFilter=${to.filter} onOrder=${to.order} />`;
  }
  const row = rows.find(({ van }) => van.id === at.vanId);
  if (row !== undefined) {
    return html`<${VanDetail} key=${row.van.id} state=${state} row=${row} onOrder=${to.order} onBack=${() => go({ vanId: null })} />`;
  }
  const List = hasMap ? VanList : VanTable;
  return html`<${List} state=${state} rows=${choose(rows, at.standing)} onVan=${to.van} />`;
}

/** When something chosen is left, the focus goes back to the row it was chosen from. */
function useReturn({ vanId, orderId }) {
  const before = useRef({});
  useEffect(() => {
    const left = before.current;
    before.current = { vanId, orderId };
    if (vanId !== null || orderId !== null) return;
    const key = left.vanId ? `[data-van="${left.vanId}"]` : left.orderId ? `[data-order="${left.orderId}"]` : null;
    const row = key === null ? null : document.querySelector(`.content ${key}`);
    (row?.matches("button") ? row : row?.querySelector("button"))?.focus();
  }, [vanId, orderId]);
}

function useEscape(done) {
  useEffect(() => {
    const heard = (event) => {
      if (event.key === "Escape") done();
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  }, []);
}
