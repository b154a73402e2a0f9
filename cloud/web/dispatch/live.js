// The stream of news from the server. A lost one is told of and taken up again, with growing pauses.

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
const SILENCE_MS = 30_000;

/** Keeps a stream open until `close`. */
export class LiveStream {
  /**
   * `onEvent(name, data)` hears each event; `onState("open" | "lost")` each change of the line;
   * `probe()` resolves while the server answers, and is asked when the stream has long been silent.
   */
  constructor({ url, names, onEvent, onState, probe }) {
    Object.assign(this, { url, names, onEvent, onState, probe });
    this.pauseMs = FIRST_PAUSE_MS;
    this.connect();
    this.watch = setInterval(() => this.listen(), SILENCE_MS / 3);
  }

  close() {
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.source.close();
  }

  connect() {
    this.heardAt = performance.now();
    this.source = new EventSource(this.url);
    this.source.addEventListener("open", () => this.opened());
    this.source.addEventListener("error", () => this.lost());
    for (const name of this.names) {
      this.source.addEventListener(name, (event) => this.heard(name, event.data));
    }
  }

  opened() {
    this.pauseMs = FIRST_PAUSE_MS;
    this.heardAt = performance.now();
    this.onState("open");
  }

  heard(name, text) {
    this.heardAt = performance.now();
    this.onEvent(name, JSON.parse(text));
  }

  lost() {
    this.source.close();
    clearTimeout(this.retry);
    this.onState("lost");
    this.retry = setTimeout(() => this.again(), this.pauseMs);
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
  }

  async again() {
    try {
      await this.probe();
    } catch {
      this.lost();
      return;
    }
    this.connect();
  }

  async listen() {
    if (performance.now() - this.heardAt < SILENCE_MS) return;
    try {
      await this.probe();
      this.heardAt = performance.now();
    } catch {
      this.lost();
    }
  }
}
