import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY_MS, daysFromCivil, daysInMonth } from "../../../src/model/civil.js";
import {
  isZone,
  localDayEnd,
  localDayStart,
  Zone,
  zoneNamed,
  zoneOffsetMs,
} from "../../../src/model/zone.js";
import { cases } from "../../helpers/cases.js";

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);

/** The local date and time by another road: the formatted parts of `Intl`. */
function wallByParts(zone: string, ms: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(ms);
  const part = (type: string): number => Number(parts.find((p) => p.type === type)!.value);
  const whole = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return whole + (((ms % 1000) + 1000) % 1000);
}

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/St_Johns",
  "America/Havana",
  "America/Sao_Paulo",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Asia/Shanghai",
  "Pacific/Apia",
  "Africa/Casablanca",
  "Africa/Monrovia",
];
const zones = fc.constantFrom(...ZONES);
const instants = fc.integer({ min: at("1971-01-01T00:00:00Z"), max: at("2045-01-01T00:00:00Z") });
const groups = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.nat())
  .map(([days, offset]) => ({ days, offsetDays: offset % days }));

describe("time zones", () => {
  it("agrees with formatted local times at any instant", () => {
    fc.assert(
      fc.property(zones, instants, (zone, ms) => {
        expect(ms + zoneOffsetMs(zone, ms)).toBe(wallByParts(zone, ms));
      }),
      cases(),
    );
  });

  it("finds the exact millisecond of a transition", () => {
    const spring = at("2026-03-29T01:00:00Z");
    expect(zoneOffsetMs("Europe/Berlin", spring - 1)).toBe(HOUR);
    expect(zoneOffsetMs("Europe/Berlin", spring)).toBe(2 * HOUR);
    const lordHowe = at("2026-04-04T15:00:00Z");
    expect(zoneOffsetMs("Australia/Lord_Howe", lordHowe - 1)).toBe(11 * HOUR);
    expect(zoneOffsetMs("Australia/Lord_Howe", lordHowe)).toBe(10.5 * HOUR);
  });

  it("finds a transition that lies on the edge of a block", () => {
    // Kwajalein leapt over the date line at 12:00Z, a multiple of six hours.
    const leap = at("1993-08-21T12:00:00Z");
    expect(zoneOffsetMs("Pacific/Kwajalein", leap - 1)).toBe(-12 * HOUR);
    expect(zoneOffsetMs("Pacific/Kwajalein", leap)).toBe(12 * HOUR);
  });

  it("reads local times back, the first of two, and none out of a gap", () => {
    fc.assert(
      fc.property(zones, instants, (name, ms) => {
        const zone = zoneNamed(name);
        const wall = wallByParts(name, ms);
        const back = zone.toUtc(wall);
        expect(wallByParts(name, back)).toBe(wall);
        expect(back).toBeLessThanOrEqual(ms);
        // Only a clock that was set back can make the same reading occur earlier.
        if (back < ms) expect(zone.offset(back)).toBeGreaterThan(zone.offset(ms));
      }),
      cases(),
    );
  });

  it("takes the daylight reading of an ambiguous hour and moves a time in a gap on by the gap", () => {
    const berlin = zoneNamed("Europe/Berlin");
    expect(berlin.toUtc(at("2026-10-25T02:30:00Z"))).toBe(at("2026-10-25T00:30:00Z"));
    expect(berlin.toUtc(at("2026-10-25T03:00:00Z"))).toBe(at("2026-10-25T02:00:00Z"));
    expect(berlin.toUtc(at("2026-03-29T02:30:00Z"))).toBe(at("2026-03-29T01:30:00Z"));
    const lordHowe = zoneNamed("Australia/Lord_Howe");
    expect(lordHowe.toUtc(at("2026-10-04T02:10:00Z"))).toBe(at("2026-10-03T15:40:00Z"));
    expect(lordHowe.toUtc(at("2026-04-05T01:45:00Z"))).toBe(at("2026-04-04T14:45:00Z"));
  });

  it("gives the same answers whatever was asked before", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ZONES.slice(1)),
        fc.array(instants, { minLength: 2, maxLength: 12 }),
        (name, list) => {
          const used = zoneNamed(name);
          for (const ms of list) {
            const fresh = new Zone(name);
            expect(used.offset(ms)).toBe(fresh.offset(ms));
            expect(used.toUtc(ms)).toBe(fresh.toUtc(ms));
            expect(used.dayStart(ms)).toBe(fresh.dayStart(ms));
            expect(used.dayEnd(ms, { days: 3 })).toBe(fresh.dayEnd(ms, { days: 3 }));
          }
        },
      ),
      cases(60),
    );
  });

  it("knows a zone by name only", () => {
    expect(isZone("Europe/Berlin")).toBe(true);
    expect(isZone("Europe/Brelin")).toBe(false);
    expect(isZone("")).toBe(false);
  });
});

describe("local days", () => {
  it("are 23 and 25 hours long where the clock changes, and half an hour off on Lord Howe", () => {
    const length = (zone: string, text: string): number =>
      localDayEnd(zone, localDayStart(zone, at(text))) - localDayStart(zone, at(text));
    expect(length("Europe/Berlin", "2026-03-29T12:00:00Z")).toBe(23 * HOUR);
    expect(length("Europe/Berlin", "2026-10-25T12:00:00Z")).toBe(25 * HOUR);
    expect(length("Europe/Berlin", "2026-06-01T12:00:00Z")).toBe(24 * HOUR);
    expect(length("Australia/Lord_Howe", "2026-10-04T00:00:00Z")).toBe(23.5 * HOUR);
    expect(length("Australia/Lord_Howe", "2026-04-05T00:00:00Z")).toBe(24.5 * HOUR);
  });

  it("leap over the date that Apia never had", () => {
    const leap = at("2011-12-30T10:00:00Z");
    expect(localDayStart("Pacific/Apia", leap - 1)).toBe(leap - DAY_MS);
    expect(localDayEnd("Pacific/Apia", leap - DAY_MS)).toBe(leap);
    expect(localDayStart("Pacific/Apia", leap)).toBe(leap);
    expect(localDayEnd("Pacific/Apia", leap)).toBe(leap + DAY_MS);
  });

  it("begin after a gap at midnight and at the first of two midnights", () => {
    expect(localDayStart("America/Sao_Paulo", at("2018-11-04T12:00:00Z"))).toBe(at("2018-11-04T03:00:00Z"));
    expect(localDayEnd("America/Sao_Paulo", at("2018-11-04T03:00:00Z"))).toBe(at("2018-11-05T02:00:00Z"));
    expect(localDayStart("America/Havana", at("2025-11-02T12:00:00Z"))).toBe(at("2025-11-02T04:00:00Z"));
  });

  it("do not end because a clock is set back over midnight", () => {
    // St John's until 2011 set clocks back from 00:01 to 23:01.
    const start = localDayStart("America/St_Johns", at("2010-11-07T12:00:00Z"));
    expect(start).toBe(at("2010-11-07T02:30:00Z"));
    expect(localDayStart("America/St_Johns", start + 30 * 60_000)).toBe(start);
  });

  it("partition time: each instant is in exactly the day that it is said to be in", () => {
    fc.assert(
      fc.property(zones, instants, groups, (zone, ms, group) => {
        const start = localDayStart(zone, ms, group);
        const end = localDayEnd(zone, start, group);
        expect(start).toBeLessThanOrEqual(ms);
        expect(end).toBeGreaterThan(ms);
        expect(localDayStart(zone, end, group)).toBe(end);
        expect(localDayStart(zone, end - 1, group)).toBe(start);
        expect(localDayEnd(zone, end - 1, group)).toBe(end);
      }),
      cases(),
    );
  });

  it("group from 1970-01-01, so that weeks align whenever the first reading comes", () => {
    const start = localDayStart("Asia/Shanghai", at("2026-01-14T00:00:00Z"), { days: 7 });
    expect((start + 8 * HOUR) % (7 * DAY_MS)).toBe(0);
    expect(localDayEnd("Asia/Shanghai", start, { days: 7 })).toBe(start + 7 * DAY_MS);
  });
});

describe("the calendar", () => {
  it("counts days as the platform does", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 9999 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 31 }),
        (year, month, day) => {
          expect(daysFromCivil(year, month, day) * DAY_MS).toBe(Date.UTC(year, month - 1, day));
          expect(daysInMonth(year, month)).toBe(new Date(Date.UTC(year, month, 0)).getUTCDate());
        },
      ),
      cases(),
    );
  });
});
