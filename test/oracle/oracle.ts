import type { EngineProfile } from "../../src/model/profile.js";
import { type FieldValue, isMissing } from "../../src/model/reading.js";
import { isFolded } from "../../src/model/window.js";
import { type Column, resultsOf } from "./aggregates.js";

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
    const bounds = new Map<string, Column["window"]>();
    for (const r of distinct) {
      for (const start of startsOf(window.kind, r.timeMs)) {
        const key = `${r.device}/${window.name}/${start}`;
        groups.set(key, [...(groups.get(key) ?? []), r]);
        bounds.set(key, boundsOf(window.kind, start));
      }
    }
    for (const [key, members] of groups) {
      bodies.set(key, fieldsOf(profile, window, members, bounds.get(key)));
    }
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
  bounds?: Column["window"],
): string {
  const fields: Record<string, Record<string, unknown>> = {};
  for (const { field: index, names } of window.aggregates) {
    const field = profile.fields[index]!;
    const values = members
      .filter((r) => !isMissing(r.values[index]!))
      .map((r) => ({ t: r.timeMs, v: r.values[index]!, all: r.values }));
    if (values.length === 0) continue;
    const column = { profile, field, accepted: members.length, values, window: bounds };
    fields[field.name] = resultsOf(column, names);
  }
  return JSON.stringify(fields);
}

function boundsOf(kind: EngineProfile["windows"][number]["kind"], startMs: number): Column["window"] {
  return "sizeMs" in kind ? { startMs, endMs: startMs + kind.sizeMs } : undefined;
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
