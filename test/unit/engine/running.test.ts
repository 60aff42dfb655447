import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  hopping,
  newEngine,
  restored,
  type TestReading,
} from "../../helpers/engine.js";

const SECOND = 1_000;
const NAMES = ["count", "mean", "stddev", "minTime", "max", "p95", "mode", "distinct", "first", "last"];

/** What windows of twenty slices say; with an aggregate to which order means something they are merged one by one. */
function profileOf(names: readonly string[]) {
  return engineProfile({
    fields: [field("x", { type: "int" }), field("y", { type: "int" })],
    time: {
      maxPastMs: Number.POSITIVE_INFINITY,
      maxFutureMs: Number.POSITIVE_INFINITY,
      outOfOrdernessMs: 2 * SECOND,
      idleTimeoutMs: Number.POSITIVE_INFINITY,
    },
    windows: [
      hopping("20s/1s", [20 * SECOND, SECOND], [{ field: 0, names: NAMES }, ...others(names)], 15 * SECOND),
      hopping("9s/1s", [9 * SECOND, SECOND], [{ field: 0, names: ["mean", "max"] }], 3 * SECOND),
    ],
  });
}

function others(names: readonly string[]) {
  return names.length === 0 ? [] : [{ field: 1, names }];
}

/** Time goes on by up to two seconds a reading, and some come late. */
const reading = fc.record({
  device: fc.constantFrom("a", "b"),
  stepMs: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 2 * SECOND }) },
    { weight: 1, arbitrary: fc.constant(30 * SECOND) },
  ),
  behindMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 25 * SECOND }) },
  ),
  x: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: -50, max: 50 }) },
    { weight: 1, arbitrary: fc.constant(1e200) },
  ),
});

describe("overlapping windows of many slices", () => {
  it("say in every revision what their slices say, one by one, whatever comes late in between", () => {
    const [running, oneByOne] = [profileOf([]), profileOf(["transitions"])];
    const run = fc.record({
      readings: fc.array(reading, { minLength: 20, maxLength: 150 }),
      restartAt: fc.nat(150),
    });
    fc.assert(
      fc.property(run, ({ readings, restartAt }) => {
        let nowMs = 0;
        const arriving = readings.map(({ device, stepMs, behindMs, x }): TestReading => {
          nowMs += stepMs;
          return { device, timeMs: nowMs - behindMs, values: [x, Number.NaN] };
        });
        const said = [running, oneByOne].map((profile) => {
          let engine = newEngine(profile);
          const blocks = new BlockMaker(profile);
          const summaries: Summary[] = [];
          for (const [i, each] of arriving.entries()) {
            summaries.push(...engine.apply(blocks.block([each])));
            if (i === restartAt) engine = restored(engine, profile);
          }
          return [...summaries, ...engine.flush()];
        });
        expect(said[0]).toEqual(said[1]);
      }),
      cases(),
    );
  });
});
