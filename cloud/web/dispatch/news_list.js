// What has happened since the page was opened, the newest first.

import { useEffect, useState } from "../vendor/preact/hooks.module.js";
import { html } from "../look/html.js";
import { Chip } from "../look/parts.js";

const SHOWN = {
  all: ["All news", () => true],
  trouble: ["Needs somebody", ({ tone }) => ["bad", "warn"].includes(tone)],
  fences: ["At fences", ({ name }) => name === "geofence"],
};

/** The list; opening it makes everything read. */
export function NewsList({ state, onVan, onFence }) {
  const [shown, setShown] = useState("all");
  useEffect(() => state.news.read(), [state.news.items]);
  const news = state.news.items.filter(SHOWN[shown][1]);
  return html`
    <div class="tools one">
      <div class="field">
        <label class="visually-hidden" for="news-shown">Show</label>
        <select id="news-shown" class="input" value=${shown} onChange=${(event) => setShown(event.target.value)}>
          ${Object.entries(SHOWN).map(([key, [label, fits]]) => html`
            <option value=${key} selected=${key === shown}>${label} (${state.news.items.filter(fits).length})</option>`)}
        </select>
      </div>
    </div>
    ${news.length === 0 && html`<p class="empty">Nothing of it has happened since this page was opened. Silent vans, complaints about vans and comings and goings at fences appear here.</p>`}
    <ol class="rows" role="log" aria-label="News">
      ${news.map((one) => html`<li key=${one.number}><${One} state=${state} one=${one} onVan=${onVan} onFence=${onFence} /></li>`)}
    </ol>`;
}

function One({ state, one, onVan, onFence }) {
  const isKnown = state.vans.has(one.vanId);
  const go = isKnown ? () => onVan(one.vanId) : one.fenceId !== null ? () => onFence(one.fenceId) : null;
  const Tag = go === null ? "div" : "button";
  return html`
    <${Tag} class="row news" type=${go === null ? undefined : "button"} data-news=${one.name} onClick=${go}>
      <span><${Chip} tone=${one.tone}>${one.what}</${Chip}></span>
      <time class="figures soft" datetime=${new Date(one.atMs).toISOString()}>${state.times.clock(one.atMs)}</time>
      <span class="news-text">${one.text}</span>
      ${one.detail && html`<span class="row-line">${one.detail}</span>`}
    </${Tag}>`;
}
