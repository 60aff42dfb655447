/** Times by pattern, after strptime (POSIX), in English and independent of any locale. */

import { clockMs, DAY_MS, daysFromCivil, daysInMonth, isLeapYear } from "../model/civil.js";
import { WeirError } from "../model/errors.js";
import type { Zone } from "../model/zone.js";

/** What a pattern may contain, for reference documentation. */
export const TIME_DIRECTIVES: Readonly<Record<string, string>> = {
  "%Y": "year, four digits",
  "%y": "year without century: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068",
  "%m": "month, one or two digits",
  "%b": "month by its English name, short or long, in any case (%B is the same)",
  "%d": "day of the month, one or two digits, may be padded with a blank (%e is the same)",
  "%j": "day of the year",
  "%H": "hour from 0 to 24",
  "%I": "hour from 1 to 12, with %p",
  "%p": "AM or PM",
  "%M": "minute",
  "%S": "second from 0 to 60",
  "%f": "decimal fraction of the second, one to nine digits",
  "%z": "zone as Z, +01:00, +0100 or +01; then `zone` is not used",
  "%s": "seconds since 1970-01-01 UTC; stands for all others but %f",
  "%a": "day of the week by its English name, ignored (%A is the same)",
  "%F": "%Y-%m-%d",
  "%T": "%H:%M:%S",
  "%R": "%H:%M",
  "%D": "%m/%d/%y",
  "%%": "a percent sign",
};

const SHORTHANDS: Readonly<Record<string, string>> = {
  "%F": "%Y-%m-%d",
  "%T": "%H:%M:%S",
  "%R": "%H:%M",
  "%D": "%m/%d/%y",
  "%B": "%b",
  "%e": "%d",
  "%A": "%a",
};

const MONTHS = "january february march april may june july august september october november december".split(
  " ",
);
const WEEKDAYS = "sunday monday tuesday wednesday thursday friday saturday".split(" ");

interface Parts {
  year: number;
  month: number;
  day: number;
  dayOfYear: number;
  hour: number;
  minute: number;
  second: number;
  fractionMs: number;
  /** 0 for AM, 12 for PM, -1 where not said. */
  half: number;
  offsetMs: number;
  epochS: number;
}

/** Reads from a place and returns the next, or -1 where the text does not fit. */
type Step = (text: string, at: number, parts: Parts) => number;

/**
 * @param zone for patterns without %z or %s
 * @throws WeirError `bad-time-format`
 */
export function compileTimePattern(pattern: string, zone: Zone): (text: string) => number {
  const expanded = pattern.replace(/%[FTRDBeA]/g, (directive) => SHORTHANDS[directive]!);
  const used = new Set<string>();
  const steps: Step[] = [];
  for (const token of expanded.match(/%.?|\s+|[^%\s]+/gs) ?? []) {
    if (token.startsWith("%")) {
      const step = DIRECTIVES[token];
      if (step === undefined) throw unknownDirective(token);
      used.add(token);
      steps.push(step);
    } else steps.push(/^\s/.test(token) ? blanks : literal(token));
  }
  requireDate(pattern, used);
  const absolute = used.has("%z");
  return (text) => {
    const parts = freshParts();
    let at = 0;
    for (const step of steps) {
      at = step(text, at, parts);
      if (at < 0) return Number.NaN;
    }
    if (blanks(text, at) !== text.length) return Number.NaN;
    if (!Number.isNaN(parts.epochS)) {
      const fraction = parts.epochS < 0 ? -parts.fractionMs : parts.fractionMs;
      return parts.epochS * 1000 + fraction;
    }
    const wall = wallMs(parts);
    if (Number.isNaN(wall)) return Number.NaN;
    return absolute ? wall - parts.offsetMs : zone.toUtc(wall);
  };
}

function unknownDirective(token: string): WeirError {
  return new WeirError("bad-time-format", `the time format has ${token}, which is not known`, {
    hint: `known are ${Object.keys(TIME_DIRECTIVES).join(" ")}`,
  });
}

function requireDate(pattern: string, used: ReadonlySet<string>): void {
  const year = used.has("%Y") || used.has("%y");
  const day = used.has("%j") || ((used.has("%m") || used.has("%b")) && used.has("%d"));
  if (!used.has("%s") && !(year && day)) {
    throw new WeirError("bad-time-format", `the time format ${JSON.stringify(pattern)} names no date`, {
      hint: "it needs a year, a month and a day (or %j, or %s); join several fields if they are apart",
    });
  }
  if (used.has("%I") !== used.has("%p")) {
    throw new WeirError("bad-time-format", "the time format needs %I and %p together", {
      hint: "use %H for a 24-hour clock",
    });
  }
}

function freshParts(): Parts {
  return {
    year: 0,
    month: 1,
    day: 1,
    dayOfYear: 0,
    hour: 0,
    minute: 0,
    second: 0,
    fractionMs: 0,
    half: -1,
    offsetMs: 0,
    epochS: Number.NaN,
  };
}

function wallMs(p: Parts): number {
  let days: number;
  if (p.dayOfYear > 0) {
    if (p.dayOfYear > (isLeapYear(p.year) ? 366 : 365)) return Number.NaN;
    days = daysFromCivil(p.year, 1, 1) + p.dayOfYear - 1;
  } else {
    if (p.month < 1 || p.month > 12 || p.day < 1 || p.day > daysInMonth(p.year, p.month)) return Number.NaN;
    days = daysFromCivil(p.year, p.month, p.day);
  }
  if (p.half >= 0 && (p.hour < 1 || p.hour > 12)) return Number.NaN;
  const hour = p.half < 0 ? p.hour : (p.hour % 12) + p.half;
  return days * DAY_MS + clockMs(hour, p.minute, p.second) + (p.second < 60 ? p.fractionMs : 0);
}

/** Reads up to `digitsMax` digits into the part that `put` writes. */
function digits(digitsMin: number, digitsMax: number, put: (parts: Parts, value: number) => void): Step {
  return (text, from, parts) => {
    let at = from;
    let value = 0;
    for (; at < text.length && at - from < digitsMax; at += 1) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at - from < digitsMin) return -1;
    put(parts, value);
    return at;
  };
}

function name(names: readonly string[], put: (parts: Parts, index: number) => void): Step {
  return (text, at, parts) => {
    const short = text.slice(at, at + 3).toLowerCase();
    const index = names.findIndex((long) => long.startsWith(short));
    if (short.length < 3 || index < 0) return -1;
    put(parts, index);
    const long = names[index]!;
    return text.slice(at, at + long.length).toLowerCase() === long ? at + long.length : at + 3;
  };
}

function literal(expected: string): Step {
  return (text, at) => (text.startsWith(expected, at) ? at + expected.length : -1);
}

/** As in strptime, blanks in the pattern stand for any number of them, none included. */
function blanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at += 1;
  return at;
}

const dayDigits = digits(1, 2, (p, v) => {
  p.day = v;
});

const DIRECTIVES: Readonly<Record<string, Step>> = {
  "%Y": digits(4, 4, (p, v) => {
    p.year = v;
  }),
  "%y": digits(2, 2, (p, v) => {
    p.year = v + (v < 69 ? 2000 : 1900);
  }),
  "%m": digits(1, 2, (p, v) => {
    p.month = v;
  }),
  "%b": name(MONTHS, (p, index) => {
    p.month = index + 1;
  }),
  "%d": (text, at, parts) => dayDigits(text, text[at] === " " ? at + 1 : at, parts),
  "%j": digits(1, 3, (p, v) => {
    p.dayOfYear = v === 0 ? Number.POSITIVE_INFINITY : v;
  }),
  "%H": digits(1, 2, (p, v) => {
    p.hour = v;
  }),
  "%I": digits(1, 2, (p, v) => {
    p.hour = v;
  }),
  "%p": (text, at, parts) => {
    const half = text.slice(at, at + 2).toLowerCase();
    parts.half = half === "pm" ? 12 : 0;
    return half === "am" || half === "pm" ? at + 2 : -1;
  },
  "%M": digits(1, 2, (p, v) => {
    p.minute = v;
  }),
  "%S": digits(1, 2, (p, v) => {
    p.second = v;
  }),
  "%f": (text, from, parts) => {
    const match = /^\d{1,9}/.exec(text.slice(from, from + 9));
    if (match === null) return -1;
    parts.fractionMs = Number(match[0].slice(0, 3).padEnd(3, "0"));
    return from + match[0].length;
  },
  "%z": (text, at, parts) => {
    const match = /^(?:[Zz]|([+-])(\d\d)(?::?([0-5]\d))?)/.exec(text.slice(at, at + 6));
    if (match === null) return -1;
    const minutes = Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
    parts.offsetMs = (match[1] === "-" ? -60_000 : 60_000) * minutes;
    return at + match[0].length;
  },
  "%s": (text, at, parts) => {
    const match = /^-?\d{1,12}/.exec(text.slice(at, at + 13));
    if (match === null) return -1;
    parts.epochS = Number(match[0]);
    return at + match[0].length;
  },
  "%a": name(WEEKDAYS, () => {}),
  "%%": literal("%"),
};
