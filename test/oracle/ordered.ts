import type { EngineProfile, Field } from "../../src/model/profile.js";
import { type FieldValue, isMissing } from "../../src/model/reading.js";
import type { OracleReading } from "./oracle.js";
import { toDouble, toScaled } from "./rational.js";

/**
 * Aggregates of an order from their definitions, in fractions of big integers: the whole history of a field as pieces of
 * straight lines, cut to the window. Knows nothing of segments, slices or merges.
 */
export interface History {
  readonly field: Field;
  /** Values up to the last one in the window, by time, those before it first. */
  readonly points: readonly { readonly t: number; readonly v: FieldValue }[];
  /** How many of them are before the window. */
  readonly before: number;
  /** Undefined for a window that ends with its last value, and begins with its first. */
  readonly window: { readonly startMs: number; readonly endMs: number } | undefined;
}

/** JSON of a window's `fields`, as the engine writes it. @param of readings of the device, in order */
export function orderedFieldsOf(
  profile: EngineProfile,
  window: EngineProfile["windows"][number],
  of: {
    /** Those before the window; the last value counts. */
    readonly earlier: readonly OracleReading[];
    readonly members: readonly OracleReading[];
    readonly bounds: History["window"];
  },
): string {
  const fields: Record<string, Record<string, unknown>> = {};
  for (const { field: index, names } of window.aggregates) {
    const field = profile.fields[index]!;
    const values = (readings: readonly OracleReading[]) =>
      readings.map((r) => ({ t: r.timeMs, v: r.values[index]! })).filter(({ v }) => !isMissing(v));
    const inside = values(of.members);
    if (inside.length === 0) continue;
    const earlier = of.bounds === undefined ? [] : values(of.earlier);
    const points = [...earlier, ...inside];
    const history = { field, points, before: earlier.length, window: of.bounds };
    const { unit } = field;
    const units = Object.fromEntries(names.flatMap((name) => unitOf(name, unit)));
    fields[field.name] = {
      ...(unit === undefined ? {} : { unit }),
      ...(Object.keys(units).length === 0 ? {} : { units }),
      ...Object.fromEntries(names.map((name) => [name, orderedResult(history, name)])),
    };
  }
  return JSON.stringify(fields);
}

function unitOf(name: string, unit: string | undefined): [string, string][] {
  if (name === "total") return [[name, unit === "W" ? "Wh" : unit === undefined ? "h" : `${unit}·h`]];
  if (name === "rate") return [[name, `${unit ?? 1}/s`]];
  if (name.startsWith("duration")) return [[name, "s"]];
  return [];
}

export function orderedResult(history: History, name: string): unknown {
  const [kind = "", parameter] = name.split(/[()]/, 2);
  const { field, points, before } = history;
  const smooth = field.type === "float" || field.type === "decimal" ? "linear" : "stepped";
  switch (kind) {
    case "count":
      return points.length - before;
    case "timeAverage": {
      const { area, knownMs } = areaOf(history, parameter ?? smooth);
      return knownMs === 0 ? null : rounded(area, BigInt(knownMs));
    }
    case "total": {
      const { area, knownMs } = areaOf(history, smooth);
      return knownMs === 0 ? null : rounded(area, 3_600_000n);
    }
    case "durationGood": {
      const known = points.map(({ t }) => ({ t, v: 1 }));
      return areaOf({ ...history, points: known }, smooth).knownMs / 1_000;
    }
    case "durationIn": {
      const states = points.map(({ t, v }) => ({ t, v: nameOf(field, v) === parameter ? 1 : 0 }));
      return rounded(areaOf({ ...history, points: states }, "stepped").area, 1_000n);
    }
    case "transitions":
      return steps(history).filter(([a, b]) => a.v !== b.v).length;
    default:
      return changeResult(history, kind);
  }
}

function changeResult(history: History, kind: string): number | null {
  const { field, points, before } = history;
  const all = steps(history);
  if (all.length === 0) return null;
  if (kind === "delta") {
    const from = points[Math.max(0, before - 1)]!;
    return toDouble(toScaled(points.at(-1)!.v as number) - toScaled(from.v as number), 1n, SHIFT);
  }
  const change = (some: typeof all) => some.reduce((sum, [a, b]) => sum + stepOf(field, a.v, b.v), 0n);
  if (kind === "increase") return toDouble(change(all), 1n, SHIFT);
  const short = all.filter(([a, b]) => b.t - a.t <= (field.maxGapMs ?? Number.POSITIVE_INFINITY));
  const ms = short.reduce((sum, [a, b]) => sum + b.t - a.t, 0);
  return ms === 0 ? null : toDouble(change(short) * 1_000n, BigInt(ms), SHIFT);
}

/** Between values of which the second is in the window. */
function steps({ points, before }: History): [History["points"][number], History["points"][number]][] {
  return points.flatMap((b, i) => (i > 0 && i >= before ? [[points[i - 1]!, b] as const] : [])) as ReturnType<
    typeof steps
  >;
}

function stepOf({ counter }: Field, from: FieldValue, to: FieldValue): bigint {
  const difference = toScaled(to as number) - toScaled(from as number);
  if (counter === undefined || difference >= 0n) return difference;
  const { rollover } = counter;
  if (rollover !== undefined && -2n * difference > toScaled(rollover)) return difference + toScaled(rollover);
  return (to as number) > 0 ? toScaled(to as number) : 0n;
}

function nameOf(field: Field, value: FieldValue): string {
  if (typeof value === "string") return value;
  return field.type === "bool" ? String(value === 1) : (field.values?.[value] ?? String(value));
}

const SHIFT = 1074n;

interface Fraction {
  readonly n: bigint;
  readonly d: bigint;
}

function sum(a: Fraction, b: Fraction): Fraction {
  if (a.d === b.d) return { n: a.n + b.n, d: a.d };
  return { n: a.n * b.d + b.n * a.d, d: a.d * b.d };
}

/** A whole number as such: most pieces are one, and denominators do not grow with them. */
function shortened({ n, d }: Fraction): Fraction {
  return n % d === 0n ? { n: n / d, d: 1n } : { n, d };
}

function rounded({ n, d }: Fraction, divisor: bigint): number {
  return toDouble(n, d * divisor, SHIFT);
}

/** Area under the history within the window, times 2^1074, and the time of which there is one. */
function areaOf(history: History, interpolation: string): { area: Fraction; knownMs: number } {
  const { field, points, window } = history;
  const maxMs = field.maxGapMs ?? Number.POSITIVE_INFINITY;
  const { startMs, endMs } = window ?? { startMs: points[0]!.t, endMs: points.at(-1)!.t };
  let area: Fraction = { n: 0n, d: 1n };
  let knownMs = 0;
  for (const [i, { t, v }] of points.entries()) {
    const next = points[i + 1] ?? { t: endMs, v };
    const gap = next.t - t;
    const isLine = interpolation === "linear" && gap <= maxMs && i < points.length - 1;
    const from = Math.max(t, startMs);
    const to = Math.min(t + Math.min(gap, maxMs), endMs);
    if (to <= from) continue;
    const [x0, x1] = [toScaled(v as number), toScaled((isLine ? next.v : v) as number)];
    // Height at both ends, times the gap; twice the area is their sum times the width.
    const height = (at: number) => x0 * BigInt(gap) + (x1 - x0) * BigInt(at - t);
    const piece = { n: (height(from) + height(to)) * BigInt(to - from), d: 2n * BigInt(gap) };
    area = sum(area, shortened(piece));
    knownMs += to - from;
  }
  return { area, knownMs };
}
