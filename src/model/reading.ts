import type { RejectReason } from "./reasons.js";

/** A field's value: a number (booleans are 0 and 1, enums the index of the value), or text. NaN means missing. */
export type FieldValue = number | string;

/** Missing is neither null nor zero. */
export const MISSING = Number.NaN;

export function isMissing(value: FieldValue): boolean {
  // Only NaN differs from itself.
  // biome-ignore lint/suspicious/noSelfCompare: the fastest test for NaN that also takes strings
  return value !== value;
}

/** Where decoded readings go. A profile's `decode` calls it once per reading, synchronously, in payload order. */
export interface ReadingSink {
  /**
   * @param device name of the device, unique within its profile
   * @param timeMs event time in whole milliseconds since the epoch, or NaN for "use the arrival time"
   * @param values by field index of the profile; the callee keeps the array
   * @param key the duplicate key where the profile says `duplicates: { by: key }`, else undefined
   */
  reading(device: string, timeMs: number, values: FieldValue[], key: string | undefined): void;
  /** A reading, or a whole payload, that could not be read. `device` is undefined where it is not known. */
  reject(device: string | undefined, reason: RejectReason, detail: string): void;
  /**
   * A value that is there but is not of its field's type, in a reading that has other values: it counts as missing,
   * and the reading is kept. Called before the reading's own `reading` call.
   */
  unreadable?(device: string, field: number, detail: string): void;
}
