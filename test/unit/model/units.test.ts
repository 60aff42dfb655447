import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convert, converter, findUnit, unitNames } from "../../../src/model/units.js";
import { cases } from "../../helpers/cases.js";

describe("units", () => {
  it("knows every base that a unit names, and the base leads to itself", () => {
    for (const name of unitNames()) {
      const base = findUnit(findUnit(name)!.base);
      expect(base, name).toBeDefined();
      expect(base!.base, name).toBe(base!.name);
      expect(findUnit(name)!.description, name).not.toBe("");
    }
  });

  it("has no name twice with different meanings", () => {
    expect(new Set(unitNames()).size).toBe(unitNames().length);
    expect(unitNames().length).toBeGreaterThan(120);
  });

  it.each([
    // RFC 8798 table: scale and offset towards the primary unit.
    ["ms", "s", 0.001, 0],
    ["km/h", "m/s", 1 / 3.6, 0],
    ["mm/h", "m/s", 1 / 3_600_000, 0],
    ["Wh/km", "J/m", 3.6, 0],
    ["dBm", "dBW", 1, -30],
    ["KiB", "B", 1024, 0],
    ["MB/s", "bit/s", 8e6, 0],
    ["ppm", "/", 1e-6, 0],
    ["hPa", "Pa", 100, 0],
    ["ug/m3", "kg/m3", 1e-9, 0],
    ["Cel", "degF", 1.8, 32],
    ["Cel", "K", 1, 273.15],
    ["kWh", "Wh", 1000, 0],
  ])("%s to %s is times %d plus %d", (from, to, scale, offset) => {
    expect(convert(from, to)).toEqual({ scale, offset });
  });

  it("refuses to convert between dimensions and unknown units", () => {
    expect(convert("Cel", "Pa")).toBeUndefined();
    expect(convert("celsius", "K")).toBeUndefined();
    expect(converter("J", "W")).toBeUndefined();
  });

  it("hits the fixed points exactly", () => {
    expect(converter("degF", "Cel")!(212)).toBe(100);
    expect(converter("degF", "Cel")!(-40)).toBe(-40);
    expect(converter("Pa", "hPa")!(101_967.84)).toBe(1019.6784);
    expect(converter("mA", "A")!(215)).toBe(0.215);
    expect(converter("deg", "rad")!(180)).toBe(Math.PI);
  });

  it("comes back to where it started within rounding", () => {
    const pairs = unitNames().flatMap((a) =>
      unitNames()
        .filter((b) => findUnit(a)!.base === findUnit(b)!.base)
        .map((b) => [a, b] as const),
    );
    fc.assert(
      fc.property(fc.constantFrom(...pairs), fc.double({ min: -1e6, max: 1e6, noNaN: true }), ([a, b], v) => {
        const back = converter(b, a)!(converter(a, b)!(v));
        expect(Math.abs(back - v)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(v)));
        const { scale, offset } = convert(a, b)!;
        const direct = converter(a, b)!(v);
        expect(Math.abs(v * scale + offset - direct)).toBeLessThanOrEqual(
          1e-9 * Math.max(1, Math.abs(direct)),
        );
      }),
      cases(),
    );
  });
});
