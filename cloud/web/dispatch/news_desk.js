// The news since the page was opened: the newest first, the oldest forgotten.

import { NEWS, newsOf } from "./news.js";

const KEPT = 200;

/** `items` are pieces of news with a `number`; `unread` counts those that need somebody. */
export class NewsDesk {
  constructor(tell) {
    this.tell = tell;
    this.items = [];
    this.unread = 0;
    this.count = 0;
    this.complaints = new Map();
  }

  /** Take an event of the stream, when it is news; `about` as `newsOf` wants it. */
  hear(name, data, about) {
    if (!NEWS.includes(name)) return;
    const piece = { ...newsOf(name, data, about), number: this.count };
    this.count += 1;
    this.items = [piece, ...this.items].slice(0, KEPT);
    if (["bad", "warn"].includes(piece.tone)) this.unread += 1;
    if (name === "van_complaint") this.complaints.set(piece.vanId, piece);
    this.tell();
  }

  /** Somebody has looked at all of it. */
  read() {
    if (this.unread === 0) return;
    this.unread = 0;
    this.tell();
  }
}
