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
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { JOURNEY, shuffled, travel } from "../../helpers/journey.js";
import { oracle } from "../../oracle/oracle.js";
import { exactSlopePerHour, exactSum } from "../../oracle/rational.js";

const HOUR = 3_600_000;
const NUMBERS = ["p0.5", "p50", "p95", "histogram", "distinct", "slope", "percentGood", "completeness"];
const PAIRS = ["covariance(y)", "covariancePopulation(y)", "correlation(y)"];
const DISCRETE = ["distinct", "mode", "counts"];
const fields = [
  field("x", { unit: "Cel", range: [-1e9, 1e9] }),
  field("y", { resolution: 0.05 }),
  field("n", { type: "int" }),
  field("mode", { type: "enum", values: ["off", "heat", "cool"] }),
  field("note", { type: "string" }),
];
const profile = engineProfile({
  fields,
  time: { ...engineProfile().time, periodMs: 3_000 },
  windows: [
    tumbling(
      "10s",
      10_000,
      [
        { field: 0, names: [...PAIRS, ...NUMBERS] },
        { field: 1, names: [...NUMBERS, "correlation(x)"] },
        { field: 2, names: [...NUMBERS, ...DISCRETE.slice(1), "correlation(y)"] },
      ],
      HOUR,
    ),
    hopping(
      "25s/7s",
      [25_000, 7_000, 3_000],
      [
        { field: 0, names: ["p50", "slope", "correlation(n)"] },
        { field: 1, names: ["p99.9", "histogram"] },
        { field: 3, names: ["count", ...DISCRETE] },
        { field: 4, names: DISCRETE },
      ],
      HOUR,
    ),
  ],
});

const missing = fc.constant(Number.NaN);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -5_000, max: 9_500 }).map((n) => n / 100) },
  { weight: 1, arbitrary: missing },
  {
    weight: 2,
    arbitrary: fc.double({ min: -2e9, max: 2e9, noNaN: true }).map((x) => (Math.abs(x) < 1e-90 ? 0 : x)),
  },
);
const reading = fc.record({
  device: fc.constantFrom("a", "b"),
  timeMs: fc.integer({ min: -20_000, max: 20_000 }).map((n) => n * 2),
  values: fc.tuple(
    value,
    value,
    fc.oneof(fc.integer({ min: -3, max: 3 }), missing),
    fc.oneof(fc.constantFrom(0, 1, 2), missing),
    fc.oneof(fc.constantFrom("on", "off", "__proto__", "7", ""), missing),
  ),
});
const run = fc.record({
  readings: fc.array(reading, { minLength: 1, maxLength: 100 }),
  ...JOURNEY,
});

describe("aggregates of windows", () => {
  it("are the oracle's for every order, every duplicate, every cut into blocks and every restart", () => {
    fc.assert(
      fc.property(run, ({ readings, ...journey }) => {
        const arriving = shuffled(readings, journey);
        const { summaries } = travel(profile, arriving, journey);
        const expected = oracle(profile, readings);
        const finals = finalBodies(summaries);
        for (const [key, body] of finals) expect(body).toBe(expected.get(key) ?? "{}");
        for (const key of expected.keys()) expect(finals.has(key)).toBe(true);
      }),
      cases(),
    );
  });
});

/** Fields of the one window that these readings are in. */
function fieldsOf(names: readonly string[], readings: readonly TestReading[], of = profile) {
  const one = { ...of, windows: [tumbling("1m", 60_000, [{ field: 0, names }])] };
  const engine = newEngine(one);
  const summaries = [...engine.apply(new BlockMaker(one).block(readings)), ...engine.flush()];
  return summaries.at(-1)!.fields;
}

function at(timeMs: number, x: number, y = 0): TestReading {
  return { timeMs, values: [x, y, 0, 0, "on"] };
}

describe("a result", () => {
  it("says its unit where that is not the field's", () => {
    const fields = fieldsOf(["slope", "mean", "percentGood"], [at(0, 20), at(1_000, 20.5)]);
    expect(JSON.stringify(fields.x)).toBe(
      '{"unit":"Cel","units":{"slope":"Cel/h","percentGood":"%"},"slope":1800,"mean":20.25,"percentGood":100}',
    );
    const bare = { ...profile, fields: [field("x"), ...profile.fields.slice(1)] };
    expect(fieldsOf(["slope"], [at(0, 1), at(1_000, 2)], bare).x).toEqual({
      units: { slope: "1/h" },
      slope: 3_600,
    });
  });

  it("of a slope is the nearest double also where the sum of the times is more than a double holds", () => {
    const startMs = Date.parse("2026-01-15T00:00:00Z");
    const points = Array.from({ length: 25_000 }, (_, i) => [startMs + i * i, 21 + (i % 7) / 10] as const);
    expect(exactSum(points.map(([t]) => t)) % 8).toBe(0);
    expect(points.reduce((sum, [t]) => sum + BigInt(t), 0n) % 8n).not.toBe(0n);
    const years = 24_000 * HOUR;
    const long = { ...profile, windows: [tumbling("1000d", years, [{ field: 0, names: ["slope"] }])] };
    const engine = newEngine(long);
    engine.apply(new BlockMaker(long).block(points.map(([t, x]) => at(t, x))));
    expect(engine.flush()[0]!.fields.x).toMatchObject({ slope: exactSlopePerHour(points) });
  });

  it("is null where it is undefined: a slope at one time, a correlation with what does not vary", () => {
    expect(fieldsOf(["slope", ...PAIRS], [at(7, 1)]).x).toMatchObject({
      slope: null,
      "covariance(y)": null,
      "covariancePopulation(y)": 0,
      "correlation(y)": null,
    });
    expect(fieldsOf(["slope"], [at(7, 1), at(7, 2)]).x).toMatchObject({ slope: null });
    expect(fieldsOf(["correlation(y)"], [at(1, 1, 4), at(2, 2, 4)]).x).toMatchObject({
      "correlation(y)": null,
    });
  });

  it("of a relation counts only readings in which both fields have a value", () => {
    const readings = [at(1, 1, 10), at(2, 2, 30), at(3, 9, Number.NaN), { ...at(4, Number.NaN, 50) }];
    expect(fieldsOf(["count", ...PAIRS], readings).x).toMatchObject({
      count: 3,
      "covariance(y)": 10,
      "correlation(y)": 1,
    });
  });

  it("counts as good neither what is missing or removed nor what was clamped or flagged", () => {
    const careful = {
      ...profile,
      fields: [field("x", { range: [0, 100], plausible: [10, 90] }), ...profile.fields.slice(1)],
      clean: [
        { fields: [0], outside: "range", action: "clamp" },
        { fields: [0], outside: "plausible", action: "flag" },
      ] as const,
    };
    const readings = [at(1, 50), at(2, -5), at(3, 95), at(4, Number.NaN)];
    expect(fieldsOf(["count", "percentGood"], readings, careful).x).toMatchObject({
      count: 3,
      percentGood: 25,
    });
    const strict = { ...careful, clean: [] };
    expect(fieldsOf(["count", "percentGood"], readings, strict).x).toMatchObject({
      count: 2,
      percentGood: 50,
    });
  });

  it("tells how complete a window is, also when more came than was expected", () => {
    const times = Array.from({ length: 30 }, (_, i) => at(i * 2_000, i));
    expect(fieldsOf(["completeness"], times).x).toMatchObject({ completeness: 1.5 });
    expect(fieldsOf(["completeness"], times.slice(0, 5)).x).toMatchObject({ completeness: 0.25 });
    const all = { ...profile, windows: [{ ...profile.windows[0]!, kind: { type: "global" as const } }] };
    const engine = newEngine(all);
    engine.apply(new BlockMaker(all).block(times));
    expect(engine.flush()[0]!.fields.x).toMatchObject({ completeness: null });
  });

  it("does not go on after the resolution of its field has changed", () => {
    const [narrow, wide] = [0.1, 0.5].map((resolution) =>
      engineProfile({
        hash: `hash-${resolution}`,
        fields: [field("x", { resolution })],
        windows: [tumbling("1m", 60_000, [{ field: 0, names: ["p50"] }])],
      }),
    );
    const engine = newEngine(narrow!);
    engine.apply(new BlockMaker(narrow!).block([{ timeMs: 0, values: [20.3] }]));
    const closed = engine.redefine({ profiles: [wide!] });
    expect(closed).toMatchObject([{ reconfigured: true, fields: { x: { p50: 20.3 } } }]);
  });
});
