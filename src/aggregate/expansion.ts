/**
 * Exact arithmetic on sums of doubles, so that a sum does not depend on the order of its terms.
 *
 * An expansion is a list of doubles, smallest magnitude first, whose bits do not overlap and whose mathematical
 * sum is the value; zero is the empty list. Adding a double keeps it exact. It is exact as long as no
 * intermediate overflows, which `LIMITS.valueMagnitudeMax` makes sure of.
 *
 * Source: J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates",
 * Discrete & Computational Geometry 18, 1997 (GROW-EXPANSION, TWO-PRODUCT after Dekker and Veltkamp).
 */

/** Adds `x` to the expansion in place. */
export function growExpansion(expansion: number[], x: number): void {
  let kept = 0;
  let carry = x;
  for (let i = 0; i < expansion.length; i++) {
    const term = expansion[i]!;
    const high = carry + term;
    const virtual = high - carry;
    const low = carry - (high - virtual) + (term - virtual);
    if (low !== 0) expansion[kept++] = low;
    carry = high;
  }
  if (carry !== 0) expansion[kept++] = carry;
  // Setting the length is a call into the runtime.
  while (expansion.length > kept) expansion.pop();
}

/**
 * The same value in as few components as there can be, none of them with bits of its neighbour's precision; in place.
 * (COMPRESS of the same paper.)
 * @param count how many components there are, from the first on
 * @returns how many there are then
 */
export function compress(expansion: Float64Array, count: number): number {
  let bottom = count - 1;
  if (bottom < 1) return count;
  let carry = expansion[bottom]!;
  for (let i = bottom - 1; i >= 0; i--) {
    const term = expansion[i]!;
    const high = carry + term;
    const low = term - (high - carry);
    if (low !== 0) {
      expansion[bottom--] = high;
      carry = low;
    } else carry = high;
  }
  expansion[bottom] = carry;
  let top = 0;
  for (let i = bottom + 1; i < count; i++) {
    const term = expansion[i]!;
    const high = term + carry;
    const low = carry - (high - term);
    if (low !== 0) expansion[top++] = low;
    carry = high;
  }
  if (carry !== 0) expansion[top++] = carry;
  return top;
}

/** 2^27 + 1: cuts a double into two halves whose products are exact. */
export const SPLITTER = 134_217_729;

/** The rounding error of `a * b`: `a * b` exactly equals the rounded product plus this. */
export function productError(a: number, b: number, product: number): number {
  const aBig = SPLITTER * a;
  const aHigh = aBig - (aBig - a);
  const aLow = a - aHigh;
  const bBig = SPLITTER * b;
  const bHigh = bBig - (bBig - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** Adds `sign * a * b` for two expansions. */
export function addProduct(into: number[], a: readonly number[], b: readonly number[], sign: 1 | -1): void {
  // Counted, because lists of whole numbers and of others come here, and iterators of both cost an object per step.
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) {
      const product = a[i]! * b[j]!;
      growExpansion(into, sign * productError(a[i]!, b[j]!, product));
      growExpansion(into, sign * product);
    }
  }
}

/** The double nearest to the expansion's value, ties to even. */
export function roundExpansion(expansion: readonly number[]): number {
  let i = expansion.length - 1;
  if (i < 0) return 0;
  let high = expansion[i]!;
  let low = 0;
  while (i > 0) {
    const before = high;
    const term = expansion[--i]!;
    high = before + term;
    low = term - (high - before);
    if (low !== 0) break;
  }
  // Half-way cases: the terms below decide which way the tie goes.
  if (i > 0 && low !== 0 && Math.sign(low) === Math.sign(expansion[i - 1]!)) {
    const doubled = low * 2;
    const moved = high + doubled;
    if (doubled === moved - high) high = moved;
  }
  return high;
}

/**
 * The one expansion among many of the same value that is made from the top: the double nearest to the value, then the
 * one nearest to what is left, and so on. So equal values have equal components. Smallest first, as all of them.
 */
export function canonical(expansion: readonly number[]): number[] {
  const rest = expansion.slice();
  const components: number[] = [];
  while (rest.length > 0) {
    const nearest = roundExpansion(rest);
    components.push(nearest);
    growExpansion(rest, -nearest);
  }
  return components.reverse();
}

/** A value that is `high + low`, but for no more than `error`. */
export interface Rough {
  readonly high: number;
  readonly low: number;
  readonly error: number;
}

/**
 * The double nearest to the value divided by `divisor` (positive), if so little of it is enough to tell, as nearly always
 * it is; otherwise NaN.
 *
 * What a rounded quotient leaves, `high - quotient * divisor`, is a double itself, so the answer is
 * `quotient + (left + low) / divisor`. The second term is worked out in three roundings, each within 2^-53 of
 * `|left| + |low|`; two more are those of its bounds. So the exact answer lies between the quotient plus the one bound and
 * plus the other, and where both sums round to the same double, it does too. Below 1e-270 products might underflow, and
 * what does above it is less than 1e-300.
 */
export function divideRough({ high, low, error }: Rough, divisor: number): number {
  const quotient = high / divisor;
  const product = quotient * divisor;
  const left = high - product - productError(quotient, divisor, product);
  const rest = (left + low) / divisor;
  const within = ((Math.abs(left) + Math.abs(low)) * 2 ** -50 + error) / divisor + 1e-300;
  const least = quotient + (rest - within);
  const isSure = least === quotient + (rest + within) && Math.abs(quotient) > 1e-270;
  return isSure ? least : Number.NaN;
}

/** The double nearest to the expansion's value divided by `divisor` (positive), ties to even. */
export function divideExpansion(expansion: readonly number[], divisor: number): number {
  // One rounding is the correct one.
  if (expansion.length <= 1) return (expansion[0] ?? 0) / divisor;
  return divideExpansions(expansion, [divisor]);
}

/** The same where the divisor, too, is an expansion. */
export function divideExpansions(expansion: readonly number[], divisor: readonly number[]): number {
  const rounded = roundExpansion(divisor);
  const quotient = roundExpansion(expansion) / rounded;
  const remainder = remainderOf(expansion, quotient, divisor);
  if (remainder.length === 0) return quotient;
  const near = quotient + roundExpansion(remainder) / rounded;
  if (!Number.isFinite(near)) return near;
  // `near` is the answer or next to it: see on which side of the midpoint to its neighbour the exact value lies.
  const direction = Math.sign(roundExpansion(remainderOf(expansion, near, divisor)));
  if (direction === 0) return near;
  const next = neighbour(near, direction);
  const beyond: number[] = [];
  addProduct(beyond, expansion, [2], 1);
  addProduct(beyond, [near, next], divisor, -1);
  const side = Math.sign(roundExpansion(beyond)) * direction;
  return side > 0 || (side === 0 && isOdd(near)) ? next : near;
}

function remainderOf(expansion: readonly number[], quotient: number, divisor: readonly number[]): number[] {
  const remainder = expansion.slice();
  addProduct(remainder, [quotient], divisor, -1);
  return remainder;
}

const double = new Float64Array(1);
const pattern = new BigInt64Array(double.buffer);

/** The next double above (`direction` 1) or below (-1). */
function neighbour(x: number, direction: number): number {
  if (x === 0) return direction * Number.MIN_VALUE;
  double[0] = x;
  pattern[0]! += x > 0 === direction > 0 ? 1n : -1n;
  return double[0];
}

function isOdd(x: number): boolean {
  double[0] = x;
  return (pattern[0]! & 1n) === 1n;
}
