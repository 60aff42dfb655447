import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { AccumulatedField } from "../../../src/aggregate/aggregate.js";
import { allAggregates, findAggregate } from "../../../src/aggregate/catalog.js";
import { LIMITS } from "../../../src/model/limits.js";
import { engineProfile, field, tumbling } from "../../helpers/engine.js";
import { linesOf, withPartials } from "../../helpers/merging.js";

const PAGE = readFileSync(new URL("../../../src/model/PARTIALS.md", import.meta.url), "utf8");

describe("the page about partials", () => {
  it("shows what the engine writes, byte for byte", () => {
    const shown = /```json\n([\s\S]*?)\n```/.exec(PAGE)![1]!.replaceAll(/\n */g, "");
    const atMs = Date.UTC(2026, 0, 14, 12);
    const windows = [
      tumbling("1m", 60_000, [
        { field: 0, names: ["max", "p95"] },
        { field: 1, names: ["count", "mean", "timeAverage"] },
      ]),
    ];
    const fields = [
      field("co2", { unit: "ppm", type: "int", resolution: 1 }),
      field("temperature", { unit: "Cel" }),
    ];
    const lines = linesOf(withPartials(engineProfile({ id: "office-air", fields, windows })), "gw-1", [
      { device: "office", timeMs: atMs - 20_000, values: [810, 21.3] },
      { device: "office", timeMs: atMs + 10_000, values: [812, 21.4] },
      { device: "office", timeMs: atMs + 40_000, values: [815, 21.7] },
    ]);
    expect(lines.at(-1)).toBe(shown);
  });

  it("documents every accumulator that an aggregate needs, and the limits of theirs", () => {
    const any: AccumulatedField = {
      type: "int",
      resolution: undefined,
      periodMs: 1,
      counter: { rollover: undefined },
      other: () => ({ place: 0, meaning: "" }),
    };
    const names = allAggregates().flatMap(({ name }) => {
      const aggregate = findAggregate(name) ?? findAggregate(name.replace(/N$/, "50"));
      return aggregate === undefined ? [] : aggregate.needs(any).map((each) => each.name);
    });
    const needed = new Set(names.map((name) => name.replace(/\(.*/, "")));
    expect([...needed].filter((name) => !new RegExp(`^\\| .*\`${name}[\`(].*\\|`, "m").test(PAGE))).toEqual(
      [],
    );
    expect(needed.size).toBeGreaterThanOrEqual(17);
    expect(PAGE).toContain(`more than ${LIMITS.countedValuesMax} different ones`);
    expect(PAGE).toContain(`into ${LIMITS.histogramBucketsMax}\nbuckets of either sign`);
  });
});
