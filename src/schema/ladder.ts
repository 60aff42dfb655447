import { LIMITS } from "../model/limits.js";
import { formatDuration } from "../model/time.js";
import { duration } from "./types.js";
import { report, z } from "./zod.js";

const DAY_MS = 86_400_000;

/**
 * Sizes of coarser and coarser windows, such as `[15m, 1h, 1d]`: each a multiple of the one before, and either a part
 * of a day or whole days, so that the windows lie inside one another. Reads as milliseconds.
 */
export function ladder() {
  return z
    .array(duration({ minMs: 1_000 }))
    .max(LIMITS.ladderRungsMax)
    .meta({ examples: [["15m", "1h", "1d"]] })
    .superRefine((sizes, context) => {
      for (const [index, size] of sizes.entries()) {
        const before = sizes[index - 1];
        const fitsDay = size % DAY_MS === 0 || DAY_MS % size === 0;
        if (fitsDay && (before === undefined || (size > before && size % before === 0))) continue;
        const message = fitsDay
          ? `${formatDuration(size)} is not a multiple of ${formatDuration(before!)}, the size before it`
          : `${formatDuration(size)} is neither a part of a day nor whole days`;
        const hint = "coarser windows must lie inside one another, as in [15m, 1h, 1d]";
        report(context, { code: "bad-ladder", message, hint });
        return;
      }
    });
}
