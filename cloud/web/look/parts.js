// Small pieces of markup that all pages share.

import { useEffect, useRef, useState } from "../vendor/preact/hooks.module.js";
import { html } from "./html.js";

/** A word with a tone: good, warn, bad, quiet, brand. */
export function Chip({ tone, children }) {
  return html`<span class=${`chip ${tone}`}>${children}</span>`;
}

/** One fact: a term and what it is. */
export function Fact({ term, children }) {
  return html`<div class="fact"><dt>${term}</dt><dd>${children}</dd></div>`;
}

/** The heading of something that was chosen, with the way back. */
export function Chosen({ title, mark, onBack, back, children }) {
  const heading = useRef(null);
  useEffect(() => heading.current.focus({ preventScroll: true }), []);
  return html`
    <header class="chosen">
      <button class="button plain" type="button" onClick=${onBack} aria-label=${back}>←</button>
      ${mark}
      <h2 tabindex="-1" ref=${heading}>${title}</h2>
      ${children}
    </header>`;
}

/** What the service refused: its sentence, and the fields that no control on the page shows. */
export function Refusal({ problem, shown = [] }) {
  const box = useRef(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [problem]);
  if (problem === null) return null;
  const others = problem.fields.filter(({ field }) => !shown.includes(field));
  return html`
    <div class="note bad" role="alert" ref=${box}>
      ${problem.fields.length > 0 && others.length === 0 ? "Please mend the marked fields." : problem.message}
      ${others.length > 0 && html`
        <ul class="refusal">
          ${others.map(({ field, problem: what, remedy }) => html`<li><b>${field}</b>: ${what}. ${remedy}.</li>`)}
        </ul>`}
    </div>`;
}

/** An input with its label, and beside it what the service refused of its `fields`. */
export function Field({ id, label, problem = null, fields, isOptional = false, hint, children, ...input }) {
  const found = problem?.fields.find(({ field }) => fields.includes(field));
  const told = found === undefined ? undefined : `${id}-problem`;
  const marks = { id, class: "input", "aria-invalid": found !== undefined, "aria-describedby": told };
  return html`
    <div class="field">
      <label for=${id}>${label}${isOptional && html` <span class="hint">optional</span>`}</label>
      ${children === undefined
        ? html`<input ...${marks} required=${!isOptional} ...${input} />`
        : html`<select ...${marks} ...${input}>${children}</select>`}
      ${hint && html`<p class="hint">${hint}</p>`}
      ${found && html`<p class="problem" id=${told}>${sentence(found)}</p>`}
    </div>`;
}

/** What is wrong with a field, and the remedy. */
export function sentence({ problem, remedy }) {
  return `${problem.replace(/^./, (first) => first.toUpperCase())}; ${remedy}.`;
}

/** Tabs: `tabs` are [[key, label, count?]], of which `tab` is chosen, or none. */
export function Tabs({ tabs, tab, onTab, label }) {
  const turn = (event, index) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const [next] = tabs[(index + step + tabs.length) % tabs.length];
    onTab(next);
    document.getElementById(`tab-${next}`).focus();
  };
  useEffect(() => document.getElementById(`tab-${tab}`)?.scrollIntoView({ block: "nearest", inline: "nearest" }), [tab]);
  return html`
    <div class="tabs" role="tablist" aria-label=${label}>
      ${tabs.map(([key, text, count], index) => html`
        <button type="button" role="tab" id=${`tab-${key}`} key=${key} aria-controls="content" aria-selected=${key === tab}
          tabindex=${key === (tab ?? tabs[0][0]) ? 0 : -1} onClick=${() => onTab(key)} onKeyDown=${(event) => turn(event, index)}>
          ${text}${count === undefined ? "" : html` <span class="count">${count}</span>`}
        </button>`)}
    </div>`;
}

/** A button that asks once more before it does what cannot be undone. */
export function Sure({ label, question, sure, isBusy = false, onSure }) {
  const [isAsking, setAsking] = useState(false);
  if (!isAsking) {
    return html`<button class="button danger" type="button" onClick=${() => setAsking(true)}>${label}</button>`;
  }
  const go = async () => {
    if ((await onSure()) !== false) setAsking(false);
  };
  return html`
    <span class="sure" role="group" aria-label=${question}>
      <span>${question}</span>
      <button class="button danger" type="button" autofocus disabled=${isBusy} onClick=${go}>${sure}</button>
      <button class="button plain" type="button" onClick=${() => setAsking(false)}>Keep</button>
    </span>`;
}
