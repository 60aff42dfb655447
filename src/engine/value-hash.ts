import type { FieldValue } from "../model/reading.js";

/**
 * A 52-bit hash of a reading's values, by content: equal values have equal hashes, and two different readings of
 * the same instant collide once in 2^52. It is even, so that a row can say more of it in its last bit (slice.ts). Two 32-bit lanes with the MurmurHash3 finaliser (Appleby, public domain).
 */
const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);
/** Which half has the exponent. */
const UPPER = new Uint8Array(Float64Array.of(-2).buffer)[7] === 0xc0 ? 1 : 0;

export function hashValues(values: readonly FieldValue[]): number {
  hashed.values = values;
  hashInto(hashed);
  return hashed.hash;
}

const hashed: { values: readonly FieldValue[]; hash: number } = { values: [], hash: Number.NaN };

/** Puts the hash of the values beside them: a number that is returned may cost memory. */
export function hashInto(reading: { readonly values: readonly FieldValue[]; hash: number }): void {
  const { values } = reading;
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (typeof value === "number") {
      // All missing values are one value, whatever the bits of the NaN.
      double[0] = Number.isNaN(value) ? Number.NaN : value;
      a = mix(a ^ halves[UPPER]!);
      b = mix(b ^ halves[1 - UPPER]! ^ a);
    } else {
      a = mix(a ^ 0x5bd1e995 ^ value.length);
      b = mixText(b, value);
      a ^= b;
    }
  }
  a = mix(a ^ b);
  b = mix(b + a);
  reading.hash = (a >>> 0) * 0x200000 + ((b >>> 11) & ~1);
}

/** By itself, so that the rest is short enough to become part of where it is called. */
function mixText(seed: number, text: string): number {
  let b = seed;
  for (let i = 0; i < text.length; i++) b = mix(b ^ text.charCodeAt(i));
  return b;
}

/** The same of a text. */
export function hashText(text: string): number {
  return hashValues([text]);
}

function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
