import { WeirError } from "../model/errors.js";

/**
 * Numbers out of saved states. Those may come from a file that anybody has written, and some accumulators would go on for
 * ever with what is no number. Whether a state as a whole is one, saved-state.ts tells.
 */
type Item = number | string | undefined;

/** Beyond what any state of values within `LIMITS.valueMagnitudeMax` has; sums of such numbers are finite. */
const MAGNITUDE_MAX = 1e300;

/** @throws WeirError `damaged-state` */
export function savedNumber(item: Item): number {
  if (typeof item === "number" && Math.abs(item) <= MAGNITUDE_MAX) return item;
  throw damagedState("number");
}

/** @param least and at the least, of a whole number. @throws WeirError `damaged-state` */
export function savedCount(item: Item, least = 0): number {
  if (typeof item === "number" && Number.isSafeInteger(item) && item >= least) return item;
  throw damagedState("count");
}

function damagedState(expected: string): WeirError {
  return new WeirError("damaged-state", `the state has something else where a ${expected} should be`);
}
