import type { EngineProfile, Field } from "../../src/model/profile.js";
import type { FieldValue } from "../../src/model/reading.js";
import { histogramResult, quantileResult } from "./buckets.js";
import {
  exactCodeviation,
  exactMean,
  exactSlopePerHour,
  exactSum,
  exactVariance,
  toDouble,
} from "./rational.js";

/** Results of aggregates over all values at once, from their definitions. */
export interface Column {
  readonly profile: EngineProfile;
  readonly field: Field;
  /** Readings in the window, with a value of the field or without. */
  readonly accepted: number;
  /** Values of the field with their times and the readings they are from. */
  readonly values: readonly Value[];
  readonly window: { readonly startMs: number; readonly endMs: number } | undefined;
}

export interface Value {
  readonly t: number;
  readonly v: FieldValue;
  readonly all: readonly FieldValue[];
}

/** What a summary says of a field. */
export function resultsOf(column: Column, names: readonly string[]): Record<string, unknown> {
  const { unit } = column.field;
  const units: Record<string, string> = {};
  for (const name of names) {
    if (name === "slope") units.slope = `${unit ?? 1}/h`;
    if (name === "percentGood") units.percentGood = "%";
  }
  return {
    ...(unit === undefined ? {} : { unit }),
    ...(Object.keys(units).length === 0 ? {} : { units }),
    ...Object.fromEntries(names.map((name) => [name, resultOf(column, name)])),
  };
}

const NAMES = new Map<string, readonly [kind: string, parameter: string]>();

/** What an aggregate is and what it is asked with: "p99.9" is "p" and "99.9". */
function partsOf(name: string): readonly [kind: string, parameter: string] {
  const known = NAMES.get(name);
  if (known !== undefined) return known;
  const [, kind = "", parameter = ""] = /^([a-zA-Z]+)\(?([\d.]*|\w+)\)?$/.exec(name) ?? [];
  NAMES.set(name, [kind, parameter]);
  return [kind, parameter];
}

function resultOf(column: Column, name: string): unknown {
  const { values, field, profile } = column;
  const [kind, parameter] = partsOf(name);
  const compute = OF_NUMBERS[kind];
  if (compute !== undefined) return compute(values.map(({ v }) => v as number));
  const numbers = () => values.map(({ v }) => v as number);
  const timeOf = (x: number) => iso(Math.min(...values.filter(({ v }) => v === x).map(({ t }) => t)));
  const named = (v: FieldValue) => (typeof v === "number" ? (field.values?.[v] ?? v) : v);
  switch (kind) {
    case "minTime":
      return timeOf(Math.min(...numbers()));
    case "maxTime":
      return timeOf(Math.max(...numbers()));
    case "first":
      return named(byTime(values)[0]!.v);
    case "last":
      return named(byTime(values).at(-1)!.v);
    case "firstTime":
      return iso(byTime(values)[0]!.t);
    case "lastTime":
      return iso(byTime(values).at(-1)!.t);
    case "p":
      return quantileResult(numbers(), parameter, field.resolution);
    case "histogram":
      return histogramResult(numbers(), field.resolution);
    case "distinct":
      return new Set(values.map(({ v }) => v)).size;
    case "mode": {
      const [most] = tally(values).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
      return most === undefined ? null : named(most[0]);
    }
    case "counts": {
      const sorted = tally(values).sort((a, b) => (a[0] < b[0] ? -1 : 1));
      return sorted.length === 0 ? null : Object.fromEntries(sorted.map(([v, n]) => [named(v), n]));
    }
    case "slope":
      return exactSlopePerHour(values.map(({ t, v }) => [t, v as number]));
    case "covariance":
      return covariance(pairsWith(column, parameter), 1);
    case "covariancePopulation":
      return covariance(pairsWith(column, parameter), 0);
    case "correlation":
      return correlation(pairsWith(column, parameter));
    case "percentGood":
      return (100 * values.length) / column.accepted;
    case "completeness":
      return column.window === undefined
        ? null
        : (values.length * profile.time.periodMs!) / (column.window.endMs - column.window.startMs);
    default:
      throw new Error(`the oracle knows no aggregate ${name}`);
  }
}

/** Aggregates that nothing but the values matters to. */
const OF_NUMBERS: Readonly<Record<string, (numbers: readonly number[]) => number | null>> = {
  count: (numbers) => numbers.length,
  sum: exactSum,
  mean: exactMean,
  min: (numbers) => Math.min(...numbers),
  max: (numbers) => Math.max(...numbers),
  range: (numbers) => Math.max(...numbers) - Math.min(...numbers),
  variance: (numbers) => exactVariance(numbers, 1),
  variancePopulation: (numbers) => exactVariance(numbers, 0),
  stddev: (numbers) => root(exactVariance(numbers, 1)),
  stddevPopulation: (numbers) => root(exactVariance(numbers, 0)),
};

function root(x: number | null): number | null {
  return x === null ? null : Math.sqrt(x);
}

function byTime(values: readonly Value[]): Value[] {
  return [...values].sort((a, b) => a.t - b.t || (a.v < b.v ? -1 : 1));
}

/** Each value with how often it occurs; nothing where there are too many. */
function tally(values: readonly Value[]): [FieldValue, number][] {
  const counts = new Map<FieldValue, number>();
  for (const { v } of values) counts.set(v, (counts.get(v) ?? 0) + 1);
  return counts.size > 256 ? [] : [...counts];
}

function pairsWith({ profile, values }: Column, other: string): [number, number][] {
  const place = profile.fields.findIndex((field) => field.name === other);
  const pairs = values.map(({ v, all }): [number, number] => [v as number, all[place] as number]);
  return pairs.filter(([, y]) => !Number.isNaN(y));
}

function covariance(pairs: readonly [number, number][], ddof: number): number | null {
  const n = BigInt(pairs.length);
  if (pairs.length - ddof <= 0) return null;
  return toDouble(exactCodeviation(pairs), n * (n - BigInt(ddof)), 2n * 1074n);
}

function correlation(pairs: readonly [number, number][]): number | null {
  const rounded = (each: readonly [number, number][]) => toDouble(exactCodeviation(each), 1n, 2n * 1074n);
  const x = rounded(pairs.map(([v]) => [v, v]));
  const y = rounded(pairs.map(([, v]) => [v, v]));
  if (x === 0 || y === 0) return null;
  return Math.min(1, Math.max(-1, rounded(pairs) / (Math.sqrt(x) * Math.sqrt(y))));
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
