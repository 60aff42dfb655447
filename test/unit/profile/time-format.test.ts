import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileTimeFormat, TIME_FORMATS } from "../../../src/profile/time-format.js";
import { TIME_DIRECTIVES } from "../../../src/profile/time-pattern.js";
import { cases } from "../../helpers/cases.js";

const read = (format: string, raw: unknown, zone = "UTC"): number => compileTimeFormat(format, zone)(raw);
const at = (text: string): number => Date.parse(text);

describe("epoch times", () => {
  it("cut digits below the millisecond off instead of rounding into the next window", () => {
    expect(read("epoch-s", 1672867882.1739)).toBe(1_672_867_882_173);
    expect(read("epoch-s", "299.9996")).toBe(299_999);
    expect(read("epoch-us", 1_672_867_882_173_999)).toBe(1_672_867_882_173);
    expect(read("epoch-ns", "1672867882173000000")).toBe(1_672_867_882_173);
  });

  it("reads every whole millisecond back, whatever the unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: -2e12, max: 4e12 }), (ms) => {
        expect(read("epoch-s", ms / 1000)).toBe(ms);
        expect(read("epoch-s", String(ms / 1000))).toBe(ms);
        expect(read("epoch-ms", ms)).toBe(ms);
        expect(read("epoch-us", `${ms}000`)).toBe(ms);
        expect(read("epoch-ns", ms * 1e6)).toBe(ms);
      }),
      cases(),
    );
  });

  it("takes no text that only Number takes for a number, and no year beyond 9999", () => {
    for (const raw of ["", " ", "0x10", "Infinity", "NaN", "12a", null, undefined, true, {}, "1e999"]) {
      expect(read("epoch-ms", raw), String(raw)).toBeNaN();
    }
    expect(read("epoch-s", 1_672_867_882_173)).toBeNaN();
    expect(read("epoch-s", -1e11)).toBeNaN();
  });
});

describe("ISO times", () => {
  it("agree with the platform for every instant, fraction and offset", () => {
    const instant = fc.integer({ min: at("0100-01-01T00:00:00Z"), max: at("9999-12-30T00:00:00Z") });
    fc.assert(
      fc.property(instant, fc.integer({ min: -23 * 60, max: 23 * 60 }), (ms, minutes) => {
        const z = new Date(ms).toISOString();
        expect(read("iso", z)).toBe(ms);
        const sign = minutes < 0 ? "-" : "+";
        const pad = (n: number): string => String(Math.abs(n)).padStart(2, "0");
        const offset = `${sign}${pad(Math.trunc(minutes / 60))}:${pad(minutes % 60)}`;
        const shifted = new Date(ms + minutes * 60_000).toISOString().slice(0, -1) + offset;
        expect(read("iso", shifted)).toBe(ms);
        expect(read("iso", shifted.replace("T", " "))).toBe(ms);
        expect(read("local-iso", shifted, "Asia/Tokyo")).toBe(ms);
      }),
      cases(),
    );
  });

  it("reads spellings that devices have", () => {
    const noon = at("2026-01-14T12:00:00Z");
    for (const text of [
      "2026-01-14T12:00Z",
      "2026-01-14t12:00:00z",
      "2026-01-14 13:00:00+01",
      "2026-01-14T13:00:00+0100",
      "2026-01-14T12:00:00.000999Z",
      "2026-01-14T12:00:00,0Z",
    ]) {
      expect(read("iso", text), text).toBe(noon);
    }
    expect(read("iso", "2026-01-14T24:00:00Z")).toBe(at("2026-01-15T00:00:00Z"));
  });

  it("makes a leap second the start of the next second", () => {
    expect(read("iso", "2016-12-31T23:59:60Z")).toBe(at("2017-01-01T00:00:00Z"));
    expect(read("iso", "2016-12-31T23:59:60.7Z")).toBe(at("2017-01-01T00:00:00Z"));
  });

  it.each([
    "2026-01-14T12:00:00",
    "2026-1-14T12:00:00Z",
    "2026-02-29T12:00:00Z",
    "2026-00-14T12:00:00Z",
    "2026-01-14T25:00:00Z",
    "2026-01-14T24:00:01Z",
    "2026-01-14T12:60:00Z",
    "2026-01-14T12:00:61Z",
    "2026-01-14T12:00:00.Z",
    "2026-01-14T12:00:00Zx",
    "2026-01-14T12:00:00+24:00",
    "2026-01-14T12:00:00+01:60",
    "2026-01-14T12:00:-1Z",
    "2O26-01-14T12:00:00Z",
    "0000-01-14T12:00:00Z",
    "",
  ])("does not guess at %s", (text) => {
    expect(read("iso", text)).toBeNaN();
  });

  it("never throws, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom(...Object.keys(TIME_FORMATS), "%Y-%m-%d %H:%M:%S"),
        (text, f) => {
          const ms = read(f, text, "Europe/Berlin");
          expect(Number.isNaN(ms) || Number.isInteger(ms)).toBe(true);
        },
      ),
      cases(),
    );
  });
});

describe("local times", () => {
  it("are read in the zone, the daylight reading of an ambiguous hour, gaps moved on", () => {
    expect(read("local-iso", "2026-01-14T12:00:01", "Europe/Berlin")).toBe(at("2026-01-14T11:00:01Z"));
    expect(read("local-iso", "2026-10-25T02:30:00", "Europe/Berlin")).toBe(at("2026-10-25T00:30:00Z"));
    expect(read("local-iso", "2026-03-29T02:30:00", "Europe/Berlin")).toBe(at("2026-03-29T01:30:00Z"));
    expect(read("local-iso", "2026-07-01T12:00:00.25", "Asia/Kathmandu")).toBe(at("2026-07-01T06:15:00.25Z"));
  });
});

describe("time patterns", () => {
  it.each([
    ["%d.%m.%Y %H:%M", "14.1.2026 12:05", "2026-01-14T12:05:00Z"],
    ["%Y%m%d%H%M%S", "20260114120501", "2026-01-14T12:05:01Z"],
    ["%y%m%d%H%M%S", "690114120501", "1969-01-14T12:05:01Z"],
    ["%Y-%j %T.%f", "2024-366 23:59:59.987654", "2024-12-31T23:59:59.987Z"],
    ["%d/%b/%Y:%H:%M:%S %z", "14/Jan/2026:12:05:01 +0130", "2026-01-14T10:35:01Z"],
    ["%A, %e %B %Y %I:%M %p", "Wednesday,  4 September 2026 12:05 am", "2026-09-04T00:05:00Z"],
    ["%D %I%p", "01/14/26 12PM", "2026-01-14T12:00:00Z"],
    ["%s.%f", "-1.250", "1969-12-31T23:59:58.750Z"],
    ["%F %R", "2026-01-14   12:05  ", "2026-01-14T12:05:00Z"],
    ["%Y-%m-%d-%H", "2013-3-1-0", "2013-03-01T00:00:00Z"],
    ["%Y-%m-%dT%H:%M:%S%z", "2026-01-14T12:05:01Z", "2026-01-14T12:05:01Z"],
    ["100%% %F", "100% 2026-01-14", "2026-01-14T00:00:00Z"],
    ["%F %T", "2016-12-31 23:59:60", "2017-01-01T00:00:00Z"],
  ])("%s reads %s", (format, text, expected) => {
    expect(read(format, text)).toBe(at(expected));
  });

  it("takes a number that is a date, and the zone of the profile", () => {
    expect(read("%Y%m%d", 20_260_114, "Asia/Shanghai")).toBe(at("2026-01-13T16:00:00Z"));
  });

  it.each([
    ["%F", "2026-02-29"],
    ["%F", "2026-13-01"],
    ["%F", "2026-01-14x"],
    ["%F", "x2026-01-14"],
    ["%Y-%j", "2026-366"],
    ["%Y-%j", "2026-0"],
    ["%F %I %p", "2026-01-14 13 PM"],
    ["%F %I %p", "2026-01-14 00 AM"],
    ["%d %b %Y", "14 Jum 2026"],
    ["%F %z", "2026-01-14 +1"],
    ["%F %T", "2026-01-14 12:00"],
  ])("%s does not read %s", (format, text) => {
    expect(read(format, text)).toBeNaN();
  });

  it.each(["%H:%M:%S", "%Y-%m", "%Y-%m-%d %Q", "%Y-%m-%d %I:%M", "%Y-%m-%d %", "iso8601", ""])(
    "refuses the format %j when the profile is loaded",
    (format) => {
      expect(() => compileTimeFormat(format, "UTC")).toThrow(
        expect.objectContaining({ code: "bad-time-format", hint: expect.any(String) }),
      );
    },
  );

  it("documents every directive it knows", () => {
    for (const directive of Object.keys(TIME_DIRECTIVES)) {
      expect(() =>
        compileTimeFormat(
          `%s ${directive}${directive === "%I" ? "%p" : directive === "%p" ? "%I" : ""}`,
          "UTC",
        ),
      ).not.toThrow();
    }
  });
});
