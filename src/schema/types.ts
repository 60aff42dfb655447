/**
 * Values that configs and profiles share: written as people write them, read as plain numbers with one unit.
 * Each names its form in the JSON Schema, so that editors complete and check it too.
 */
import { formatDuration, parseDuration } from "../model/time.js";
import { isZone } from "../model/zone.js";
import { isTolerant } from "./tolerance.js";
import { report, z } from "./zod.js";

export interface DurationBounds {
  readonly minMs?: number;
  readonly maxMs?: number;
  /** Whether the word `never` is understood; it reads as Infinity. */
  readonly never?: boolean;
}

/** A hundred years: a window that begins in the year 9999 still ends at a time that can be said. */
const LONGEST_MS = 36_525 * 86_400_000;

const DURATION_FORM = "(\\d+(\\.\\d+)?(ms|min|s|m|h|d))+";

/** A duration such as `250ms`, `90s` or `1h30m`; reads as milliseconds. */
export function duration(bounds: DurationBounds = {}) {
  const { minMs = 0, maxMs = LONGEST_MS, never = false } = bounds;
  return z
    .string()
    .meta({
      pattern: never ? `^(never|${DURATION_FORM})$` : `^${DURATION_FORM}$`,
      examples: never ? ["30s", "1h30m", "never"] : ["250ms", "30s", "1h30m"],
      "x-form": "duration",
      ...boundsMeta(formatDuration, bounds.minMs, bounds.maxMs),
    })
    .transform((text, context) => {
      if (never && text === "never") return Number.POSITIVE_INFINITY;
      const ms = parseDuration(text);
      // Earlier programs took what is longer, and then it is in force.
      const most = bounds.maxMs === undefined && isTolerant() ? Number.MAX_VALUE : maxMs;
      if (ms !== undefined && ms >= minMs && ms <= most) return ms;
      report(context, ms === undefined ? notADuration(text, never) : outOfBounds(text, minMs, maxMs));
      return z.NEVER;
    });
}

/** For the reference: what a person may write at least and at most. */
function boundsMeta(format: (value: number) => string, least?: number, most?: number) {
  return {
    ...(least === undefined || least === 0 ? {} : { "x-least": format(least) }),
    ...(most === undefined ? {} : { "x-most": format(most) }),
  };
}

function notADuration(text: string, never: boolean) {
  const hint = `a number with ms, s, m, h or d, such as "250ms" or "1h30m"${never ? ', or "never"' : ""}`;
  return { code: "bad-duration", message: `"${text}" is not a duration`, hint };
}

function outOfBounds(text: string, minMs: number, maxMs: number) {
  const least = `at least ${formatDuration(minMs)}`;
  const hint = `${least}, at most ${formatDuration(maxMs)}`;
  return { code: "out-of-bounds", message: `the duration ${text} is out of bounds`, hint };
}

const VERSION = /^\d+\.\d+\.\d+$/;

/** Three numbers, as Semantic Versioning has them. */
export function version() {
  return z
    .string()
    .meta({ pattern: VERSION.source, examples: ["1.0.0"] })
    .transform((text, context) => {
      if (VERSION.test(text) || isTolerant()) return text;
      const hint = 'three numbers, such as "1.0.0"';
      report(context, { code: "bad-value", message: `"${text}" is not a version`, hint });
      return z.NEVER;
    });
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1_000,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  TB: 1_000_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
  TiB: 1_099_511_627_776,
};

/** @returns bytes, or undefined when the text is not a size */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text);
  const unit = match === null ? undefined : BYTE_UNITS[match[2]!];
  return unit === undefined ? undefined : Math.round(Number(match![1]) * unit);
}

export interface ByteBounds {
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

/** The shortest form that `parseByteSize` reads back: `1048576` is `1MiB`, `256000000` is `256MB`. */
export function formatByteSize(bytes: number): string {
  const units = ["TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"] as const;
  for (const unit of units) {
    const size = BYTE_UNITS[unit]!;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** A size such as `1MB`, `512KiB` or a plain number of bytes; reads as bytes. */
export function byteSize(bounds: ByteBounds = {}) {
  const { minBytes = 1, maxBytes = Number.MAX_SAFE_INTEGER } = bounds;
  const text = z.string().meta({ pattern: "^\\d+(\\.\\d+)? ?([kKMGT]?B|[KMGT]iB)?$" });
  return z
    .union([z.int(), text])
    .meta({
      examples: ["64KiB", "1MB", 8192],
      "x-form": "size",
      ...boundsMeta(formatByteSize, bounds.minBytes, bounds.maxBytes),
    })
    .transform((value, context) => {
      const bytes = typeof value === "number" ? value : parseByteSize(value);
      if (bytes !== undefined && bytes >= minBytes && bytes <= maxBytes) return bytes;
      if (bytes === undefined) {
        const hint = 'a number with B, kB, MB, GB, KiB, MiB or GiB, such as "1MB"';
        report(context, { code: "bad-size", message: `"${value}" is not a size`, hint });
      } else {
        const most = bounds.maxBytes === undefined ? "" : `, at most ${formatByteSize(maxBytes)}`;
        const hint = `at least ${formatByteSize(minBytes)}${most}`;
        report(context, { code: "out-of-bounds", message: `the size ${value} is out of bounds`, hint });
      }
      return z.NEVER;
    });
}

const RATE_UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** A rate such as `100/s` or `30/min`; reads as a number per second. */
export function rate() {
  return z
    .string()
    .meta({ pattern: "^\\d+(\\.\\d+)?/(s|m|min|h)$", examples: ["100/s", "30/min"], "x-form": "rate" })
    .transform((text, context) => {
      const match = /^(\d+(?:\.\d+)?)\/(s|min|m|h)$/.exec(text);
      const perSecond = match === null ? 0 : (Number(match[1]) * 1_000) / RATE_UNITS_MS[match[2]!]!;
      if (perSecond > 0) return perSecond;
      const hint = 'a number above zero, a slash and s, min or h, such as "100/s"';
      report(context, { code: "bad-rate", message: `"${text}" is not a rate`, hint });
      return z.NEVER;
    });
}

/** A name that appears in topics, file names and summary ids: letters, digits, `-`, `_` and `.`, no dot in front. */
export function name(charactersMax = 64) {
  return z
    .string()
    .meta({ pattern: `^[A-Za-z0-9_-][A-Za-z0-9._-]{0,${charactersMax - 1}}$`, "x-form": "name" })
    .superRefine((text, context) => {
      if (text.length <= charactersMax && /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(text)) return;
      const hint = `letters, digits, "-", "_" and ".", not beginning with ".", at most ${charactersMax} characters`;
      report(context, { code: "bad-name", message: `"${text}" is not a name`, hint });
    });
}

/** An RFC 6901 JSON Pointer: empty, or keys and indices that each follow a slash. */
export function jsonPointer() {
  return z
    .string()
    .meta({
      pattern: "^(/([^~]|~[01])*)?$",
      examples: ["/Time", "/sensors/0/value"],
      "x-form": "JSON Pointer",
    })
    .superRefine((text, context) => {
      if (/^(\/([^~]|~[01])*)?$/.test(text)) return;
      const hint = text.includes("~")
        ? 'write "~" in a key as "~0" and "/" as "~1"'
        : `did you mean "/${text}"?`;
      report(context, { code: "bad-pointer", message: `"${text}" is not a JSON Pointer`, hint });
    });
}

/** A time zone of the IANA database. */
export function timeZone() {
  return z
    .string()
    .meta({ examples: ["UTC", "Europe/Berlin"], "x-form": "time zone" })
    .superRefine((text, context) => {
      if (text !== "" && isZone(text)) return;
      const name = 'a name of the IANA database such as "Europe/Berlin" or "UTC"';
      const hint = text === "gateway" ? `write what gateway.zone is: ${name}` : name;
      report(context, { code: "bad-zone", message: `"${text}" is not a known time zone`, hint });
    });
}

export interface CountBounds {
  readonly min?: number;
  readonly max?: number;
}

/** A whole number. */
export function count(bounds: CountBounds = {}) {
  return z
    .int()
    .min(bounds.min ?? 1)
    .max(bounds.max ?? Number.MAX_SAFE_INTEGER);
}
