import type { BoundedKind } from "../model/window.js";
import { localDayEnd, localDayStart } from "../model/zone.js";

/** Where windows of one definition begin and end, as a function of event time. All times in milliseconds. */
export interface WindowTimes {
  /** Start of the first window that holds `timeMs`. */
  first(timeMs: number): number;
  /** Start of the last one. */
  last(timeMs: number): number;
  /** Start of the window after the one that starts at `startMs`. */
  next(startMs: number): number;
  /** End (exclusive) of the window that starts at `startMs`. */
  end(startMs: number): number;
  /** The latest edge, where a window begins or ends, that is not after `timeMs`. */
  edgeBefore(timeMs: number): number;
  /** The earliest one after it. */
  edgeAfter(timeMs: number): number;
}

/** A global window has no bounds; these keep its arithmetic finite: beyond every date JavaScript has. */
export const GLOBAL_START_MS = -8.64e15;
export const GLOBAL_END_MS = 8.64e15;
/** It has no edges either; its slices are cut by the hour so that they can be let go behind the lateness. */
const GLOBAL_SLICE_MS = 3_600_000;

/** Slices of what is folded only are cut likewise. */
export const FOLDED_TIMES = tumbling(GLOBAL_SLICE_MS, 0);

export function windowTimes(kind: BoundedKind): WindowTimes {
  switch (kind.type) {
    case "tumbling":
      return tumbling(kind.sizeMs, kind.offsetMs);
    case "hopping":
      return hopping(kind.sizeMs, kind.slideMs, kind.offsetMs);
    case "day": {
      const start = (timeMs: number) => localDayStart(kind.zone, timeMs, kind);
      const end = (startMs: number) => localDayEnd(kind.zone, startMs, kind);
      return {
        first: start,
        last: start,
        next: end,
        end,
        edgeBefore: start,
        edgeAfter: (timeMs) => end(start(timeMs)),
      };
    }
    case "global": {
      const { edgeBefore, edgeAfter } = FOLDED_TIMES;
      const start = () => GLOBAL_START_MS;
      const end = () => GLOBAL_END_MS;
      return { first: start, last: start, next: end, end, edgeBefore, edgeAfter };
    }
  }
}

function tumbling(sizeMs: number, offsetMs: number): WindowTimes {
  const start = (timeMs: number) => Math.floor((timeMs - offsetMs) / sizeMs) * sizeMs + offsetMs;
  const end = (startMs: number) => startMs + sizeMs;
  return {
    first: start,
    last: start,
    next: end,
    end,
    edgeBefore: start,
    edgeAfter: (timeMs) => start(timeMs) + sizeMs,
  };
}

function hopping(sizeMs: number, slideMs: number, offsetMs: number): WindowTimes {
  const starts = tumbling(slideMs, offsetMs);
  const ends = tumbling(slideMs, offsetMs + sizeMs);
  return {
    // The one before it has ended by then.
    first: (timeMs) => ends.edgeBefore(timeMs) - sizeMs + slideMs,
    last: starts.edgeBefore,
    next: (startMs) => startMs + slideMs,
    end: (startMs) => startMs + sizeMs,
    edgeBefore: (timeMs) => Math.max(starts.edgeBefore(timeMs), ends.edgeBefore(timeMs)),
    edgeAfter: (timeMs) => Math.min(starts.edgeAfter(timeMs), ends.edgeAfter(timeMs)),
  };
}
