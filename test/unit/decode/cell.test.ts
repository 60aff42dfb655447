import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cellReader } from "../../../src/decode/cell.js";
import { cases } from "../../helpers/cases.js";
import { csv, readWith } from "../../helpers/decoding.js";

const NO_BREAK_SPACE = "\u00a0";

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

describe("a cell of text", () => {
  it.each([
    ["21,4", "21.4"],
    ["-0,5", "-0.5"],
    ["+,5", "+.5"],
    ["5,", "5."],
    ["1,5e-3", "1.5e-3"],
    ["3", "3"],
    ["21.4", "21.4"],
    ["1,2,3", "1,2,3"],
    ["Mol, Belgium", "Mol, Belgium"],
    ["16,12,2006", "16,12,2006"],
    ["0x1,5", "0x1,5"],
    [",", ","],
    ["-", "-"],
  ])("with a decimal comma reads %j as %j", (cell, expected) => {
    expect(cellReader({ decimal: ",", missing: [] })(cell)).toBe(expected);
  });

  it.each([
    [NO_BREAK_SPACE, `1${NO_BREAK_SPACE}000,5`, "1000.5"],
    [NO_BREAK_SPACE, "1\u202f234\u202f567", "1234567"],
    [" ", `-12${NO_BREAK_SPACE}000`, "-12000"],
    [".", "1.234,5", "1234.5"],
    [".", "16.12.2006", "16.12.2006"],
    [".", "1.5", "1.5"],
    [".", "1234.567", "1234.567"],
    ["'", "1'000", "1000"],
    ["]", "1]000", "1000"],
  ])("with a thousands mark %j reads %j as %j", (thousands, cell, expected) => {
    expect(cellReader({ decimal: ",", thousands, missing: [] })(cell)).toBe(expected);
  });

  it("may have commas as thousands marks instead", () => {
    const read = cellReader({ decimal: ".", thousands: ",", missing: [] });
    expect(["1,234.5", "1,23", "12,34,567", "1,234,567"].map(read)).toEqual([
      "1234.5",
      "1,23",
      "12,34,567",
      "1234567",
    ]);
  });

  it("says nothing when it is empty or a missing token, and only then", () => {
    const read = cellReader({ decimal: ".", missing: ["NA", "?"] });
    expect([undefined, "", "NA", "?", "na", "0", "-"].map(read)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      "na",
      "0",
      "-",
    ]);
  });

  it("gives back any number written in a German way", () => {
    const read = cellReader({ decimal: ",", thousands: ".", missing: [] });
    fc.assert(
      fc.property(fc.double({ min: -1e12, max: 1e12, noNaN: true }), (value) => {
        const [whole, fraction] = value.toFixed(3).split(".");
        const written = `${whole!.replace(/\B(?=(\d{3})+$)/g, ".")},${fraction}`;
        expect(read(written)).toBe(value.toFixed(3));
      }),
      cases(),
    );
  });

  it("does not keep alive the payload that it was cut from", () => {
    const decoder = csv({ encoding: "latin1" });
    const payload = Buffer.from(`a device's long name,${"x".repeat(500_000)}`);
    const beforeBytes = heapBytes();
    // Kept as the engine keeps the names of devices.
    const names = Array.from({ length: 200 }, () => readWith(decoder, ["#1"], payload).records[0]![0]);
    expect(heapBytes() - beforeBytes).toBeLessThan(20_000_000);
    expect(new Set(names)).toEqual(new Set(["a device's long name"]));
  });

  it("is read in latin1 with its no-break space as a thousands mark", () => {
    const row = Buffer.from(`1163497985546 20 1${NO_BREAK_SPACE}000 21,21`, "latin1");
    const decoder = csv({
      separator: "whitespace",
      encoding: "latin1",
      decimal: ",",
      thousands: NO_BREAK_SPACE,
      fieldCount: 4,
    });
    expect(readWith(decoder, ["#3", "#4"], row).records).toEqual([["1000", "21.21"]]);
  });
});
