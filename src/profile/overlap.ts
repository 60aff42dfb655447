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
  const found: Found[] = [];
  let room: number = LIMITS.readingWindowsMax;
  for (const [index, { hopping }] of windows.entries()) {
    if (hopping === undefined) continue;
    const count = Math.ceil(hopping.size / hopping.slide);
    if (count <= room) {
      room -= count;
      continue;
    }
    const others = LIMITS.readingWindowsMax - room;
    const beside = others === 0 ? "" : ` beside ${others} of the windows before it`;
    const message = `a reading would be in ${count} of these windows${beside}; ${LIMITS.readingWindowsMax} may be`;
    found.push({
      path: ["windows", index, "hopping"],
      code: "bad-window",
      message,
      hint: remedy(hopping, room),
    });
  }
  return found;
}

/**
 * Windows of a device that would be open at a time, together: from their beginning to the end of their lateness each is
 * in memory, however little comes of it, and none of it can be spilled.
 * @param outOfOrdernessMs how far the watermark is behind
 */
export function opennessProblems(
  windows: readonly WindowDocument[],
  outOfOrdernessMs: number,
): readonly Found[] {
  const found: Found[] = [];
  let room: number = LIMITS.openWindowsMax;
  for (const [index, { tumbling, hopping, allowedLateness }] of windows.entries()) {
    const sizeMs = hopping?.size ?? tumbling;
    if (sizeMs === undefined) continue;
    const stepMs = hopping?.slide ?? sizeMs;
    const count = Math.ceil((sizeMs + outOfOrdernessMs + allowedLateness) / stepMs);
    if (count <= room) {
      room -= count;
      continue;
    }
    const others = LIMITS.openWindowsMax - room;
    const beside = others === 0 ? "" : ` beside ${others} of the windows before it`;
    const fittingMs = room * stepMs - sizeMs - outOfOrdernessMs;
    found.push({
      path: ["windows", index, ...(allowedLateness > 0 ? ["allowedLateness"] : [])],
      code: "bad-window",
      message: `a device would have ${count} of these windows open at a time${beside}; ${LIMITS.openWindowsMax} may be`,
      hint:
        fittingMs < 0
          ? `give ${others === 0 ? "longer windows" : "the windows before it a shorter allowedLateness"}, or a shorter outOfOrderness`
          : `give an allowedLateness of at most ${formatDuration(fittingMs)}, or longer windows`,
    });
  }
  return found;
}

function remedy({ size, slide }: NonNullable<WindowDocument["hopping"]>, room: number): string {
  if (room === 0) return "give the windows before it longer slides";
  const sizeMax = formatDuration(room * slide);
  const slideMin = formatDuration(Math.ceil(size / room));
  return `give a size of at most ${sizeMax}, or a slide of at least ${slideMin}`;
}
