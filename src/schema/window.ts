/** What the windows of profiles and of groups have in common: the kinds whose bounds are known from time alone. */
import type { BoundedKind } from "../model/window.js";
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

/** Aggregates by field, as a window asks for them. */
export function aggregatesSchema<K extends z.core.$ZodRecordKey>(fieldName: K) {
  return z.record(z.union([z.literal("*"), fieldName]), z.array(z.string().max(96)).max(64));
}

/** Reports a `zone` or an `offset` on a window that can have none. */
export function checkPlacement(window: Unchecked, report: (problem: Problem) => void): void {
  for (const key of ["zone", "offset"].filter((key) => window[key] !== undefined)) {
    const days = Number(window.tumbling) % 86_400_000 === 0;
    if (
      (window.tumbling === undefined && (key === "zone" || window.hopping === undefined)) ||
      (key === "zone" && !days) ||
      (key === "offset" && window.zone !== undefined)
    ) {
      const hint =
        key === "zone"
          ? "zones are for tumbling windows of whole days"
          : "offsets are for tumbling and hopping windows without a zone";
      report({
        code: "bad-window",
        message: `"${key}" does not go with this window`,
        path: [key],
        at: "key",
        hint,
      });
    }
  }
}

const DAY_MS = 86_400_000;

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
  return { type: "day", days: tumbling / DAY_MS, zone };
}
