/**
 * Readings that can be told apart in whatever they are summed up in: reading number i of a device carries 2^(i mod 50)
 * in field b(i / 50 mod 8). A summary's sums say which readings are in it, and a receiver that has added everything up
 * knows of each reading whether it is there once. Beside the marks each has a value, a text, and a power that is
 * added up as energy.
 */
import { expect } from "vitest";
import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import type { WindowDefinition, WindowKind } from "../../src/model/window.js";
import { fieldsOf, type OracleReading } from "../oracle/oracle.js";
import { engineProfile, field } from "./engine.js";

const BITS = 50;
const MARKS = 8;
export const MARKED_MAX = BITS * MARKS;

const NUMERIC = [
  "count", "sum", "mean", "min", "max", "minTime", "maxTime", "range",
  "variance", "variancePopulation", "stddev", "stddevPopulation",
  "first", "last", "firstTime", "lastTime",
]; // biome-ignore format: a table

export function markedProfile(
  kind: WindowKind,
  allowedLatenessMs: number,
  coarsenMs?: readonly number[],
): EngineProfile {
  const marks = Array.from({ length: MARKS }, (_, i) => i);
  const definition: WindowDefinition = {
    name: "w",
    kind,
    allowedLatenessMs,
    aggregates: [
      { field: 0, names: NUMERIC },
      { field: 1, names: ["first", "last", "count"] },
      { field: 2, names: ["last", "count"] },
      ...marks.map((i) => ({ field: 3 + i, names: ["count", "sum"] })),
    ],
    coarsenMs,
  };
  return engineProfile({
    id: "marked",
    fields: [
      field("x", { unit: "Cel" }),
      field("note", { type: "string" }),
      field("state", { type: "enum", values: ["off", "idle", "on"] }),
      ...marks.map((i) => field(`b${i}`)),
    ],
    windows: [definition],
  });
}

/** @param x NaN for none */
export function marked(device: string, i: number, timeMs: number, x: number): OracleReading {
  const marks = Array.from({ length: MARKS }, (_, b) =>
    Math.floor(i / BITS) === b ? 2 ** (i % BITS) : Number.NaN,
  );
  return { device, timeMs, values: [x, i % 3 === 0 ? `note ${i % 7}` : Number.NaN, i % 3, ...marks] };
}

/** Numbers of the readings in a summary. */
export function readingsIn({ fields, id }: Summary): number[] {
  const numbers: number[] = [];
  for (let b = 0; b < MARKS; b++) {
    const mark = fields[`b${b}`];
    if (mark === undefined) continue;
    const before = numbers.length;
    const bits = BigInt(mark.sum as number);
    for (let bit = 0; bit < BITS; bit++) if ((bits >> BigInt(bit)) & 1n) numbers.push(b * BITS + bit);
    expect(mark.count, `values of b${b} in ${id}`).toBe(numbers.length - before);
  }
  return numbers;
}

/** What a receiver does: the highest revision of each id is the truth. */
export function truth(jsons: Iterable<string>): Summary[] {
  const byId = new Map<string, Summary>();
  for (const json of jsons) {
    const summary = JSON.parse(json) as Summary;
    const known = byId.get(summary.id);
    if (known === undefined || summary.revision >= known.revision) byId.set(summary.id, summary);
  }
  return [...byId.values()];
}

/**
 * Holds every summary to the oracle: its `fields` are those of one window over just the readings that it says are in
 * it, they lie in its window, and no reading is in two summaries.
 * @returns how often each reading was missing (it was lost)
 */
export function expectEachOnce(
  summaries: readonly Summary[],
  profile: EngineProfile,
  readings: ReadonlyMap<string, readonly OracleReading[]>,
): number {
  const seen = new Map([...readings.keys()].map((device) => [device, new Set<number>()]));
  for (const summary of summaries) {
    const own = readings.get(summary.device)!;
    const numbers = readingsIn(summary);
    const members = numbers.map((i) => own[i]!);
    for (const i of numbers) {
      expect(
        seen.get(summary.device)!.has(i),
        `reading ${i} of ${summary.device} twice, in ${summary.id}`,
      ).toBe(false);
      seen.get(summary.device)!.add(i);
    }
    const times = members.map(({ timeMs }) => timeMs);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(Date.parse(summary.window.start!));
    expect(Math.max(...times)).toBeLessThan(Date.parse(summary.window.end!));
    expect(JSON.stringify(summary.fields), summary.id).toBe(fieldsOf(profile, profile.windows[0]!, members));
    expect(summary.quality.accepted).toBe(members.length);
  }
  let missing = 0;
  for (const [device, own] of readings) missing += own.length - seen.get(device)!.size;
  return missing;
}
