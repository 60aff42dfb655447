import { formatInstant, parseDuration } from "../model/time.js";
import { usageError } from "./command.js";

/**
 * Reads `--since`: a point in time (RFC 3339, or a date) or how long ago (`2h`, `1d`).
 * @returns milliseconds since the epoch
 */
export function parseSince(text: string, nowMs: number): number {
  const ago = parseDuration(text);
  if (ago !== undefined) return nowMs - ago;
  const instant = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(instant)) return instant;
  throw usageError(
    `--since takes a time or a duration, not '${text}'`,
    `for example 2h, 1d or ${formatInstant(nowMs - 3_600_000).slice(0, 19)}Z`,
  );
}
