import { describe, expect, it } from "vitest";
import { createCounters } from "../../../src/observe/counters.js";

describe("counters", () => {
  it("count an event by its labels and not by what else it carries", () => {
    const counters = createCounters();
    counters.count("reading-rejected", { reason: "late", device: "a", detail: "1" });
    counters.count("reading-rejected", { reason: "late", device: "b", detail: "2" });
    counters.count("reading-rejected", { reason: "invalid", device: "a" });
    expect(counters.snapshot()).toEqual([
      { name: "reading-rejected", labels: { reason: "late" }, value: 2 },
      { name: "reading-rejected", labels: { reason: "invalid" }, value: 1 },
    ]);
  });

  it("stay bounded under labels without end, and lose no count", () => {
    const counters = createCounters({ seriesPerEventMax: 8 });
    const keys = new Set<string>();
    for (let i = 0; i < 10_000; i++) keys.add(counters.count("e", { source: `s${i}` }));
    const samples = counters.snapshot();
    expect(samples).toHaveLength(8);
    expect(keys.size).toBe(8);
    expect(samples.at(-1)).toEqual({ name: "e", labels: { source: "other" }, value: 10_000 - 7 });
    expect(samples.reduce((sum, sample) => sum + sample.value, 0)).toBe(10_000);
  });

  it("cannot be confused by labels that look like each other's parts", () => {
    const counters = createCounters();
    counters.count("e", { source: 'a","target', target: "b" });
    counters.count("e", { source: "a", target: 'target","b' });
    counters.count("e", { source: 7, __proto__: { target: "x" } });
    expect(counters.snapshot().map((sample) => sample.value)).toEqual([1, 1, 1]);
  });
});
