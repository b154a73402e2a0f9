// Joins the parts of the board, once.

import { h, render } from "../vendor/preact/preact.module.js";
import { get } from "../look/api.js";
import { ServerClock } from "../look/moment.js";
import { Board } from "./board.js";
import { BoardState } from "./board_state.js";
import { LiveStream } from "./live.js";
import { NEWS } from "./news.js";

const TICK_MS = 1_000;
const OPEN_AGAIN_MS = 3_000;

const clock = new ServerClock(() => performance.now());
const state = new BoardState(clock);
const root = document.getElementById("board");

async function open() {
  await state.safely(() => state.open());
  if (clock.atMs === null) {
    root.querySelector(".opening").textContent = `${state.error} Trying again…`;
    setTimeout(open, OPEN_AGAIN_MS);
    return;
  }
  root.replaceChildren();
  render(h(Board, { state }), root);
  setInterval(() => state.tell(), TICK_MS);
  new LiveStream({
    url: "/api/v1/live",
    names: ["snapshot", "vans", "revision", "order", "rule", ...NEWS],
    onEvent: (name, data) => state.hear(name, data),
    onState: (line) => state.lineIs(line),
    probe: () => get("clock"),
  });
}

open();
