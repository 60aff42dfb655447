/**
 * Event times: from what a payload says to whole milliseconds since 1970-01-01T00:00:00Z.
 *
 * A parser never throws; what cannot be read is NaN. Digits below the millisecond are cut off, never rounded up, so
 * that a reading cannot fall into the next window by its spelling. A leap second (`:60`) is the start of the next
 * second, as POSIX has it. Only years 1 to 9999 are times.
 */

import { clockMs, DAY_MS, daysFromCivil, daysInMonth } from "../model/civil.js";
import { WeirError } from "../model/errors.js";
import { type Zone, zoneNamed } from "../model/zone.js";
import { parseNumber } from "./number.js";
import { compileTimePattern } from "./time-pattern.js";

/** From a scalar as a decoder gives it to epoch milliseconds, or NaN. */
export type TimeParser = (raw: unknown) => number;

/** The named formats, for reference documentation; anything with a `%` is a pattern. */
export const TIME_FORMATS: Readonly<Record<string, string>> = {
  "epoch-s": "Seconds since 1970-01-01 UTC, a fraction allowed.",
  "epoch-ms": "Milliseconds since 1970-01-01 UTC.",
  "epoch-us": "Microseconds since 1970-01-01 UTC.",
  "epoch-ns": "Nanoseconds since 1970-01-01 UTC.",
  iso: "RFC 3339 with a zone: `2026-01-14T12:00:01.5Z`, `2026-01-14 13:00:01+01:00`.",
  "local-iso":
    "The same without a zone, read in `zone`; where the text has a zone of its own, that one counts.",
};

const TIME_MIN = daysFromCivil(1, 1, 1) * DAY_MS;
const TIME_MAX = daysFromCivil(10_000, 1, 1) * DAY_MS - 1;

/**
 * @param format a name of `TIME_FORMATS` or a pattern such as `%d.%m.%Y %H:%M`
 * @param zone IANA name, for local times
 * @throws WeirError `bad-time-format`
 */
export function compileTimeFormat(format: string, zone: string): TimeParser {
  switch (format) {
    case "epoch-s":
      return (raw) => fromEpoch(raw, 1000, 1);
    case "epoch-ms":
      return (raw) => fromEpoch(raw, 1, 1);
    case "epoch-us":
      return (raw) => fromEpoch(raw, 1, 1_000);
    case "epoch-ns":
      return (raw) => fromEpoch(raw, 1, 1_000_000);
    case "iso":
      return (raw) => (typeof raw === "string" ? parseIso(raw, undefined) : Number.NaN);
    case "local-iso": {
      const local = zoneNamed(zone);
      return (raw) => (typeof raw === "string" ? parseIso(raw, local) : Number.NaN);
    }
  }
  if (format.includes("%")) {
    const parse = compileTimePattern(format, zoneNamed(zone));
    return (raw) =>
      typeof raw === "string" || typeof raw === "number" ? bounded(parse(String(raw))) : Number.NaN;
  }
  throw new WeirError("bad-time-format", `the time format ${JSON.stringify(format)} is not known`, {
    hint: `use one of ${Object.keys(TIME_FORMATS).join(", ")}, or a pattern such as "%d.%m.%Y %H:%M:%S"`,
  });
}

/** Doubles hold today's microseconds exactly and nanoseconds to 256; the half thousandth undoes that rounding. */
function fromEpoch(raw: unknown, multiply: number, divide: number): number {
  const value = typeof raw === "number" ? raw : typeof raw === "string" ? parseNumber(raw) : Number.NaN;
  return bounded(Math.floor((value * multiply) / divide + 0.000_5));
}

function bounded(ms: number): number {
  return ms >= TIME_MIN && ms <= TIME_MAX ? ms : Number.NaN;
}

const ZERO = 48;
const COLON = 58;
const DOT = 46;
const COMMA = 44;
const PLUS = 43;
const MINUS = 45;

/** Two digits at a place, or a value so negative that no sum with it passes a range check. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1_000_000;
}

/** Consecutive readings share their date. */
let lastDate = Number.NaN;
let lastDateMs = 0;

function dateMs(year: number, month: number, day: number): number {
  const date = year * 10_000 + month * 100 + day;
  if (date === lastDate) return lastDateMs;
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return Number.NaN;
  lastDate = date;
  lastDateMs = daysFromCivil(year, month, day) * DAY_MS;
  return lastDateMs;
}

/** RFC 3339 section 5.6, with a space for the T, seconds optional, and a comma or point before the fraction. */
function parseIso(text: string, local: Zone | undefined): number {
  const length = text.length;
  if (length < 16 || text.charCodeAt(4) !== MINUS || text.charCodeAt(7) !== MINUS) return Number.NaN;
  const separator = text.charCodeAt(10);
  if (separator !== 84 && separator !== 116 && separator !== 32) return Number.NaN;
  if (text.charCodeAt(13) !== COLON) return Number.NaN;
  const date = dateMs(two(text, 0) * 100 + two(text, 2), two(text, 5), two(text, 8));
  let time = clockMs(two(text, 11), two(text, 14), 0);
  let at = 16;
  if (at < length && text.charCodeAt(at) === COLON) {
    const second = two(text, 17);
    time = clockMs(two(text, 11), two(text, 14), second);
    at = 19;
    const mark = at < length ? text.charCodeAt(at) : 0;
    if (mark === DOT || mark === COMMA) {
      let scale = 100;
      const from = ++at;
      for (; at < length; at += 1) {
        const digit = text.charCodeAt(at) - ZERO;
        if (digit < 0 || digit > 9) break;
        if (second < 60 && scale >= 1) time += digit * scale;
        scale /= 10;
      }
      if (at === from) return Number.NaN;
    }
  }
  const wall = date + time;
  if (at === length)
    return local === undefined || Number.isNaN(wall) ? Number.NaN : bounded(local.toUtc(wall));
  return bounded(wall - offsetMs(text, at));
}

/** `Z`, `+01:00`, `+0100` or `+01` up to the end of the text; NaN for anything else. */
function offsetMs(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  const rest = text.length - at;
  if (rest === 1) return sign === 90 || sign === 122 ? 0 : Number.NaN;
  if (sign !== PLUS && sign !== MINUS) return Number.NaN;
  const hours = two(text, at + 1);
  let minutes = 0;
  if (rest === 6 && text.charCodeAt(at + 3) === COLON) minutes = two(text, at + 4);
  else if (rest === 5) minutes = two(text, at + 3);
  else if (rest !== 3) return Number.NaN;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return Number.NaN;
  return (sign === PLUS ? 60_000 : -60_000) * (hours * 60 + minutes);
}
