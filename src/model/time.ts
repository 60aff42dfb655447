/** Event and wall clock times are whole milliseconds since 1970-01-01T00:00:00Z; durations are milliseconds. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a duration: a number and a unit, or several of them, largest first (`250ms`, `1h30m`, `2d`).
 * @returns milliseconds, or undefined when the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  const part = /(\d+(?:\.\d+)?)(ms|min|s|m|h|d)/gy;
  let total = 0;
  let at = 0;
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    total += Number(match[1]) * UNIT_MS[match[2]!]!;
    at = part.lastIndex;
  }
  return at > 0 && at === text.length ? Math.round(total) : undefined;
}

/** The shortest form that `parseDuration` reads back: `90000` is `90s`, `86400000` is `1d`. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    const size = UNIT_MS[unit]!;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

const DAY_MS = 86_400_000;
/** That `Date` knows. */
const LAST_DAY = 1e8;
const TWO_DIGITS = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, "0"));
let cachedDay = Number.NaN;
let cachedDate = "";

/** Windows begin where others end, and many devices have windows of the same time. */
const RECENT_BITS = 6;
const recent = Array.from({ length: 1 << RECENT_BITS }, () => ({ ms: Number.NaN, text: "" }));

/** RFC 3339 in UTC, with milliseconds only where there are any. */
export function formatInstant(ms: number): string {
  // Multiplicative hashing, with 2^32 over the golden ratio.
  const slot = recent[Math.imul((ms / 1000) | 0, 0x9e3779b1) >>> (32 - RECENT_BITS)]!;
  if (slot.ms !== ms) {
    slot.text = formatted(ms);
    slot.ms = ms;
  }
  return slot.text;
}

/** The date is formatted once for many times of a day. */
function formatted(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  if (day !== cachedDay) {
    // A definition that is in a store may be longer than is taken today, and what it says must not end the process.
    const known = Math.min(Math.max(day, -LAST_DAY), LAST_DAY);
    cachedDate = new Date(known * DAY_MS).toISOString().slice(0, -13);
    cachedDay = day;
  }
  const ofDay = ms - day * DAY_MS;
  const seconds = Math.floor(ofDay / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = TWO_DIGITS[Math.floor(minutes / 60)];
  const text = `${cachedDate}${hours}:${TWO_DIGITS[minutes % 60]}:${TWO_DIGITS[seconds % 60]}`;
  const fraction = ofDay % 1000;
  return fraction === 0 ? `${text}Z` : `${text}.${String(fraction).padStart(3, "0")}Z`;
}
