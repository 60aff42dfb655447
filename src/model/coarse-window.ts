import { DAY_MS } from "./civil.js";
import { localDayEnd, localDayStart } from "./zone.js";

/** A window that summaries of smaller ones are merged into. */
export interface CoarseWindow {
  /** The rung of the ladder; the window itself may be shorter or longer where the clock changes. */
  readonly sizeMs: number;
  readonly startMs: number;
  readonly endMs: number;
  /** From when on others say what was in it, if not from its end: it knows nothing of the time from there. */
  readonly untilMs?: number | undefined;
}

/**
 * The coarse window around another one: local days of a zone (or groups of them, counted from 1970-01-01), and for
 * less than a day pieces of that size counted from local midnight, the last one ending with its day. So the windows
 * of a ladder whose sizes divide one another lie wholly inside one another, even where the clock changes.
 * @returns undefined when the window does not lie wholly inside
 */
export function coarseWindow(
  zone: string,
  sizeMs: number,
  { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
): CoarseWindow | undefined {
  const whole = sizeMs >= DAY_MS;
  const days = whole ? sizeMs / DAY_MS : 1;
  const dayMs = localDayStart(zone, startMs, { days });
  const fromMs = whole ? dayMs : dayMs + Math.floor((startMs - dayMs) / sizeMs) * sizeMs;
  const dayEndMs = localDayEnd(zone, dayMs, { days });
  const toMs = whole ? dayEndMs : Math.min(fromMs + sizeMs, dayEndMs);
  return endMs > toMs ? undefined : { sizeMs, startMs: fromMs, endMs: toMs };
}
