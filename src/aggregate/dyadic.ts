/**
 * Index maps of histograms whose buckets can be joined in pairs, over and over: every value has one index at one fixed
 * fine resolution, and its index at half the resolution is that index halved, rounded down. So counts do not depend on
 * when the resolution was halved.
 *
 * Logarithmic: bucket i holds magnitudes above 2^(i/4096) up to, and with, 2^((i+1)/4096). These are the buckets of the
 * OpenTelemetry exponential histogram of scale 12; those of scale 12 - k are 2^k of them joined.
 *
 * No bound but the powers of two is a double. So a double is above a bound where it is no less than the next double above
 * it, and these are in a table that is worked out with big integers to 128 bits, of which far fewer decide. The index
 * then takes nothing but the bits of the value and comparisons: it is right, not only nearly so, and the same everywhere;
 * a logarithm would be neither.
 *
 * Linear: index i holds values that are nearest to i steps; halves are rounded up.
 */

/** Buckets of the finest resolution in an octave: 2^`FINEST_SCALE`. */
export const FINEST_SCALE = 12;
const PER_OCTAVE = 2 ** FINEST_SCALE;

interface Tables {
  /** The first double above 2^(i/4096), i from 0 to 4095; then a bound that nothing reaches. */
  readonly bounds: Float64Array;
  /** By the upper 12 bits of a significand: how many bounds are at or below the least of its values. */
  readonly reached: Uint16Array;
}

/** Worked out for the first value that needs them: that takes some milliseconds, which most commands can do without. */
let known: Tables | undefined;

function tables(): Tables {
  if (known === undefined) {
    const bounds = boundsOf();
    known = { bounds, reached: reachedOf(bounds) };
  }
  return known;
}

/** 2^-i. */
const SHRUNK = Float64Array.from({ length: 1100 }, (_, i) => 2 ** -i);

/** By biased exponent: the power of two that brings a double of it between 1 and 2. */
const TO_SIGNIFICAND = Float64Array.from({ length: 2047 }, (_, i) => 2 ** (1023 - i));

const bits = new DataView(new ArrayBuffer(8));
const SUBNORMAL_OCTAVES = 54;
const SUBNORMAL_SCALE = 2 ** SUBNORMAL_OCTAVES;

/** Index of a magnitude, which is above zero. */
export function logIndex(magnitude: number): number {
  bits.setFloat64(0, magnitude, true);
  const high = bits.getUint32(4, true);
  const biased = high >>> 20;
  if (biased === 0) return logIndex(magnitude * SUBNORMAL_SCALE) - SUBNORMAL_OCTAVES * PER_OCTAVE;
  const significand = magnitude * TO_SIGNIFICAND[biased]!;
  const { bounds, reached } = tables();
  let above = reached[(high >>> 8) & 0xfff]!;
  while (significand >= bounds[above]!) above++;
  return (biased - 1023) * PER_OCTAVE + above - 1;
}

/**
 * The value inside a logarithmic bucket that is off by the smallest share at most: 2 a b / (a + b) between its bounds a
 * and b. The share is (b - a) / (b + a).
 * @param halvings how often the resolution has been halved
 */
export function logRepresentative(index: number, halvings: number): number {
  const width = 2 ** halvings;
  const lower = index * width;
  const upper = lower + width;
  const lowerOctave = Math.floor(lower / PER_OCTAVE);
  const upperOctave = Math.floor(upper / PER_OCTAVE);
  const lowerPart = significandAt(lower - lowerOctave * PER_OCTAVE);
  const upperPart = significandAt(upper - upperOctave * PER_OCTAVE);
  const ratio = (lowerPart / upperPart) * 2 ** (lowerOctave - upperOctave);
  return timesPowerOfTwo(upperPart * ((2 * ratio) / (1 + ratio)), upperOctave);
}

function significandAt(place: number): number {
  return place === 0 ? 1 : tables().bounds[place]!;
}

function timesPowerOfTwo(x: number, exponent: number): number {
  // Below the smallest normal number in two steps, as the power itself would have lost nothing but its place.
  return exponent < -1000 ? x * 2 ** (exponent + 1000) * 2 ** -1000 : x * 2 ** exponent;
}

/** Index of a value among whole steps. */
export function linearIndex(value: number, step: number): number {
  return Math.round(value / step) + 0;
}

/**
 * The middle of a linear bucket. Where the resolution has never been halved it is the value itself, to the last bit: the
 * double nearest to so many steps in decimals, as a person or a sensor writes it.
 */
export function linearRepresentative(index: number, halvings: number, step: number): number {
  const width = 2 ** halvings;
  const steps = index * width + (width - 1) / 2;
  // 0.05 is 5 hundredths: multiplied by the one and divided by the other there is one rounding.
  const [digits, exponent] = step.toExponential().split("e") as [string, string];
  const whole = Number(digits.replace(".", ""));
  const places = digits.replace(".", "").length - 1 - Number(exponent);
  return places < 0 ? steps * whole * Number(`1e${-places}`) : (steps * whole) / Number(`1e${places}`);
}

/** The index at a resolution that has been halved so often. */
export function halved(index: number, times: number): number {
  return Math.floor(index * SHRUNK[times]!);
}

function boundsOf(): Float64Array {
  const precision = 128n;
  let root = 2n << precision;
  for (let i = 0; i < FINEST_SCALE; i++) root = squareRoot(root << precision);
  const table = new Float64Array(PER_OCTAVE + 1);
  let power = 1n << precision;
  for (let i = 0; i < PER_OCTAVE; i++) {
    table[i] = Number((power >> (precision - 52n)) + 1n) / 2 ** 52;
    power = (power * root) >> precision;
  }
  table[PER_OCTAVE] = Number.POSITIVE_INFINITY;
  return table;
}

/** Rounded down (Newton's method from above). */
function squareRoot(x: bigint): bigint {
  let root = 1n << BigInt((x.toString(2).length >> 1) + 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

function reachedOf(bounds: Float64Array): Uint16Array {
  const table = new Uint16Array(4096);
  let above = 0;
  for (let i = 0; i < table.length; i++) {
    while (bounds[above]! <= 1 + i / 4096) above++;
    table[i] = above;
  }
  return table;
}
