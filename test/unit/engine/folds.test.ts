import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/engine.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import type { FoldedKind, WindowDefinition } from "../../../src/model/window.js";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  newEngine,
  restored,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { JOURNEY, shuffled, travel } from "../../helpers/journey.js";
import { foldedOracle } from "../../oracle/folds.js";

const SECOND = 1_000;
const NAMES = ["count", "sum", "min", "max", "first", "last", "firstTime", "lastTime", "stddev"];
const AGGREGATES = [
  { field: 0, names: NAMES },
  { field: 1, names: ["count", "first", "last"] },
];

function definition(name: string, kind: FoldedKind, allowedLatenessMs: number): WindowDefinition {
  return { name, kind, allowedLatenessMs, aggregates: AGGREGATES };
}

/** The same, which also say early what they have. */
function early({ windows, ...rest }: EngineProfile): EngineProfile {
  const steps = new Map(["gap", "short", "five", "three", "mode"].map((name, i) => [name, (3 + i) * SECOND]));
  return { ...rest, windows: windows.map((window) => ({ ...window, earlyMs: steps.get(window.name) })) };
}

/** Event times span some minutes; nothing is too late. */
function profileOf(allowedLatenessMs: number): EngineProfile {
  return engineProfile({
    fields: [field("x", { range: [-100, 100] }), field("mode", { type: "string" })],
    windows: [
      definition(
        "gap",
        { type: "session", gapMs: 10 * SECOND, maxMs: Number.POSITIVE_INFINITY },
        allowedLatenessMs,
      ),
      definition("short", { type: "session", gapMs: 20 * SECOND, maxMs: 45 * SECOND }, allowedLatenessMs),
      definition("five", { type: "count", size: 5, maxAgeMs: Number.POSITIVE_INFINITY }, allowedLatenessMs),
      definition("three", { type: "count", size: 3, maxAgeMs: 12 * SECOND }, allowedLatenessMs),
      definition(
        "mode",
        { type: "state", source: "mode", of: (values) => values[1]!, names: undefined },
        allowedLatenessMs,
      ),
      definition(
        "high",
        { type: "sliding", sizeMs: 15 * SECOND, source: "x > 40.0", emit: ([x]) => (x as number) > 40 },
        allowedLatenessMs,
      ),
      tumbling("10s", 10 * SECOND, AGGREGATES, allowedLatenessMs),
    ],
  });
}

const reading = fc.record({
  device: fc.constantFrom("a", "b"),
  timeMs: fc.integer({ min: -80, max: 80 }).map((n) => n * 1_500),
  values: fc.tuple(
    fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: -600, max: 1_100 }).map((n) => n / 10) },
      { weight: 1, arbitrary: fc.constant(Number.NaN) },
    ),
    fc.constantFrom<string | number>("on", "off", "wait", Number.NaN),
  ),
});

const run = fc.record({
  // Of one time there is one reading: which of several comes first is the engine's own choice.
  readings: fc.uniqueArray(reading, {
    minLength: 1,
    maxLength: 60,
    selector: (r) => `${r.device} ${r.timeMs}`,
  }),
  ...JOURNEY,
});

describe("windows whose bounds follow from the readings", () => {
  it("are the oracle's for every order, every duplicate, every cut into blocks and every restart", () => {
    fc.assert(
      fc.property(run, fc.boolean(), ({ readings, ...journey }, isEarly) => {
        const profile = isEarly ? early(profileOf(3_600 * SECOND)) : profileOf(3_600 * SECOND);
        const arriving = shuffled(readings, journey);
        const { summaries } = travel(profile, arriving, journey);
        expect(truth(summaries)).toEqual(foldedOracle(profile, readings));
      }),
      cases(),
    );
  });

  it("are final at once without lateness, and the oracle's when readings come in order", () => {
    const profile = profileOf(0);
    fc.assert(
      fc.property(run, ({ readings, cut }) => {
        const engine = newEngine(profile);
        const sorted = [...readings].sort((a, b) => a.timeMs - b.timeMs);
        const summaries = inBlocks(engine, profile, sorted, () => cut.next().value as number);
        expect(summaries.every(({ revision, final }) => revision === 0 && final)).toBe(true);
        expect(truth(summaries)).toEqual(foldedOracle(profile, readings));
      }),
      cases(),
    );
  });

  it("are the oracle's when time goes on in small steps and in great ones, past the lateness", () => {
    fc.assert(
      fc.property(run, fc.boolean(), ({ readings, ...journey }, isEarly) => {
        const profile = isEarly ? early(profileOf(40 * SECOND)) : profileOf(40 * SECOND);
        const near = nearlySorted(readings, journey.order);
        const { summaries } = travel(profile, near, journey);
        expect(truth(summaries)).toEqual(foldedOracle(profile, readings));
      }),
      cases(),
    );
  });

  it("say after a restart at any block what they say without one", () => {
    fc.assert(
      fc.property(run, fc.boolean(), fc.boolean(), ({ readings, order, cut }, isEarly, isLate) => {
        const plain = profileOf(isLate ? 20 * SECOND : 0);
        const profile = isEarly ? early(plain) : plain;
        const near = nearlySorted(readings, order);
        const uninterrupted = newEngine(profile);
        let interrupted = newEngine(profile);
        const blocks = new BlockMaker(profile);
        for (let at = 0; at < near.length; ) {
          const size = cut.next().value as number;
          const block = blocks.block(near.slice(at, at + size));
          at += size;
          expect(interrupted.apply(block)).toEqual(uninterrupted.apply(block));
          interrupted = restored(interrupted, profile);
          expect(interrupted.counts()).toEqual(uninterrupted.counts());
        }
        expect(interrupted.flush()).toEqual(uninterrupted.flush());
      }),
      cases(),
    );
  });

  it("say the same however blocks are cut, also of readings that are too late for them and not for other windows", () => {
    const { windows, ...rest } = profileOf(3_600 * SECOND);
    const latenesses = [0, 12 * SECOND, 45 * SECOND, 3 * SECOND, 30 * SECOND, 8 * SECOND];
    const profile: EngineProfile = {
      ...rest,
      windows: windows.map((window, i) => ({
        ...window,
        allowedLatenessMs: latenesses[i] ?? window.allowedLatenessMs,
      })),
    };
    let partlyLate = 0;
    fc.assert(
      fc.property(run, fc.boolean(), ({ readings, ...journey }, near) => {
        const arriving = near ? nearlySorted(readings, journey.order) : shuffled(readings, journey);
        const { summaries, engine } = travel(profile, arriving, journey);
        const oneByOne = newEngine(profile);
        expect(truth(inBlocks(oneByOne, profile, arriving, () => 1))).toEqual(truth(summaries));
        expect(engine.counts()).toEqual(oneByOne.counts());
        for (const counts of engine.counts()) partlyLate += counts.partlyLate;
      }),
      cases(),
    );
    expect(partlyLate).toBeGreaterThan(0);
  });

  it("say early what the oracle says of the readings before the watermark", () => {
    const profile = early(profileOf(0));
    let said = 0;
    fc.assert(
      fc.property(run, ({ readings }) => {
        const engine = newEngine(profile);
        const blocks = new BlockMaker(profile);
        const sorted = readings.filter(({ device }) => device === "a").sort((a, b) => a.timeMs - b.timeMs);
        for (const [i, each] of sorted.entries()) {
          const summaries = engine.apply(blocks.block([each]));
          const oracle = foldedOracle(profile, sorted.slice(0, i));
          for (const summary of summaries.filter(({ final, window: { name } }) => !final && name !== "10s")) {
            expect(bodyOf(summary)).toEqual(oracle.get(keyOf(summary)));
            said++;
          }
        }
      }),
      cases(),
    );
    expect(said).toBeGreaterThan(0);
  });

  it("are counted as open from when the watermark is past their first reading until they are final", () => {
    const gap: FoldedKind = { type: "session", gapMs: 10 * SECOND, maxMs: Number.POSITIVE_INFINITY };
    const fields = [field("x"), field("mode", { type: "string" })];
    const profile = engineProfile({ fields, windows: [definition("gap", gap, 20 * SECOND)] });
    const engine = newEngine(profile);
    const blocks = new BlockMaker(profile);
    const open = (...seconds: number[]) => {
      const readings = seconds.map((s) => ({ device: "a", timeMs: s * SECOND, values: [s, "on"] }));
      const said = engine.apply(blocks.block(readings)).map(({ final }) => (final ? "final" : "on time"));
      return [...said, engine.counts()[0]!.openWindows];
    };
    expect(open(0, 5)).toEqual([1]);
    expect(open(16)).toEqual(["on time", 1]);
    expect(open(20)).toEqual([2]);
    expect(open(45)).toEqual(["final", "on time", 1]);
    expect(open(90)).toEqual(["final", "final", 0]);
  });
});

/** Each less than half a minute late. */
function nearlySorted(readings: readonly TestReading[], order: Iterator<number>): TestReading[] {
  return readings
    .map((r) => ({ r, key: r.timeMs + ((order.next().value as number) % 30) * SECOND }))
    .sort((a, b) => a.key - b.key)
    .map(({ r }) => r);
}

function inBlocks(
  engine: Engine,
  profile: EngineProfile,
  readings: readonly TestReading[],
  size: () => number,
): Summary[] {
  const blocks = new BlockMaker(profile);
  const summaries: Summary[] = [];
  for (let at = 0; at < readings.length; ) {
    const count = size();
    summaries.push(...engine.apply(blocks.block(readings.slice(at, at + count))));
    at += count;
  }
  return [...summaries, ...engine.flush()];
}

/** What a receiver has in the end: of each id the highest revision, if it was not taken back. */
function truth(summaries: readonly Summary[]): Map<string, string> {
  const newest = new Map<string, Summary>();
  for (const summary of summaries) {
    if (summary.window.name === "10s") continue;
    const before = newest.get(summary.id);
    expect(summary.revision, summary.id).toBe((before?.revision ?? -1) + 1);
    // A window that was taken back may turn out to be there after all.
    expect(before?.final === true && before.retracted === undefined, `${summary.id} goes on`).toBe(false);
    newest.set(summary.id, summary);
  }
  const bodies = new Map<string, string>();
  for (const summary of newest.values()) {
    const { id, final, retracted } = summary;
    expect(final, `${id} is final`).toBe(true);
    if (retracted) continue;
    bodies.set(keyOf(summary), bodyOf(summary));
  }
  return bodies;
}

/** As `foldedOracle` has it. */
function keyOf({ id, device, window }: Summary): string {
  return `${device}/${window.name}/${Date.parse(window.start!)}${/\+\d+$/.exec(id)?.[0] ?? ""}`;
}

function bodyOf({ window, fields }: Summary): string {
  return JSON.stringify({ end: new Date(window.end!).toISOString(), fields: JSON.stringify(fields) });
}
