/** What the windows of profiles and of groups have in common: the kinds whose bounds are known from time alone. */

import { formatDuration } from "../model/time.js";
import type { BoundedKind, FillRule } from "../model/window.js";
import { duration } from "./types.js";
import { type Problem, type Unchecked, withRule, z } from "./zod.js";

export const hoppingSchema = withRule(
  z.strictObject({
    size: duration({ minMs: 1 }).meta({ description: "How long each window is." }),
    slide: duration({ minMs: 1 }).meta({
      description: "How long after the one before it each window begins; no more than the size.",
    }),
  }),
  ({ size, slide }, report) => {
    if (typeof size !== "number" || typeof slide !== "number" || slide <= size) return;
    report({
      code: "bad-window",
      message: "the slide is longer than the window, so that readings between two windows would get lost",
      path: ["slide"],
      hint: "give a slide of at most the size",
    });
  },
);

export const offsetSchema = duration().optional().meta({
  description:
    "Start of the windows after a multiple of their size, counted from 1970-01-01, a Thursday: with 4d, weeks begin on Mondays. Whole days where there is a zone.",
});

export const emptySchema = z.enum(["skip", "emit"]).default("skip").meta({
  description:
    "What becomes of windows, and of fields, without a value: nothing, or a summary filled as `fill` says, once the hole has ended. For tumbling and hopping windows.",
});

export const fillSchema = z
  .union([z.literal("previous"), z.literal("linear"), z.number(), z.null()])
  .optional()
  .meta({
    description:
      "With `empty: emit`: null, the value before the hole, a straight line over the hole (the value before it for a field alone), or a number (for results that are numbers; null for others). What nothing makes 0 is 0 (`count`, `distinct`, `completeness`, `delta`, `increase`, `transitions`); times and mappings are null. Default: null.",
  });

/**
 * Reports a window that is not of one kind.
 * @returns whether it is of any, without which nothing can be said of what goes with it
 */
export function checkKind(
  window: Unchecked,
  kinds: readonly string[],
  report: (problem: Problem) => void,
): boolean {
  const given = kinds.filter((kind) => window[kind] !== undefined);
  if (given.length !== 1) {
    const message =
      given.length === 0 ? "a window needs a kind" : `a window cannot be ${given.join(" and ")}`;
    const missing = given.length === 0 ? kinds : [];
    report({ code: "bad-window", message, hint: `give one of ${kinds.join(", ")}`, missing });
  }
  return given.length > 0;
}

/** Reports `empty` or `fill` where it means nothing. */
export function checkFill(window: Unchecked, report: (problem: Problem) => void): void {
  const bounded = window.tumbling !== undefined || window.hopping !== undefined;
  if (window.empty === "emit" && !bounded) {
    const message = '"empty" does not go with this window';
    const hint = "only tumbling and hopping windows are regular";
    report({ code: "bad-window", message, path: ["empty"], at: "key", hint });
  }
  if (window.fill !== undefined && window.empty !== "emit") {
    const message = '"fill" needs "empty: emit"';
    const hint = "add empty: emit, or remove fill";
    report({ code: "bad-window", message, path: ["fill"], at: "key", hint });
  }
}

/** Reports `early` where it would say nothing of most windows. */
export function checkEarly(window: Unchecked, report: (problem: Problem) => void): void {
  const { early, tumbling, hopping } = window;
  const { size = tumbling } = (hopping ?? {}) as { readonly size?: unknown };
  if (typeof early !== "number" || typeof size !== "number" || early <= size) return;
  report({
    code: "bad-window",
    message: `"early" is longer than the window`,
    path: ["early"],
    hint: `give less than ${formatDuration(size)}, or remove it`,
  });
}

/** Reports coarser windows that would cut this one in two. */
export function checkCoarsen({ tumbling, coarsen }: Unchecked, report: (problem: Problem) => void): void {
  if (typeof tumbling !== "number" || !Array.isArray(coarsen)) return;
  const wrong = coarsen.findIndex((size) => size > tumbling && size % tumbling !== 0);
  if (wrong < 0) return;
  report({
    code: "bad-ladder",
    message: `${formatDuration(coarsen[wrong])} is not a multiple of the window's size`,
    path: ["coarsen", wrong],
    hint: `give multiples of ${formatDuration(tumbling)}`,
  });
}

/** The rule of a window as written; undefined where holes stay. */
export function fillRule(window: {
  readonly empty: "skip" | "emit";
  readonly fill?: number | "previous" | "linear" | null | undefined;
}): FillRule | undefined {
  return window.empty === "emit" ? (window.fill ?? "null") : undefined;
}

/** Aggregates by field, as a window asks for them. */
export function aggregatesSchema<K extends z.core.$ZodRecordKey>(fieldName: K) {
  return z.record(z.union([z.literal("*"), fieldName]), z.array(z.string().max(96)).max(64));
}

/** Reports a `zone` or an `offset` on a window that can have none. */
export function checkPlacement(window: Unchecked, report: (problem: Problem) => void): void {
  const { tumbling, hopping, zone, offset } = window;
  const refuse = (key: string, hint: string) =>
    report({
      code: "bad-window",
      message: `"${key}" does not go with this window`,
      path: [key],
      at: "key",
      hint,
    });
  if (zone !== undefined && !isWholeDays(tumbling))
    refuse("zone", "zones are for tumbling windows of whole days");
  if (offset === undefined) return;
  if (tumbling === undefined && hopping === undefined) {
    refuse("offset", "offsets are for tumbling and hopping windows");
  } else if (zone !== undefined && !isWholeDays(offset)) {
    refuse("offset", "windows with a zone begin at midnight: give an offset of whole days");
  }
}

const DAY_MS = 86_400_000;

function isWholeDays(duration: unknown): boolean {
  return Number(duration) % DAY_MS === 0;
}

/** @param window as written, with durations in milliseconds; global where it is nothing else */
export function boundedKind(window: {
  readonly tumbling?: number | undefined;
  readonly hopping?: { readonly size: number; readonly slide: number } | undefined;
  readonly offset?: number | undefined;
  /** Name of the zone. */
  readonly zone?: string | undefined;
}): BoundedKind {
  const { tumbling, hopping, offset = 0, zone } = window;
  if (hopping !== undefined) {
    const { size: sizeMs, slide: slideMs } = hopping;
    return { type: "hopping", sizeMs, slideMs, offsetMs: offset % slideMs };
  }
  if (tumbling === undefined) return { type: "global" };
  if (zone === undefined) return { type: "tumbling", sizeMs: tumbling, offsetMs: offset % tumbling };
  const days = tumbling / DAY_MS;
  const offsetDays = (offset / DAY_MS) % days;
  return { type: "day", days, zone, ...(offsetDays === 0 ? {} : { offsetDays }) };
}
