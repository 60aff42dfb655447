import { linearRepresentative, logRepresentative } from "../../src/aggregate/dyadic.js";

/**
 * Histograms and quantiles of a list of values, from the sorted list and the definition of the buckets. The value that
 * stands for a bucket is the aggregates' own: how good it is has a test of its own.
 */
const SCALE = 12;
const BUCKETS_MAX = 160;

interface Histogram {
  /** Buckets of the finest resolution that are one. */
  readonly width: bigint;
  readonly positive: readonly bigint[];
  readonly negative: readonly bigint[];
  readonly zeros: number;
}

function histogramOf(values: readonly number[], step: number | undefined): Histogram {
  const most = step === undefined ? BUCKETS_MAX : 2 * BUCKETS_MAX;
  const fine = (sign: number) => values.filter((x) => x * sign > 0).map((x) => logBucket(Math.abs(x)));
  const positive = step === undefined ? fine(1) : values.map((x) => BigInt(Math.round(x / step)));
  const negative = step === undefined ? fine(-1) : [];
  const zeros = step === undefined ? values.filter((x) => x === 0).length : 0;
  for (let width = 1n; ; width *= 2n) {
    const wide = (all: readonly bigint[]) => all.map((i) => floorDivide(i, width));
    const fits = [positive, negative].every(
      (all) => span(ends(all).map((i) => floorDivide(i, width))) <= most,
    );
    if (fits) return { width, positive: wide(positive), negative: wide(negative), zeros };
  }
}

function span(all: readonly bigint[]): bigint {
  const [first, last] = ends(all);
  return first === undefined ? 0n : last! - first + 1n;
}

/** The least and the greatest; nothing of nothing. */
function ends(all: readonly bigint[]): bigint[] {
  if (all.length === 0) return [];
  let [first, last] = [all[0]!, all[0]!];
  for (const i of all) {
    if (i < first) first = i;
    if (i > last) last = i;
  }
  return [first, last];
}

function floorDivide(x: bigint, by: bigint): bigint {
  const quotient = x / by;
  return x % by < 0n ? quotient - 1n : quotient;
}

const BUCKETS_KNOWN_MAX = 10_000;
const known = new Map<number, bigint>();

/** The whole number i for which x is above 2^(i/4096) and at most 2^((i+1)/4096). */
export function logBucket(x: number): bigint {
  const before = known.get(x);
  if (before !== undefined) return before;
  if (known.size >= BUCKETS_KNOWN_MAX) known.clear();
  const bucket = computedBucket(x);
  known.set(x, bucket);
  return bucket;
}

function computedBucket(x: number): bigint {
  let octave = 0n;
  let significand = x;
  for (; significand >= 2; significand /= 2) octave++;
  for (; significand < 1; significand *= 2) octave--;
  const first = octave << BigInt(SCALE);
  if (significand === 1) return first - 1n;
  // log2 bit by bit: the square has twice the logarithm. Both ends of an interval that is sure to hold the number.
  const bits = 300n;
  let low = BigInt(significand * 2 ** 52) << (bits - 52n);
  let high = low;
  let fraction = 0n;
  for (let i = 0; i < SCALE; i++) {
    low = (low * low) >> bits;
    high = ((high * high) >> bits) + 1n;
    fraction *= 2n;
    if (low < 2n << bits && high >= 2n << bits) throw new Error(`the interval is too wide for ${x}`);
    if (low < 2n << bits) continue;
    fraction++;
    low >>= 1n;
    high = (high >> 1n) + 1n;
  }
  return first + fraction;
}

export function histogramResult(values: readonly number[], step: number | undefined): unknown {
  const { width, positive, negative, zeros } = histogramOf(values, step);
  const side = (all: readonly bigint[]) => {
    const [first = 0n] = ends(all);
    const counts = new Array<number>(Number(span(all))).fill(0);
    for (const i of all) counts[Number(i - first)]!++;
    return { offset: Number(first), counts };
  };
  if (step !== undefined) return { quantum: step, width: Number(width), ...side(positive) };
  const scale = SCALE - Math.log2(Number(width));
  return { scale, zeroCount: zeros, positive: side(positive), negative: side(negative) };
}

/** @param percent as decimals, such as 99.9 */
export function quantileResult(values: readonly number[], percent: string, step: number | undefined): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [whole = "", decimals = ""] = percent.split(".");
  const share = BigInt(whole + decimals);
  const of = 100n * 10n ** BigInt(decimals.length);
  const rank = sorted.findIndex((_, i) => BigInt(i + 1) * of >= share * BigInt(sorted.length));
  const exact = sorted[rank]!;
  const { width } = histogramOf(values, step);
  const halvings = Math.log2(Number(width));
  const index = (x: bigint) => Number(floorDivide(x, width));
  const inBucket =
    step !== undefined
      ? linearRepresentative(index(BigInt(Math.round(exact / step))), halvings, step)
      : exact === 0
        ? 0
        : Math.sign(exact) * logRepresentative(index(logBucket(Math.abs(exact))), halvings);
  return Math.min(Math.max(inBucket, sorted[0]!), sorted.at(-1)!);
}
