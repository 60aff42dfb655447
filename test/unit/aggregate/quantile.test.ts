import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AccumulatedField } from "../../../src/aggregate/aggregate.js";
import { accumulatorsOf } from "../../../src/aggregate/aggregate.js";
import { findAggregate, nearestAggregate } from "../../../src/aggregate/catalog.js";
import { newCells } from "../../../src/aggregate/cells.js";
import type { SummaryValue } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";

/** Result of an aggregate over values, in their order. */
function resultOf(name: string, values: readonly number[], resolution?: number): SummaryValue {
  const aggregate = findAggregate(name)!;
  // All that these aggregates look at.
  const field = { resolution } as AccumulatedField;
  const at: Record<string, number> = {};
  let next = 0;
  const accumulators = accumulatorsOf([aggregate], field);
  for (const accumulator of accumulators) {
    at[accumulator.name] = next;
    next += accumulator.cells;
  }
  const cells = newCells(next);
  for (const [i, value] of values.entries()) {
    for (const accumulator of accumulators)
      accumulator.add(cells, at[accumulator.name]!, { timeMs: i, values: [value] }, 0);
  }
  const { length: accepted } = values;
  return aggregate.result({
    cells,
    at,
    field: { values: undefined },
    window: undefined,
    accepted,
    doubtful: 0,
  });
}

describe("a quantile", () => {
  it("is the value of the nearest rank, and never between two values", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    for (const [name, value] of [
      ["p1", 1],
      ["p50", 50],
      ["p50.1", 51],
      ["p99", 99],
      ["p99.9", 100],
    ] as const) {
      expect(resultOf(name, values, 1)).toBe(value);
    }
    // 7 % of 100 is more than 7 in doubles.
    expect(0.07 * 100).toBeGreaterThan(7);
    expect(resultOf("p7", values, 1)).toBe(7);
    expect(resultOf("p50", [3, 1], 1)).toBe(1);
  });

  it("of a field without resolution is off by no more than the share that its histogram says", () => {
    const value = fc.oneof(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: 990, max: 1_030, noNaN: true }),
      fc.constant(0),
    );
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 99 }),
        (all, q) => {
          const values = all.map((x) => (Math.abs(x) < 1e-100 ? 0 : x));
          const exact = [...values].sort((a, b) => a - b)[Math.ceil((q * values.length) / 100) - 1]!;
          const { scale } = resultOf("histogram", values) as { scale: number };
          const base = 2 ** (2 ** -scale);
          const bound = Math.abs(exact) * ((base - 1) / (base + 1) + 4 * Number.EPSILON);
          expect(Math.abs((resultOf(`p${q}`, values) as number) - exact)).toBeLessThanOrEqual(bound);
        },
      ),
      cases(),
    );
  });

  it("is as exact as its description promises", () => {
    const spread = (largest: number) => Array.from({ length: 500 }, (_, i) => 20 * largest ** (i / 499));
    for (const [largest, promised] of [
      [1.05, 0.00017],
      [900, 0.022],
    ] as const) {
      const values = spread(largest);
      for (const q of [1, 10, 50, 90, 99]) {
        const exact = values[Math.ceil(q * 5) - 1]!;
        expect(Math.abs((resultOf(`p${q}`, values) as number) - exact) / exact).toBeLessThan(promised);
      }
    }
  });

  it("of a field with resolution is exact while 320 steps hold all values, and then off by half a bucket", () => {
    const tenths = (count: number) => Array.from({ length: count }, (_, i) => (i + 200) / 10);
    expect(resultOf("p50", tenths(320), 0.1)).toBe(35.9);
    expect(resultOf("histogram", tenths(320), 0.1)).toMatchObject({ quantum: 0.1, width: 1, offset: 200 });
    expect(resultOf("histogram", tenths(321), 0.1)).toMatchObject({ quantum: 0.1, width: 2, offset: 100 });
    expect(Math.abs((resultOf("p50", tenths(321), 0.1) as number) - 36)).toBeLessThanOrEqual(0.1);
  });

  it("is a value that there is where all are the same, or where it is the smallest or the largest", () => {
    fc.assert(
      fc.property(fc.double({ min: -1e120, max: 1e120, noNaN: true }), fc.nat(5), (given, more) => {
        const x = given + 0;
        const values = [x, ...new Array<number>(more).fill(x)];
        expect(resultOf("p50", values)).toBe(x);
        expect(resultOf("p50", values, 0.1)).toBe(x);
      }),
      cases(),
    );
  });
});

describe("a histogram", () => {
  it("has the buckets of OpenTelemetry: powers of the base are in the bucket below", () => {
    expect(resultOf("histogram", [1, 2, 4, 4.1, 0, -4, 2 ** -70, 2 ** 80])).toEqual({
      scale: 0,
      zeroCount: 1,
      positive: { offset: -71, counts: countsAt(151, { 0: 1, 70: 1, 71: 1, 72: 1, 73: 1, 150: 1 }) },
      negative: { offset: 1, counts: [1] },
    });
  });

  it("keeps to its bounds for any values, however far apart", () => {
    const value = fc
      .tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.integer({ min: -1_000, max: 397 }))
      .map(([m, e]) => m * 2 ** e + 0);
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(1e-12, 0.1, 1e12),
        (values, step) => {
          const { scale, zeroCount, positive, negative } = resultOf("histogram", values) as unknown as Log;
          expect(scale).toBeLessThanOrEqual(12);
          expect(Math.max(positive.counts.length, negative.counts.length)).toBeLessThanOrEqual(160);
          expect(zeroCount + total(positive.counts) + total(negative.counts)).toBe(values.length);
          const { counts } = resultOf("histogram", values, step) as unknown as Log["positive"];
          expect(counts.length).toBeLessThanOrEqual(320);
          expect(total(counts)).toBe(values.length);
        },
      ),
      cases(),
    );
  });
});

interface Log {
  readonly scale: number;
  readonly zeroCount: number;
  readonly positive: { readonly counts: readonly number[] };
  readonly negative: { readonly counts: readonly number[] };
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function countsAt(length: number, at: Readonly<Record<number, number>>): number[] {
  return Array.from({ length }, (_, i) => at[i] ?? 0);
}

describe("the name of an aggregate with a parameter", () => {
  it("has one spelling, and others lead to it", () => {
    for (const name of ["p1", "p50", "p99.9", "p0.1", "p0.000001", "covariance(x_1)", "correlation(y)"]) {
      expect(findAggregate(name)?.name).toBe(name);
    }
    const meant: readonly (readonly [string, string])[] = [
      ["p50.0", "p50"], ["p050", "p50"], ["P95", "p95"], ["p95th", "p95"], ["p99,9", "p99.9"], ["p0", "min"],
      ["p100", "max"], ["p0.0", "min"], ["percentile_90", "p90"], ["covariance( y )", "covariance(y)"],
      ["corr(y)", "correlation(y)"], ["covar_pop(y)", "covariancePopulation(y)"], ["histgram", "histogram"],
      ["durationIn", "durationIn(value)"], ["correlation", "correlation(other)"],
    ]; // biome-ignore format: a table
    for (const [name, guess] of meant) {
      expect([name, findAggregate(name)]).toEqual([name, undefined]);
      expect([name, nearestAggregate(name)]).toEqual([name, guess]);
    }
    for (const name of ["p", "p-5", "p5.0000001", "covariance", "covariance()", "p50 ", "__proto__"]) {
      expect(findAggregate(name)).toBe(undefined);
    }
  });
});
