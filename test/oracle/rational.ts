/** Exact arithmetic on doubles with big integers: slow and obviously right. Values are `scaled / 2^1074`. */
const SHIFT = 1074n;

const view = new DataView(new ArrayBuffer(8));
/** What was asked for before: the same values come again in other windows. */
const scaled = new Map<number, bigint>();
const SCALED_MAX = 10_000;

/** The double as an integer multiple of 2^-1074. */
export function toScaled(x: number): bigint {
  const known = scaled.get(x);
  if (known !== undefined) return known;
  if (scaled.size >= SCALED_MAX) scaled.clear();
  const result = exactly(x);
  scaled.set(x, result);
  return result;
}

function exactly(x: number): bigint {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = exponent === 0 ? fraction : (fraction | 0x10000000000000n) << BigInt(exponent - 1);
  return bits >> 63n === 1n ? -magnitude : magnitude;
}

/** The double nearest to `numerator / (denominator * 2^shift)`, ties to even. */
export function toDouble(numerator: bigint, denominator: bigint, shift: bigint): number {
  if (numerator === 0n) return 0;
  if (numerator < 0n) return -toDouble(-numerator, denominator, shift);
  let high = numerator;
  let low = denominator << shift;
  // Scale so that the quotient has 54 or 55 bits: 53 and the rest for rounding.
  const scale = 55 - (length(high) - length(low));
  if (scale > 0) high <<= BigInt(scale);
  else low <<= BigInt(-scale);
  const quotient = high / low;
  const sticky = high % low === 0n ? 0n : 1n;
  const extra = BigInt(length(quotient) - 53);
  const kept = quotient >> extra;
  const rest = ((quotient & ((1n << extra) - 1n)) << 1n) | sticky;
  const half = 1n << extra;
  const rounded = rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
  return Number(rounded) * 2 ** (Number(extra) - scale);
}

/** In bits; of a positive number. */
function length(x: bigint): number {
  const digits = x.toString(16);
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28;
}

export function exactSum(values: readonly number[]): number {
  const magnitude = values.reduce((acc, x) => acc + Math.abs(x), 0);
  // No rounding on the way either.
  if (magnitude <= Number.MAX_SAFE_INTEGER && values.every(Number.isInteger)) {
    return values.reduce((acc, x) => acc + x, 0);
  }
  return toDouble(total(values), 1n, SHIFT);
}

export function exactMean(values: readonly number[]): number {
  return toDouble(total(values), BigInt(values.length), SHIFT);
}

/** Variance with `ddof` degrees of freedom taken off; null where there are too few values. */
export function exactVariance(values: readonly number[], ddof: number): number | null {
  const n = BigInt(values.length);
  if (values.length - ddof <= 0) return null;
  const sum = total(values);
  const squares = values.reduce((acc, x) => acc + toScaled(x) * toScaled(x), 0n);
  return toDouble(n * squares - sum * sum, n * (n - BigInt(ddof)), 2n * SHIFT);
}

/** n Σxy - Σx Σy, in units of 2^-2148. */
export function exactCodeviation(pairs: readonly (readonly [number, number])[]): bigint {
  const products = pairs.reduce((acc, [x, y]) => acc + toScaled(x) * toScaled(y), 0n);
  return BigInt(pairs.length) * products - total(pairs.map(([x]) => x)) * total(pairs.map(([, y]) => y));
}

/** Slope of the least squares line through points of milliseconds and values; null for one time. */
export function exactSlopePerHour(points: readonly (readonly [number, number])[]): number | null {
  const spread = exactCodeviation(points.map(([t]) => [t, t]));
  return spread === 0n ? null : toDouble(exactCodeviation(points) * 3_600_000n, spread, 0n);
}

function total(values: readonly number[]): bigint {
  return values.reduce((acc, x) => acc + toScaled(x), 0n);
}
