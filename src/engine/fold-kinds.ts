import type { Cells } from "../aggregate/cells.js";
import { type FieldValue, isMissing } from "../model/reading.js";
import type { FoldedKind } from "../model/window.js";

/** A window that has not ended. */
export interface Run {
  readonly startMs: number;
  /** How many windows before it began at the same time. */
  readonly nth: number;
  lastMs: number;
  count: number;
  readonly key: FieldValue | undefined;
  readonly cells: Cells;
}

/**
 * The kinds of window whose bounds follow from the readings. Each is a machine that sees the readings of a device in the
 * order of event time; so its windows depend on the set of readings alone.
 */
export interface FoldKind {
  /** How far before a reading its window may begin: readings must be kept for so long. */
  readonly reachMs: number;
  /**
   * Time at which the open window ends if nothing comes any more; Infinity where it does not.
   * A reading from then on does not belong to it.
   */
  dueMs(run: Run): number;
  /** Whether a reading that comes before that ends the window, and begins another one. */
  breaks(run: Run, values: readonly FieldValue[]): boolean;
  /** Whether the window is complete with the reading that it has just got. */
  completes(run: Run): boolean;
  /** What tells the windows apart, by the first reading of one; undefined where nothing does. */
  key(values: readonly FieldValue[]): FieldValue | undefined;
}

const never = () => false;
const keyless = () => undefined;

export function foldKind(kind: FoldedKind): FoldKind {
  switch (kind.type) {
    case "session":
      return {
        reachMs: 0,
        dueMs: ({ startMs, lastMs }) => Math.min(lastMs + kind.gapMs, startMs + kind.maxMs),
        breaks: never,
        completes: never,
        key: keyless,
      };
    case "count":
      return {
        reachMs: 0,
        dueMs: ({ startMs }) => startMs + kind.maxAgeMs,
        breaks: never,
        completes: ({ count }) => count >= kind.size,
        key: keyless,
      };
    case "state":
      return {
        reachMs: 0,
        dueMs: () => Number.POSITIVE_INFINITY,
        // A reading that does not say the state leaves it as it was; the first that does ends the time in which it was
        // not known.
        breaks: ({ key }, values) => {
          const next = kind.of(values);
          return !isMissing(next) && next !== key;
        },
        completes: never,
        key: (values) => {
          const state = kind.of(values);
          return isMissing(state) ? undefined : state;
        },
      };
    case "sliding":
      return {
        reachMs: kind.sizeMs,
        dueMs: () => Number.POSITIVE_INFINITY,
        breaks: never,
        completes: never,
        key: keyless,
      };
  }
}
