import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNumber, roundTo } from "../../../src/profile/number.js";
import { cases } from "../../helpers/cases.js";

describe("a number that is rounded", () => {
  /** In whole numbers, from the shortest decimal form. */
  function exactly(x: number, places: number): number {
    const [digits, exponent = "0"] = String(x).split("e") as [string, string?];
    const [whole, fraction = ""] = digits.split(".") as [string, string?];
    const shift = Number(exponent) - fraction.length + places;
    const unscaled = BigInt(whole + fraction);
    const divisor = shift < 0 ? 10n ** BigInt(-shift) : 1n;
    const shifted = shift < 0 ? (unscaled * 2n + divisor) / (divisor * 2n) : unscaled * 10n ** BigInt(shift);
    return Number(`${shifted}e-${places}`);
  }

  it("is the decimal that a person would write, with halves away from zero", () => {
    const halves = fc.tuple(fc.nat(1e9), fc.nat(12)).map(([n, places]) => Number(`${n}5e-${places}`));
    const any = fc.double({ min: 0, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(fc.oneof(halves, any), fc.nat(15), (x, places) => {
        if (x * 10 ** places >= 2 ** 52) return;
        expect(roundTo(x, places)).toBe(exactly(x, places));
        expect(roundTo(-x, places)).toBe(0 - exactly(x, places));
      }),
      cases(2_000),
    );
  });

  it.each([
    [1.005, 2, 1.01],
    [-1.005, 2, -1.01],
    [10.075, 2, 10.08],
    [0.00000015, 7, 2e-7],
    [0.00000015, 8, 1.5e-7],
    [5.5e-10, 9, 1e-9],
    [12345678901.5, 12, 12345678901.5],
    [-0.001, 2, 0],
    [1e300, 3, 1e300],
  ])("%f to %i places is %f", (x, places, expected) => {
    expect(roundTo(x, places)).toBe(expected);
  });
});

describe("numbers as devices write them", () => {
  it("are the doubles nearest to them, as the language reads them", () => {
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 18 });
    const sign = fc.constantFrom("", "-", "+");
    fc.assert(
      fc.property(sign, digits, fc.constantFrom("", "."), digits, (start, whole, point, fraction) => {
        const text = `${start}${whole}${point}${point === "" ? "" : fraction}`;
        const expected = /\d/.test(text) ? Number(text) : Number.NaN;
        expect([text, parseNumber(text)]).toEqual([text, expected]);
      }),
      cases(2_000),
    );
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(parseNumber(String(x))).toBe(x === 0 ? 0 : x);
      }),
      cases(),
    );
  });

  it("are nothing else that the language takes for a number", () => {
    const texts = [
      "",
      " ",
      "0x1F",
      "Infinity",
      "NaN",
      "-",
      "+",
      ".",
      "-.",
      "1.2.3",
      "1-2",
      "1e999",
      "1_0",
      "१",
    ];
    for (const text of texts) expect([text, parseNumber(text)]).toEqual([text, Number.NaN]);
    expect([" 12 ", "1e3", "-0", "5.", ".5"].map(parseNumber)).toEqual([12, 1000, -0, 5, 0.5]);
  });
});
