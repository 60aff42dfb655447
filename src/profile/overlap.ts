import type { Diagnostic } from "../model/diagnostic.js";
import { LIMITS } from "../model/limits.js";
import { formatDuration } from "../model/time.js";
import type { WindowDocument } from "./schema.js";

/** A problem and the path of its place in the profile. */
type Found = Pick<Diagnostic, "code" | "message" | "hint"> & { readonly path: readonly (string | number)[] };

/**
 * Hopping windows that a reading would be in too many of: one that comes after a gap opens them all at once. The bound is
 * on those of the profile together, so that several windows do not come to what one must not.
 */
export function overlapProblems(windows: readonly WindowDocument[]): readonly Found[] {
  const countOf = ({ hopping }: WindowDocument) =>
    hopping === undefined ? 0 : Math.ceil(hopping.size / hopping.slide);
  return beyond(windows, LIMITS.readingWindowsMax, countOf).map(({ window, index, room, ...over }) => ({
    path: ["windows", index, "hopping"],
    code: "bad-window",
    message: `a reading would be in ${tooMany(over)}`,
    hint: remedy(window.hopping!, room),
  }));
}

/**
 * Windows that a device would have open too many of, from their beginning to the end of their lateness. The bound is on
 * those of the profile together, too.
 * @param outOfOrdernessMs how far the watermark is behind
 */
export function opennessProblems(
  windows: readonly WindowDocument[],
  outOfOrdernessMs: number,
): readonly Found[] {
  const countOf = (window: WindowDocument) => {
    const { sizeMs, stepMs } = course(window);
    return sizeMs === undefined
      ? 0
      : Math.ceil((sizeMs + outOfOrdernessMs + window.allowedLateness) / stepMs);
  };
  return beyond(windows, LIMITS.openWindowsMax, countOf).map(({ window, index, room, ...over }) => {
    const { sizeMs = 0, stepMs } = course(window);
    const fittingMs = room * stepMs - sizeMs - outOfOrdernessMs;
    const shorter = over.others === 0 ? "longer windows" : "the windows before it a shorter allowedLateness";
    return {
      path: ["windows", index, ...(window.allowedLateness > 0 ? ["allowedLateness"] : [])],
      code: "bad-window",
      message: `a device would have open at a time ${tooMany(over)}`,
      hint:
        fittingMs < 0
          ? `give ${shorter}, or a shorter outOfOrderness`
          : `give an allowedLateness of at most ${formatDuration(fittingMs)}, or longer windows`,
    };
  });
}

/** How long a window is, and how far apart they begin; of those that time alone bounds. */
function course({ tumbling, hopping }: WindowDocument): {
  readonly sizeMs?: number;
  readonly stepMs: number;
} {
  if (hopping !== undefined) return { sizeMs: hopping.size, stepMs: hopping.slide };
  return tumbling === undefined ? { stepMs: 1 } : { sizeMs: tumbling, stepMs: tumbling };
}

interface Beyond {
  readonly window: WindowDocument;
  readonly index: number;
  readonly count: number;
  /** How many there was room for. */
  readonly room: number;
  /** Those of the windows before it. */
  readonly others: number;
  readonly most: number;
}

/** The windows whose number there is no room for beside those of the windows before them. */
function beyond(
  windows: readonly WindowDocument[],
  most: number,
  countOf: (window: WindowDocument) => number,
): readonly Beyond[] {
  const found: Beyond[] = [];
  let room = most;
  for (const [index, window] of windows.entries()) {
    const count = countOf(window);
    if (count <= room) room -= count;
    else found.push({ window, index, count, room, others: most - room, most });
  }
  return found;
}

function tooMany({ count, others, most }: Pick<Beyond, "count" | "others" | "most">): string {
  const beside = others === 0 ? "" : ` beside ${others} of the windows before it`;
  return `${count} of these windows${beside}; ${most} may be`;
}

function remedy({ size, slide }: NonNullable<WindowDocument["hopping"]>, room: number): string {
  if (room === 0) return "give the windows before it longer slides";
  const sizeMax = formatDuration(room * slide);
  const slideMin = formatDuration(Math.ceil(size / room));
  return `give a size of at most ${sizeMax}, or a slide of at least ${slideMin}`;
}
