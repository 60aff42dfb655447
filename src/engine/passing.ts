import type { FieldValue } from "../model/reading.js";

/**
 * A reading on its way through the engine. One object serves all of them, one after the other, and numbers are handed
 * over in it: as an argument or a result, a number that is not small and whole costs memory wherever the compiler does
 * not make one of caller and callee.
 */
export interface Passing {
  timeMs: number;
  /** Whether the time came with it; otherwise it is that of its arrival. */
  hasOwnTime: boolean;
  /** The device's when it came. */
  watermarkMs: number;
  /** By field, cleaned. */
  values: readonly FieldValue[];
  /** Of the values. */
  hash: number;
}

export function newPassing(): Passing {
  return {
    timeMs: Number.NaN,
    hasOwnTime: false,
    watermarkMs: Number.NaN,
    values: [],
    hash: Number.NaN,
  };
}
