import { describe, expect, it } from "vitest";
import { createCleaner } from "../../../src/engine/clean.js";
import type { CleanRule } from "../../../src/model/profile.js";
import { MISSING } from "../../../src/model/reading.js";
import { BlockMaker, engineProfile, field, newEngine } from "../../helpers/engine.js";

function clean(rule: CleanRule["action"], value: number, outside: CleanRule["outside"] = "plausible") {
  const cleaner = createCleaner(
    engineProfile({
      fields: [field("x", { range: [-100, 100], plausible: [0, 50] }), field("y")],
      clean: [{ fields: [0], outside, action: rule }],
    }),
  );
  const values = [value, 7];
  const fates: number[] = [];
  return { reason: cleaner.clean(values, fates), values, fates: fates.length };
}

describe("cleaning", () => {
  it.each([
    ["drop", "implausible", 60],
    ["null", undefined, MISSING],
    ["clamp", undefined, 50],
    ["flag", undefined, 60],
  ] as const)("with do: %s of an implausible value ends as %s", (action, reason, kept) => {
    const outcome = clean(action, 60);
    expect(outcome.reason).toBe(reason);
    expect(outcome.values[0]).toBe(kept);
    expect(outcome.values[1]).toBe(7);
  });

  it("removes an impossible value and keeps the rest of the reading, unless a rule says otherwise", () => {
    expect(clean("flag", 500)).toEqual({ reason: undefined, values: [MISSING, 7], fates: 1 });
    expect(clean("drop", 500, "range").reason).toBe("outOfRange");
    expect(clean("clamp", -500, "range").values[0]).toBe(-100);
  });

  it("leaves bounds themselves alone: they are inclusive", () => {
    for (const value of [0, 50]) expect(clean("drop", value)).toMatchObject({ reason: undefined, fates: 0 });
    for (const value of [-100, 100])
      expect(clean("drop", value, "range")).toMatchObject({ reason: undefined });
  });

  it.each([Number.POSITIVE_INFINITY, 1e121, -1e300])("takes %d for impossible in any field", (value) => {
    const cleaner = createCleaner(engineProfile());
    expect(cleaner.clean([value], [])).toBe("outOfRange");
  });

  it("calls a reading without any value empty", () => {
    expect(createCleaner(engineProfile()).clean([MISSING], [])).toBe("empty");
  });

  it("computes from cleaned values, so that an impossible one does not live on in another field", () => {
    const double = field("double", { compute: ([x]) => (x as number) * 2 });
    const cleaner = createCleaner(
      engineProfile({ fields: [field("x", { range: [0, 10] }), double, field("z")] }),
    );
    const values = [99, MISSING, 1];
    cleaner.clean(values, []);
    expect(values).toEqual([MISSING, MISSING, 1]);
  });

  it("shows in the quality of the window which field lost values and why", () => {
    const profile = engineProfile({ fields: [field("x", { range: [0, 10] }), field("y")] });
    const engine = newEngine(profile);
    engine.apply(new BlockMaker(profile).block([{ timeMs: 0, values: [99, 1] }]));
    expect(engine.flush()[0]?.quality).toEqual({
      received: 1,
      accepted: 1,
      fields: { x: { outOfRange: 1 } },
    });
  });
});

describe("duplicates", () => {
  const twice = (
    rest: Parameters<typeof engineProfile>[0],
    second: { value?: number; key?: string; arrivalMs?: number },
  ) => {
    const profile = engineProfile(rest);
    const engine = newEngine(profile);
    const blocks = new BlockMaker(profile);
    const first = {
      timeMs: 1_000,
      values: [5],
      arrivalMs: 0,
      ...(second.key === undefined ? {} : { key: "k" }),
    };
    engine.apply(blocks.block([first]));
    const again = { ...first, ...second, values: [second.value ?? 5] };
    engine.apply(blocks.block([again]));
    return engine.counts()[0]!;
  };

  it("are the same time and the same values; other values at that time are kept and counted as conflicting", () => {
    expect(twice({}, {})).toMatchObject({ accepted: 1, rejected: { duplicate: 1 }, conflicting: 0 });
    expect(twice({}, { value: 6 })).toMatchObject({ accepted: 2, rejected: {}, conflicting: 1 });
  });

  it("are the same time alone where the profile wants the first to win", () => {
    const rule = { by: "time", conflicting: "first" } as const;
    expect(twice({ duplicates: rule }, { value: 6 })).toMatchObject({
      accepted: 1,
      rejected: { duplicate: 1 },
    });
  });

  it("by key count from the first sighting, to the end of the time to live and not beyond", () => {
    const duplicates = { by: "key", ttlMs: 300_000 } as const;
    const seen = (arrivalMs: number, key = "k") =>
      twice({ duplicates }, { value: 9, key, arrivalMs }).accepted;
    expect([seen(300_000), seen(300_001), seen(1, "other")]).toEqual([1, 2, 2]);
  });
});
