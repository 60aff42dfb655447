import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  finalBodies,
  hopping,
  newEngine,
  tumbling,
} from "../../helpers/engine.js";
import { JOURNEY, shuffled, travel } from "../../helpers/journey.js";
import { oracle } from "../../oracle/oracle.js";

const NUMERIC = [
  "count", "sum", "mean", "min", "max", "minTime", "maxTime", "range",
  "variance", "variancePopulation", "stddev", "stddevPopulation",
  "first", "last", "firstTime", "lastTime",
]; // biome-ignore format: a table

const HOUR = 3_600_000;
const profile = engineProfile({
  fields: [
    field("t", { unit: "Cel", range: [-40, 85] }),
    field("s", { type: "string" }),
    field("w", { unit: "W" }),
  ],
  windows: [
    tumbling("10s", 10_000, [{ field: 0, names: NUMERIC }], HOUR),
    tumbling(
      "1m",
      60_000,
      [
        { field: 2, names: NUMERIC },
        { field: 1, names: ["count", "first", "last"] },
      ],
      HOUR,
    ),
    hopping("30s/10s", [30_000, 10_000], [{ field: 0, names: NUMERIC }], HOUR),
    hopping("25s/7s", [25_000, 7_000, 3_000], [{ field: 2, names: NUMERIC }], HOUR),
  ],
});

/** Squares of smaller numbers leave the range in which doubles are exact to the last bit. */
function normal(x: number): number {
  return Math.abs(x) < 1e-100 ? 0 : x;
}

const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -5000, max: 9500 }).map((n) => n / 100) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
  { weight: 2, arbitrary: fc.double({ min: -1e9, max: 1e9, noNaN: true }).map(normal) },
);
const reading = fc.record({
  device: fc.constantFrom("a", "b"),
  timeMs: fc.integer({ min: -90_000, max: 90_000 }).map((n) => n * 2),
  values: fc.tuple(value, fc.oneof(fc.constantFrom("on", "off"), fc.constant(Number.NaN)), value),
});

/** The same readings in some order, some of them repeated, cut into blocks, with a restart after some of them. */
const run = fc.record({
  readings: fc.array(reading, { minLength: 1, maxLength: 120 }),
  ...JOURNEY,
});

describe("same readings, same bytes", () => {
  it("gives the oracle's bytes for every order, every duplicate, every cut into blocks and every restart", () => {
    fc.assert(
      fc.property(run, ({ readings, ...journey }) => {
        const arriving = shuffled(readings, journey);
        const { engine, summaries } = travel(profile, arriving, journey);
        const expected = oracle(profile, readings);
        const finals = finalBodies(summaries);
        for (const [key, body] of finals) {
          // A window that only rejected readings fell into has a summary without fields.
          expect(body).toBe(expected.get(key) ?? "{}");
        }
        for (const key of expected.keys()) expect(finals.has(key)).toBe(true);
        for (const count of engine.counts()) {
          const rejected = Object.values(count.rejected).reduce((a, b) => a + b, 0);
          expect(count.received).toBe(count.accepted + rejected);
        }
        const received = engine.counts().reduce((sum, c) => sum + c.received, 0);
        expect(received).toBe(arriving.length);
      }),
      cases(),
    );
  });

  it("numbers the revisions of a window without holes, the last one final", () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 1, maxLength: 80 }), (readings) => {
        const engine = newEngine(profile);
        const blocks = new BlockMaker(profile);
        const summaries = readings.flatMap((r) => engine.apply(blocks.block([r])));
        summaries.push(...engine.flush());
        const seen = new Map<string, number>();
        const ended = new Set<string>();
        for (const s of summaries) {
          expect(s.revision).toBe(seen.get(s.id) ?? 0);
          expect(ended.has(s.id)).toBe(false);
          seen.set(s.id, s.revision + 1);
          if (s.final) ended.add(s.id);
        }
        expect(ended.size).toBe(seen.size);
      }),
      cases(),
    );
  });
});
