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

function resultOf(column: Column, name: string): unknown {
  const { values, field, profile } = column;
  const numbers = values.map(({ v }) => v as number);
  const byTime = [...values].sort((a, b) => a.t - b.t || (a.v < b.v ? -1 : 1));
  const min = Math.min(...numbers);
  const max = Math.max(...numbers);
  const timeOf = (x: number) => iso(Math.min(...values.filter(({ v }) => v === x).map(({ t }) => t)));
  const root = (x: number | null) => (x === null ? null : Math.sqrt(x));
  const named = (v: FieldValue) => (typeof v === "number" ? (field.values?.[v] ?? v) : v);
  const [, kind = "", parameter = ""] = /^([a-zA-Z]+)\(?([\d.]*|\w+)\)?$/.exec(name) ?? [];
  const other = () => pairsWith(column, parameter);
  const compute: Record<string, () => unknown> = {
    count: () => values.length,
    sum: () => exactSum(numbers),
    mean: () => exactMean(numbers),
    min: () => min,
    max: () => max,
    range: () => max - min,
    minTime: () => timeOf(min),
    maxTime: () => timeOf(max),
    variance: () => exactVariance(numbers, 1),
    variancePopulation: () => exactVariance(numbers, 0),
    stddev: () => root(exactVariance(numbers, 1)),
    stddevPopulation: () => root(exactVariance(numbers, 0)),
    first: () => named(byTime[0]!.v),
    last: () => named(byTime.at(-1)!.v),
    firstTime: () => iso(byTime[0]!.t),
    lastTime: () => iso(byTime.at(-1)!.t),
    p: () => quantileResult(numbers, parameter, field.resolution),
    histogram: () => histogramResult(numbers, field.resolution),
    distinct: () => new Set(values.map(({ v }) => v)).size,
    mode: () => {
      const [most] = tally(values).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
      return most === undefined ? null : named(most[0]);
    },
    counts: () => {
      const sorted = tally(values).sort((a, b) => (a[0] < b[0] ? -1 : 1));
      return sorted.length === 0 ? null : Object.fromEntries(sorted.map(([v, n]) => [named(v), n]));
    },
    slope: () => exactSlopePerHour(values.map(({ t, v }) => [t, v as number])),
    covariance: () => covariance(other(), 1),
    covariancePopulation: () => covariance(other(), 0),
    correlation: () => correlation(other()),
    percentGood: () => (100 * values.length) / column.accepted,
    completeness: () =>
      column.window === undefined
        ? null
        : (values.length * profile.time.periodMs!) / (column.window.endMs - column.window.startMs),
  };
  return compute[kind]!();
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
