// Domain time: the server's clock and its rate, and instants as people at the depot read them.

/** What time it is for the business. Runs on from what the server last said, at the server's rate. */
export class ServerClock {
  /** `elapsed` gives real milliseconds that never jump, such as performance.now. */
  constructor(elapsed) {
    this.elapsed = elapsed;
    this.speed = 1;
    this.isDemo = false;
    this.atMs = null;
    this.since = 0;
  }

  /** Take the server's word, as GET /clock gives it. */
  set({ now, speed, demo }) {
    this.speed = speed;
    this.isDemo = demo;
    this.sync(now);
  }

  /** Take an instant that the server has just told. */
  sync(now) {
    this.atMs = Date.parse(now);
    this.since = this.elapsed();
  }

  /** Milliseconds since 1970, domain time. */
  nowMs() {
    return this.atMs + (this.elapsed() - this.since) * this.speed;
  }
}

/** Reads and writes instants in the zone of a depot (IANA name). */
export class DepotTime {
  constructor(zone) {
    this.zone = zone;
    const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
    this.hourMinute = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    this.hourMinuteSecond = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    this.weekday = format({ weekday: "short", day: "numeric", month: "short" });
    this.parts = format({
      year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    });
  }

  /** "09:42" of an RFC 3339 instant or of milliseconds. */
  clock(instant) {
    return this.hourMinute.format(toMs(instant));
  }

  /** "09:42:07" of an RFC 3339 instant or of milliseconds. */
  exact(instant) {
    return this.hourMinuteSecond.format(toMs(instant));
  }

  /** "09:00–11:00", with a dash between its ends. */
  span(span) {
    return `${this.clock(span.from)}–${this.clock(span.to)}`;
  }

  /** "Mon 23 Nov". */
  date(instant) {
    return this.weekday.format(toMs(instant)).replace(",", "");
  }

  /** The local day, "2026-11-23". */
  day(instant) {
    const at = this.local(toMs(instant));
    return `${at.year}-${at.month}-${at.day}`;
  }

  /** "2026-11-23T09:42", as an input of date and time takes it. */
  input(instant) {
    const at = this.local(toMs(instant));
    return `${at.year}-${at.month}-${at.day}T${at.hour}:${at.minute}`;
  }

  /** The instant (RFC 3339, UTC) of local "HH:MM" on a local day, `daysLater` days after it. */
  instant(day, hourMinute, daysLater = 0) {
    const wall = Date.parse(`${day}T${hourMinute}:00Z`) + daysLater * 86_400_000;
    const first = wall - this.offsetMs(wall);
    return new Date(wall - this.offsetMs(first)).toISOString();
  }

  offsetMs(ms) {
    const at = this.local(ms);
    const wall = Date.parse(`${at.year}-${at.month}-${at.day}T${at.hour}:${at.minute}:${at.second}Z`);
    return wall - Math.floor(ms / 1000) * 1000;
  }

  local(ms) {
    return Object.fromEntries(this.parts.formatToParts(ms).map(({ type, value }) => [type, value]));
  }
}

/** "just now", "40 s", "12 min", "3 h 05". */
export function inWords(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

function toMs(instant) {
  return typeof instant === "number" ? instant : Date.parse(instant);
}
