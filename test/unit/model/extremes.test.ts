import { describe, expect, it } from "vitest";
import { greatest, least } from "../../../src/model/extremes.js";

describe("extremes", () => {
  it("are found among more numbers than a call has room for", () => {
    const many = Array.from({ length: 1_000_000 }, (_, i) => (i * 7_919) % 1_000_003);
    expect(() => Math.max(...many)).toThrow(RangeError);
    expect([least(many), greatest(many)]).toEqual([0, many.reduce((a, b) => Math.max(a, b))]);
  });

  it("of none are what every number is beyond", () => {
    expect([least([]), greatest(new Map<string, number>().values())]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
  });
});
