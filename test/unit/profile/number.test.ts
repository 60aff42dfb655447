import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNumber } from "../../../src/profile/number.js";
import { cases } from "../../helpers/cases.js";

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
