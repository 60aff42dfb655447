import type { EngineProfile, Field } from "../../src/model/profile.js";
import type { FieldValue } from "../../src/model/reading.js";
import { isFolded } from "../../src/model/window.js";
import { exactMean, exactSum, exactVariance } from "./rational.js";

/**
 * What the engine must say, computed the slow way: all readings at once, duplicates removed by sorting, grouped by
 * window, aggregated with big integers. Knows nothing of watermarks, slices, revisions or merges.
 */
export interface OracleReading {
  readonly device: string;
  readonly timeMs: number;
  readonly values: readonly FieldValue[];
}

/** Final bodies by `device/window/start`. */
export function oracle(profile: EngineProfile, readings: readonly OracleReading[]): Map<string, string> {
  const distinct = distinctReadings(profile, readings);
  const bodies = new Map<string, string>();
  for (const window of profile.windows) {
    if (isFolded(window.kind)) continue;
    const groups = new Map<string, OracleReading[]>();
    for (const r of distinct) {
      for (const start of startsOf(window.kind, r.timeMs)) {
        const key = `${r.device}/${window.name}/${start}`;
        groups.set(key, [...(groups.get(key) ?? []), r]);
      }
    }
    for (const [key, members] of groups) bodies.set(key, fieldsOf(profile, window, members));
  }
  return bodies;
}

/** What is left of readings that are clean and come once. */
export function distinctReadings(
  profile: EngineProfile,
  readings: readonly OracleReading[],
): OracleReading[] {
  const distinct = new Map<string, OracleReading>();
  for (const r of readings) {
    const kept = clean(profile, r);
    if (kept !== undefined)
      distinct.set(JSON.stringify([kept.device, kept.timeMs, kept.values.map(String)]), kept);
  }
  return [...distinct.values()];
}

/** JSON of a window's `fields` when exactly these readings are in it; they are distinct, and clean. */
export function fieldsOf(
  profile: EngineProfile,
  window: EngineProfile["windows"][number],
  members: readonly OracleReading[],
): string {
  const fields: Record<string, Record<string, unknown>> = {};
  for (const { field, names } of window.aggregates) {
    const column = members
      .map((r) => ({ t: r.timeMs, v: r.values[field]! }))
      .filter(({ v }) => typeof v === "string" || !Number.isNaN(v));
    if (column.length > 0)
      fields[profile.fields[field]!.name] = aggregate(profile.fields[field]!, names, column);
  }
  return JSON.stringify(fields);
}

/** Starts of the windows that a time lies in. */
function startsOf(kind: EngineProfile["windows"][number]["kind"], t: number): number[] {
  const floor = (step: number, offset: number) => t - ((((t - offset) % step) + step) % step);
  if (kind.type === "tumbling") return [floor(kind.sizeMs, kind.offsetMs)];
  if (kind.type !== "hopping") throw new Error(`the oracle of this test knows no ${kind.type} windows`);
  const starts: number[] = [];
  for (let start = floor(kind.slideMs, kind.offsetMs); start > t - kind.sizeMs; start -= kind.slideMs) {
    starts.push(start);
  }
  return starts;
}

function clean(profile: EngineProfile, r: OracleReading): OracleReading | undefined {
  const values = r.values.map((v, i) => {
    const range = profile.fields[i]!.range;
    if (typeof v === "string") return v;
    return range !== undefined && (v < range[0] || v > range[1]) ? Number.NaN : v + 0;
  });
  return values.every((v) => typeof v === "number" && Number.isNaN(v)) ? undefined : { ...r, values };
}

function aggregate(
  field: Field,
  names: readonly string[],
  column: readonly { readonly t: number; readonly v: FieldValue }[],
): Record<string, unknown> {
  const numbers = column.map(({ v }) => v as number);
  const byTime = [...column].sort((a, b) => a.t - b.t || (a.v < b.v ? -1 : 1));
  const min = Math.min(...numbers);
  const max = Math.max(...numbers);
  const timeOf = (x: number) => iso(Math.min(...column.filter(({ v }) => v === x).map(({ t }) => t)));
  const root = (x: number | null) => (x === null ? null : Math.sqrt(x));
  const compute: Record<string, () => unknown> = {
    count: () => column.length,
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
    first: () => byTime[0]!.v,
    last: () => byTime.at(-1)!.v,
    firstTime: () => iso(byTime[0]!.t),
    lastTime: () => iso(byTime.at(-1)!.t),
  };
  const unit = field.unit === undefined ? {} : { unit: field.unit };
  return { ...unit, ...Object.fromEntries(names.map((name) => [name, compute[name]!()])) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
