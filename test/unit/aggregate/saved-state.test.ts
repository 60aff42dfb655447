import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FieldsMerge } from "../../../src/aggregate/merge-fields.js";
import { areSavedStates } from "../../../src/aggregate/saved-state.js";
import { Engine } from "../../../src/engine/engine.js";
import type { AccumulatorState, FieldPartials, Partials } from "../../../src/model/partials.js";
import type { Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";
import { BlockMaker, engineProfile, field, tumbling } from "../../helpers/engine.js";

/** States that anybody may have written: into `weir merge` comes nothing that is none, and nothing keeps it for ever. */
const MINUTE = 60_000;
const NUMERIC = [
  "count", "mean", "min", "variance", "last", "p50", "histogram", "distinct", "slope", "correlation(n)",
  "timeAverage(linear)", "delta", "completeness",
]; // biome-ignore format: a table
const PROFILE = engineProfile({
  fields: [
    field("x", { maxGapMs: 30_000 }),
    field("n", { type: "int", resolution: 1, counter: { rollover: 1_000 } }),
    field("note", { type: "string" }),
  ],
  time: { ...engineProfile().time, periodMs: 7_000 },
  windows: [
    tumbling("1m", MINUTE, [
      { field: 0, names: NUMERIC },
      { field: 1, names: ["p95", "mode", "increase", "covariance(x)"] },
      { field: 2, names: ["last", "distinct", "counts", "durationIn(on)", "transitions"] },
    ]),
  ],
});

interface Said {
  readonly summary: Summary;
  readonly partials: Partials;
}

/** @param count of readings; more than 256 have registers */
function saidOf(count: number): Said {
  const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
  engine.addProfile(PROFILE);
  const blocks = new BlockMaker(PROFILE);
  const readings = Array.from({ length: count }, (_, i) => ({
    timeMs: i * 100,
    values: [Math.sin(i) * 10 ** (i % 9), i % 900, i % 3 === 0 ? "on" : `off ${i}`],
  }));
  const [summary] = [...engine.apply(blocks.block(readings)), ...engine.flush()];
  return { summary: summary!, partials: summary!.mergeable!.partials };
}

const SAID = [saidOf(1), saidOf(40), saidOf(500)];

function resultsOf({ summary, partials }: Said): string {
  const merge = new FieldsMerge();
  merge.add([{ summary, partials }]);
  return JSON.stringify(merge.results({ startMs: 0, endMs: MINUTE }, summary.quality));
}

const item = fc.oneof(
  fc.constantFrom("", "x", "0".repeat(4_096), "z".repeat(4_096), -1, -5, 0, 0.5, 1e17, -1e17, 1e300, 1e301, 1.7e308),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
); // biome-ignore format: a list

const damage = fc.record({
  said: fc.constantFrom(...SAID),
  field: fc.nat(),
  accumulator: fc.nat(),
  at: fc.nat(),
  removed: fc.integer({ min: 0, max: 3 }),
  put: fc.array(item, { maxLength: 3 }),
});

describe("a saved state", () => {
  it("is one as the engine writes it", () => {
    for (const { summary, partials } of SAID) {
      for (const [name, partial] of Object.entries(partials)) {
        expect(areSavedStates(summary.fields[name]!, partial), name).toBe(true);
      }
      expect(resultsOf({ summary, partials })).toBe(JSON.stringify(summary.fields));
    }
  });

  it("is refused or merged, whatever has happened to it, and comes to an end", () => {
    let refused = 0;
    fc.assert(
      fc.property(damage, ({ said, field, accumulator, at, removed, put }) => {
        const names = Object.keys(said.partials);
        const name = names[field % names.length]!;
        const partial = said.partials[name]!;
        const states = Object.keys(partial.state);
        const state = states[accumulator % states.length]!;
        const items: AccumulatorState = partial.state[state]!;
        const changed = [...items];
        changed.splice(at % (items.length + 1), removed, ...put);
        const damaged: FieldPartials = { ...partial, state: { ...partial.state, [state]: changed } };
        if (!areSavedStates(said.summary.fields[name]!, damaged)) {
          refused++;
          expect(changed).not.toEqual(items);
          return;
        }
        resultsOf({ summary: said.summary, partials: { ...said.partials, [name]: damaged } });
      }),
      cases(2_000),
    );
    expect(refused).toBeGreaterThan(1_000);
  });
});
