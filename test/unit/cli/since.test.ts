import { describe, expect, it } from "vitest";
import { parseSince } from "../../../src/cli/since.js";

const NOW = Date.parse("2026-01-14T12:00:00Z");

describe("--since", () => {
  it("takes how long ago, a time with its zone, or a date", () => {
    expect(parseSince("2h", NOW)).toBe(NOW - 7_200_000);
    expect(parseSince("1h30m", NOW)).toBe(NOW - 5_400_000);
    expect(parseSince("2026-01-14T13:00:00+01:00", NOW)).toBe(NOW);
    expect(parseSince("2026-01-14T12:00:00.250Z", NOW)).toBe(NOW + 250);
    expect(parseSince("2026-01-14", NOW)).toBe(NOW - 43_200_000);
  });

  it("refuses what could mean several times, with an example", () => {
    for (const text of ["yesterday", "", "12", "2026-01-14T12:00:00", "01/14/2026", "-2h", "2026-13-01"]) {
      expect(() => parseSince(text, NOW)).toThrow(expect.objectContaining({ code: "bad-usage" }));
    }
  });
});
