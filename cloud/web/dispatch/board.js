// The dispatcher's board: header, map or table, and the panel of vans, orders and plan.

import { useEffect, useReducer, useRef, useState } from "../vendor/preact/hooks.module.js";
import { signOut } from "../look/api.js";
import { html } from "../look/html.js";
import { Tabs } from "../look/parts.js";
import { areaDraftOf, blankArea } from "./access_areas.js";
import { AccessForm } from "./access_form.js";
import { AccessDetail, AccessList } from "./access_list.js";
import { FenceForm } from "./fence_form.js";
import { FenceDetail, FenceList } from "./fence_list.js";
import { blankDraft, draftOf, withPoint } from "./fences.js";
import { Header, Summary } from "./header.js";
import { attribution, hasWebGl, MapView } from "./map_view.js";
import { NewsList } from "./news_list.js";
import { OrderDetail } from "./order_detail.js";
import { OrderForm } from "./order_form.js";
import { OrderList } from "./order_list.js";
import { PlanView } from "./plan_view.js";
import { PolicyForm } from "./policy_form.js";
import { RoadForm } from "./road_form.js";
import { RoadDetail, RoadList } from "./road_list.js";
import { blankRoad, roadDraftOf } from "./road_rules.js";
import { VanDetail } from "./van_detail.js";
import { choose, VanList, vanRows, VanTable } from "./van_list.js";

const NOTHING = {
  vanId: null, orderId: null, fenceId: null, draft: null, roadId: null, roadDraft: null, areaId: null, areaDraft: null, isPolicy: false, isOrdering: false, place: null,
};
const DRAFTS = ["draft", "roadDraft", "areaDraft"];
const START = { ...NOTHING, tab: "vans", isPicking: false, standing: "all", filter: "all" };

/** Everything on the page; draws itself again when `state` tells of a change. */
export function Board({ state }) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const [at, setAt] = useState(START);
  const [canDraw] = useState(hasWebGl);
  const [noMap, setNoMap] = useState(canDraw ? null : "This browser has no WebGL 2");
  const [isTable, setTable] = useState(false);
  useEffect(() => state.subscribe(redraw), [state]);
  useReturn(at);
  useEscape(() => go(NOTHING));
  const go = (change) => setAt((before) => ({ ...before, ...change }));
  const hasMap = noMap === null && !isTable;
  const to = {
    van: (vanId) => go({ ...NOTHING, tab: "vans", vanId }),
    order: (orderId) => go({ ...NOTHING, tab: "orders", orderId }),
    fence: (fenceId) => go({ ...NOTHING, tab: "fences", fenceId }),
    draw: (fence) => go({ ...NOTHING, tab: "fences", draft: fence === undefined ? blankDraft() : draftOf(fence) }),
    road: (roadId) => go({ ...NOTHING, tab: "roads", roadId }),
    drawRoad: (rule) => go({ ...NOTHING, tab: "roads", roadDraft: rule === undefined ? blankRoad() : roadDraftOf(rule, state.times) }),
    access: (areaId) => go({ ...NOTHING, tab: "roads", areaId }),
    drawArea: (area) => go({ ...NOTHING, tab: "roads", areaDraft: area === undefined ? blankArea() : areaDraftOf(area) }),
    policy: () => go({ ...NOTHING, tab: "plan", isPolicy: true }),
    tab: (tab) => go({ ...NOTHING, tab }),
    standing: (standing) => go({ ...NOTHING, tab: "vans", standing }),
    filter: (filter) => go({ ...NOTHING, tab: "orders", filter }),
    form: () => go({ ...NOTHING, isOrdering: true, isPicking: true }),
  };
  const placed = (place) => setAt((before) => {
    const drawn = DRAFTS.find((name) => before[name] !== null);
    return drawn === undefined ? { ...before, place } : { ...before, [drawn]: withPoint(before[drawn], place) };
  });
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
        <${MapView} state=${state} chosen=${at} picking=${{ isOn: DRAFTS.some((name) => at[name] !== null) || (at.isOrdering && at.isPicking), place: at.place }}
          onVan=${to.van} onOrder=${to.order} onFence=${to.fence} onRoad=${to.road} onAccess=${to.access} onPlace=${placed} onFail=${setNoMap} />`}
    </div>`;
}

function Fences({ state, at, go, to, hasMap }) {
  if (at.draft !== null) {
    return html`<${FenceForm} state=${state} draft=${at.draft} hasMap=${hasMap} onChange=${(draft) => go({ draft })}
      onDone=${to.fence} onBack=${() => go({ draft: null, fenceId: at.draft.id })} />`;
  }
  const fence = state.book.fences.get(at.fenceId);
  if (fence !== undefined) {
    return html`<${FenceDetail} key=${fence.id} state=${state} fence=${fence} onVan=${to.van} onDraw=${() => to.draw(fence)}
      onBack=${() => go({ fenceId: null })} />`;
  }
  return html`<${FenceList} state=${state} onFence=${to.fence} onDraw=${() => to.draw()} />`;
}

function Roads({ state, at, go, to, hasMap }) {
  if (at.roadDraft !== null) {
    return html`<${RoadForm} state=${state} draft=${at.roadDraft} hasMap=${hasMap} onChange=${(roadDraft) => go({ roadDraft })}
      onDone=${to.road} onBack=${() => go({ roadDraft: null, roadId: at.roadDraft.id })} />`;
  }
  if (at.areaDraft !== null) {
    return html`<${AccessForm} state=${state} draft=${at.areaDraft} hasMap=${hasMap} onChange=${(areaDraft) => go({ areaDraft })}
      onDone=${to.access} onBack=${() => go({ areaDraft: null, areaId: at.areaDraft.id })} />`;
  }
  const area = state.roads.areas.get(at.areaId);
  if (area !== undefined) {
    return html`<${AccessDetail} key=${area.id} state=${state} area=${area} onDraw=${() => to.drawArea(area)} onBack=${() => go({ areaId: null })} />`;
  }
  const rule = state.roads.rules.get(at.roadId);
  if (rule !== undefined) {
    return html`<${RoadDetail} key=${rule.id} state=${state} rule=${rule} onDraw=${() => to.drawRoad(rule)} onBack=${() => go({ roadId: null })} />`;
  }
  return html`
    <${RoadList} state=${state} onRoad=${to.road} onDraw=${() => to.drawRoad()} />
    <${AccessList} state=${state} onArea=${to.access} onDraw=${() => to.drawArea()} />`;
}

function tabs({ vans, orders, desk, news, maySeeFences, maySeeDesk }) {
  return [
    ["vans", "Vans", vans.size],
    ["orders", "Orders", orders.size],
    ["plan", "Plan", desk.open.length === 0 ? undefined : desk.open.length],
    ...(maySeeFences ? [["fences", "Fences"]] : []),
    ...(maySeeDesk ? [["roads", "Streets"]] : []),
    ["news", "News", news.unread === 0 ? undefined : news.unread],
  ];
}

function Content({ state, rows, at, go, to, hasMap }) {
  if (at.isOrdering) {
    return html`<${OrderForm} state=${state} place=${at.place} hasMap=${hasMap} onVan=${to.van}
      onPlace=${(place) => go({ place })} onPosted=${(vanId) => go({ isPicking: false, place: null, vanId })}
      onAgain=${to.form} onBack=${() => go(NOTHING)} />`;
  }
  if (at.tab === "fences") return html`<${Fences} state=${state} at=${at} go=${go} to=${to} hasMap=${hasMap} />`;
  if (at.tab === "roads") return html`<${Roads} state=${state} at=${at} go=${go} to=${to} hasMap=${hasMap} />`;
  if (at.tab === "plan" && at.isPolicy) return html`<${PolicyForm} state=${state} onBack=${() => go({ isPolicy: false })} />`;
  if (at.tab === "news") return html`<${NewsList} state=${state} onVan=${to.van} onFence=${to.fence} />`;
  if (at.tab === "plan") return html`<${PlanView} state=${state} hasMap=${hasMap} onOrder=${to.order} onVan=${to.van} onPolicy=${to.policy} />`;
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
function useReturn({ vanId, orderId, fenceId, roadId, areaId }) {
  const before = useRef({});
  useEffect(() => {
    const left = Object.entries(before.current).find(([, id]) => id);
    before.current = { van: vanId, order: orderId, fence: fenceId, road: roadId, access: areaId };
    if (left === undefined || vanId !== null || orderId !== null || fenceId !== null || roadId !== null || areaId !== null) return;
    const [kind, id] = left;
    const row = document.querySelector(`.content [data-${kind}="${CSS.escape(id)}"]`);
    (row?.matches("button") ? row : row?.querySelector("button"))?.focus();
  }, [vanId, orderId, fenceId, roadId, areaId]);
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
