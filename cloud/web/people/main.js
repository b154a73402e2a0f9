// Joins the parts of the page, once.

import { h, render } from "../vendor/preact/preact.module.js";
import { Problem } from "../look/api.js";
import { People } from "./people.js";
import { PeopleState } from "./people_state.js";

const OPEN_AGAIN_MS = 3_000;
const root = document.getElementById("people");
const state = new PeopleState(draw);
let isOpen = false;

function draw() {
  if (isOpen) render(h(People, { state }), root);
}

async function open() {
  try {
    await state.open();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    root.querySelector(".opening").textContent = error.message;
    setTimeout(open, OPEN_AGAIN_MS);
    return;
  }
  root.replaceChildren();
  isOpen = true;
  draw();
  addEventListener("hashchange", draw);
}

open();
