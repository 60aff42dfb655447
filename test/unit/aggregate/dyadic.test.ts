import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  halved,
  linearIndex,
  linearRepresentative,
  logIndex,
  logRepresentative,
} from "../../../src/aggregate/dyadic.js";
import { cases } from "../../helpers/cases.js";
import { logBucket } from "../../oracle/buckets.js";

const magnitude = fc
  .tuple(fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }), fc.integer({ min: -1074, max: 398 }))
  .map(([m, e]) => m * 2 ** e)
  .filter((x) => x > 0);

/** The doubles beside x. */
function around(x: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const pattern = view.getBigUint64(0);
  return [-2n, -1n, 0n, 1n, 2n].map((by) => {
    view.setBigUint64(0, pattern + by);
    return view.getFloat64(0);
  });
}

describe("the index of a logarithmic bucket", () => {
  it("is that of exact arithmetic, from the smallest double on", () => {
    fc.assert(
      fc.property(magnitude, (x) => {
        expect(logIndex(x)).toBe(Number(logBucket(x)));
      }),
      cases(),
    );
  });

  it("is right to the last bit on both sides of every bound", () => {
    for (let i = 0; i < 4096; i++) {
      for (const x of around(2 ** (i / 4096))) {
        if (logIndex(x) !== Number(logBucket(x)))
          throw new Error(`${x}: ${logIndex(x)}, not ${logBucket(x)}`);
      }
    }
  });

  it("has powers of two at the upper end of their bucket, as OpenTelemetry does", () => {
    for (const exponent of [-1074, -1022, -1, 0, 1, 10, 398]) {
      expect(logIndex(2 ** exponent)).toBe(exponent * 4096 - 1);
    }
    expect(logIndex(1 + Number.EPSILON)).toBe(0);
    expect(halved(logIndex(1), 12)).toBe(-1);
    expect(halved(logIndex(1.5), 12)).toBe(0);
    expect(halved(logIndex(2), 12)).toBe(0);
  });
});

describe("what stands for a bucket", () => {
  it("is off by a share of (b - 1) / (b + 1) at most, and by as much at both ends", () => {
    fc.assert(
      fc.property(magnitude, fc.integer({ min: 0, max: 16 }), (x, halvings) => {
        const value = logRepresentative(halved(logIndex(x), halvings), halvings);
        const base = 2 ** (2 ** (halvings - 12));
        const bound = (base - 1) / (base + 1) + 4 * Number.EPSILON;
        // Below the normal numbers a double has not as many digits.
        if (x < 2 ** -1000) return;
        expect(Math.abs(value - x) / x).toBeLessThanOrEqual(bound);
      }),
      cases(),
    );
    const [low, high] = [2 ** 3, 2 ** 4];
    const value = logRepresentative(3, 12);
    expect((value - low) / low).toBeCloseTo((high - value) / high, 14);
  });

  it("is the value itself where steps are counted one by one, as it is written in decimals", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.constantFrom(1, 5, 25, 125),
        fc.integer({ min: -3, max: 9 }),
        (steps, digits, places) => {
          const x = Number(`${BigInt(steps) * BigInt(digits)}e${-places}`) + 0;
          const step = Number(`${digits}e${-places}`);
          expect(linearRepresentative(linearIndex(x, step), 0, step)).toBe(x);
        },
      ),
      cases(),
    );
    expect(linearRepresentative(214, 0, 0.1)).toBe(21.4);
  });

  it("is off by half of a bucket's steps at most", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.constantFrom(0.1, 0.25, 3),
        fc.integer({ min: 0, max: 20 }),
        (x, step, halvings) => {
          const value = linearRepresentative(halved(linearIndex(x, step), halvings), halvings, step);
          expect(Math.abs(value - x)).toBeLessThanOrEqual(2 ** (halvings - 1) * step * (1 + 1e-9) + 1e-9);
        },
      ),
      cases(),
    );
  });
});
