import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseStyle } from "../../../src/demo/style.js";
import { renderNote, renderRows, renderTotals } from "../../../src/demo/table.js";
import { View } from "../../../src/demo/view.js";
import type { Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";

const START = "2026-01-14T12:00:00Z";
const NOW_MS = Date.parse("2026-01-14T12:00:07Z");
const plain = chooseStyle(false, {});
const colour = chooseStyle(true, {});

function summary(change: Partial<Summary> = {}): Summary {
  const device = change.device ?? "boiler-3";
  return {
    id: `g/generic-json/${encodeURIComponent(device)}/5s/${change.window?.start ?? START}`,
    revision: 0,
    final: false,
    gateway: "g",
    device,
    profile: "generic-json@1.0.0",
    window: { name: "5s", kind: "tumbling", start: START, end: "2026-01-14T12:00:05Z" },
    fields: {
      temperature: { unit: "Cel", count: 10, mean: 61.5, min: 60, max: 63, last: 62 },
      state: { count: 10, last: "heating" },
    },
    quality: { received: 10, accepted: 10 },
    ...change,
  };
}

function counts(device: string, rejected = {}) {
  const profile = "generic-json";
  const byDevice = [
    {
      ...{ profile, device, received: 12, accepted: 10, rejected },
      ...{ waiting: 0, partlyLate: 0, conflicting: 0, lastTimeMs: NOW_MS, openWindows: 1 },
    },
  ];
  return { received: 12, accepted: 10, rejected, byDevice };
}

describe("the table of the demo", () => {
  it("says what went upstream, and what was rejected and why", () => {
    const view = new View();
    view.takeSummary(summary());
    view.takeStatus(counts("boiler-3", { duplicate: 2 }));
    const [heading, row] = renderRows(view.rows, { width: 120, nowMs: NOW_MS, style: plain });
    expect(heading).toMatch(/^DEVICE +WINDOW +REV +MEAN/);
    expect(row).toMatch(
      /^boiler-3 +12:00:00 +0 {2}temperature 61\.5 °C \(60…63\) {2}state heating +10 {2}2 duplicate$/,
    );
    expect(renderTotals(view, { width: 120, nowMs: NOW_MS, style: plain })).toEqual([
      "12 readings received = 10 accepted + 2 rejected: 2 duplicate",
      "1 summaries upstream, 0 of them changed by late readings",
    ]);
  });

  it("shows a device that is expected and silent, and one that has fallen silent", () => {
    const view = new View();
    view.expect({ device: "boiler-3", profile: "generic-json" });
    const options = { width: 120, nowMs: NOW_MS, style: plain };
    expect(renderRows(view.rows, options)[1]).toBe("boiler-3  open");
    view.takeSummary(summary());
    view.takeStatus(counts("boiler-3"));
    expect(renderRows(view.rows, { ...options, nowMs: NOW_MS + 12_000 })[1]).toContain("silent 12s");
  });

  it("never is wider than the terminal, whatever devices are called and however narrow it is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 60 }), { maxLength: 6 }),
        fc.integer({ min: 50, max: 220 }),
        fc.dictionary(fc.constantFrom("duplicate", "late", "outOfRange"), fc.nat({ max: 1e9 })),
        (names, width, rejected) => {
          const view = new View();
          for (const device of names) {
            view.takeSummary(summary({ device }));
            view.takeStatus(counts(device, rejected));
          }
          const options = { width, nowMs: NOW_MS, style: colour };
          const note = renderNote({ atMs: NOW_MS, who: names[0] ?? "", text: "x".repeat(300) }, options);
          for (const line of [...renderRows(view.rows, options), ...renderTotals(view, options), note]) {
            expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(width);
          }
        },
      ),
      cases(),
    );
  });

  it("lets no device move the cursor or colour the terminal", () => {
    const view = new View();
    const device = "\x1b[2J\u202eevil\n";
    view.takeSummary(summary({ device, fields: { state: { count: 1, last: "\x1b[31m\r" } } }));
    view.takeStatus(counts(device));
    const options = { width: 120, nowMs: NOW_MS, style: plain };
    const note = renderNote({ atMs: NOW_MS, who: device, text: "\x07" }, options);
    for (const line of [...renderRows(view.rows, options), note]) expect(line).not.toMatch(/\p{C}/u);
  });

  it("says when late readings have changed a window, and not when it only became final", () => {
    const view = new View();
    expect(view.takeSummary(summary())).toBeUndefined();
    expect(view.takeSummary(summary({ revision: 1, final: true }))).toBeUndefined();
    const fields = { temperature: { unit: "Cel", count: 14, mean: 61, min: 59, max: 63, last: 62 } };
    expect(view.takeSummary(summary({ revision: 2, fields }))).toBe(
      "window 12:00:00 revised: temperature 61.5 → 61 °C, 10 → 14 readings",
    );
    expect([view.summaries, view.revised]).toEqual([3, 1]);
  });

  it("keeps the newest window of a device when an older one is revised", () => {
    const view = new View();
    const window = { name: "5s", kind: "tumbling", start: "2026-01-14T12:00:05Z" };
    view.takeSummary(summary({ window }));
    view.takeSummary(summary({ revision: 1 }));
    expect(view.rows.map(({ latest }) => latest?.window.start)).toEqual([window.start]);
  });

  it("is coloured only on a terminal, and not for who does not want that", () => {
    expect(colour.bold("x")).not.toBe("x");
    for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }])
      expect(chooseStyle(true, env).bold("x")).toBe("x");
    expect(chooseStyle(true, { NO_COLOR: "" }).bold("x")).not.toBe("x");
    expect(plain.warn("x")).toBe("x");
  });
});
