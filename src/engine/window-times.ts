import type { WindowKind } from "../model/window.js";
import { localDayEnd, localDayStart } from "../model/zone.js";

/** Where windows of one definition begin and end, as a function of event time. All times in milliseconds. */
export interface WindowTimes {
  /** Start of the window that holds `timeMs`. */
  start(timeMs: number): number;
  /** End (exclusive) of the window that starts at `startMs`. */
  end(startMs: number): number;
}

/** A global window has no bounds; these keep its arithmetic finite: beyond every date JavaScript has. */
export const GLOBAL_START_MS = -8.64e15;
export const GLOBAL_END_MS = 8.64e15;

export function windowTimes(kind: WindowKind): WindowTimes {
  switch (kind.type) {
    case "tumbling": {
      const { sizeMs, offsetMs } = kind;
      return {
        start: (timeMs) => Math.floor((timeMs - offsetMs) / sizeMs) * sizeMs + offsetMs,
        end: (startMs) => startMs + sizeMs,
      };
    }
    case "day":
      return {
        start: (timeMs) => localDayStart(kind.zone, timeMs, kind.days),
        end: (startMs) => localDayEnd(kind.zone, startMs, kind.days),
      };
    case "global":
      return { start: () => GLOBAL_START_MS, end: () => GLOBAL_END_MS };
  }
}
