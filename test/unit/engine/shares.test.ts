import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import { encodeGroups, restoreGroup } from "../../../src/engine/group-codec.js";
import type { Block } from "../../../src/model/block.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { isFolded, type WindowDefinition } from "../../../src/model/window.js";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  hopping,
  recordsOf,
  StoredSlices,
  tumbling,
} from "../../helpers/engine.js";

/**
 * A device that has more to say than one share is for: after a long silence, when its definition changes, or when its
 * time begins anew.
 */
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const NAMES = ["count", "sum", "min", "last", "timeAverage", "transitions"];
const AGGREGATES = [{ field: 0, names: NAMES }];

function kinds(latenessMs: number, foldsEarlyMs: number | undefined): readonly WindowDefinition[] {
  const common = { allowedLatenessMs: latenessMs, aggregates: AGGREGATES };
  return [
    { ...tumbling("10s", 10 * SECOND, AGGREGATES, latenessMs), earlyMs: 4 * SECOND },
    { ...tumbling("5s", 5 * SECOND, AGGREGATES, latenessMs), fill: "linear" },
    hopping("over", [20 * SECOND, 5 * SECOND], AGGREGATES, latenessMs),
    { ...common, name: "gap", kind: { type: "session", gapMs: 8 * SECOND, maxMs: 40 * SECOND }, earlyMs: foldsEarlyMs },
    { ...common, name: "two", kind: { type: "count", size: 2, maxAgeMs: 30 * SECOND } },
    { ...common, name: "state", kind: { type: "state", source: "x", of: (values) => values[0]!, names: undefined }, earlyMs: foldsEarlyMs },
    { ...common, name: "high", kind: { type: "sliding", sizeMs: 15 * SECOND, source: "x > 5", emit: ([x]) => (x as number) > 5 } },
    { ...common, name: "all", kind: { type: "global" } },
  ]; // biome-ignore format: a table
}

const profile = fc
  .record({
    latenessMs: fc.constantFrom(0, 30 * SECOND, 10 * MINUTE),
    outOfOrdernessMs: fc.constantFrom(0, 20 * SECOND),
    mask: fc.integer({ min: 1, max: 255 }),
    foldsEarlyMs: fc.constantFrom(undefined, 4 * SECOND),
  })
  .map(({ latenessMs, outOfOrdernessMs, mask, foldsEarlyMs }) =>
    engineProfile({
      fields: [field("x", { range: [0, 10] }), field("y")],
      time: { ...engineProfile().time, outOfOrdernessMs, maxFutureMs: 2 * MINUTE, idleTimeoutMs: 2 * MINUTE },
      windows: kinds(latenessMs, foldsEarlyMs).filter((_, i) => (mask & (1 << i)) !== 0),
    }),
  );

const groups: readonly GroupDefinition[] = [
  {
    name: "both",
    members: {},
    windows: [
      {
        name: "10s",
        kind: { type: "tumbling", sizeMs: 10 * SECOND, offsetMs: 0 },
        allowedLatenessMs: MINUTE,
        fields: { "*": ["count", "sum", "min"] },
      },
      {
        name: "5s",
        kind: { type: "tumbling", sizeMs: 5 * SECOND, offsetMs: 0 },
        allowedLatenessMs: MINUTE,
        fields: { "*": ["count", "sum"] },
        fill: "linear",
      },
    ],
  },
];

const step = fc.record({
  device: fc.constantFrom("a", "b"),
  /** Mostly on, or a little back; now and then far on. */
  stepMs: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -4, max: 6 }).map((n) => n * 2 * SECOND) },
    { weight: 1, arbitrary: fc.constantFrom(15 * MINUTE, -MINUTE) },
  ),
  hasOwnTime: fc.integer({ min: 0, max: 7 }).map((n) => n > 0),
  x: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 10 }) },
    { weight: 1, arbitrary: fc.constant(Number.NaN) },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const run = fc.record({
  of: profile,
  steps: fc.array(step, { minLength: 1, maxLength: 80 }),
  grouped: fc.boolean(),
  shareMax: fc.integer({ min: 1, max: 5 }),
  summariesMax: fc.integer({ min: 1, max: 12 }),
  cut: fc.infiniteStream(fc.integer({ min: 1, max: 20 })),
  restart: fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
  waitMs: fc.infiniteStream(fc.constantFrom(SECOND, SECOND, 3 * MINUTE)),
});
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

function engineOf(of: EngineProfile, grouped: boolean): Engine {
  const reader = new StoredSlices();
  const engine = new Engine({ gateway: "gw", devicesMax: 10, residency: { reader } });
  engine.redefine({ profiles: [of], groups: grouped ? groups : [] });
  return engine;
}

/** The engine after a restart at which every device was stored. */
function reborn(engine: Engine, of: EngineProfile): Engine {
  const reader = new StoredSlices();
  const next = new Engine({ gateway: "gw", devicesMax: 10, residency: { reader } });
  next.redefine({ profiles: [of], groups: engine.groups.shapes.definitions });
  for (const record of encodeGroups(engine.groups, engine.sequence, (name) => `g${name}`)) {
    restoreGroup(next.groups, record);
  }
  for (const device of engine.profileState(of.id)!.devices.values()) {
    reader.adopt(next, recordsOf(device, engine.sequence));
  }
  next.resumeAt(engine.sequence);
  return next;
}

/** Readings in blocks, with a tick in each. */
function* blocksOf({ of, steps, shareMax, cut, waitMs }: Run): Generator<Omit<Block, "sequence">> {
  const maker = new BlockMaker(of);
  const timesMs = new Map<string, number>();
  let processingMs = 0;
  for (let at = 0; at < steps.length; ) {
    const part: readonly Step[] = steps.slice(at, at + cut.next().value);
    at += part.length;
    processingMs += waitMs.next().value;
    const readings = part.map(({ device, stepMs, hasOwnTime, x }) => {
      const timeMs = (timesMs.get(device) ?? 0) + stepMs;
      timesMs.set(device, timeMs);
      // By a clock that is set back, now and then, by as much as a step goes on.
      return { device, timeMs: hasOwnTime ? timeMs : Number.NaN, arrivalMs: timeMs - MINUTE, values: [x, 0] };
    });
    yield maker.block(readings, { processingMs, tick: true, shareMax });
  }
}

/** What an engine says that does it in shares, and the blocks that this took. */
function inShares(of: Run): { readonly said: Summary[]; readonly blocks: Block[] } {
  let engine = engineOf(of.of, of.grouped);
  const blocks: Block[] = [];
  const said: Summary[] = [];
  for (const block of blocksOf(of)) {
    let { groups: left, tick } = block;
    do {
      const part = engine.applyPart({ ...block, groups: left, tick, sequence: engine.sequence + 1 }, of.summariesMax);
      blocks.push(part.begun);
      said.push(...part.summaries);
      left = part.left;
      tick &&= !part.begun.tick;
      if (of.restart.next().value === 0) engine = reborn(engine, of.of);
    } while (left.length > 0 || tick || engine.isBehind); // biome-ignore format: one line for one thing
  }
  said.push(...engine.flush());
  return { said, blocks };
}

/** Of windows that a device says nothing of early while it is behind only the last word, whichever revision that is. */
function byId({ of: { windows } }: Run, summaries: readonly Summary[]): Record<string, string[]> {
  const early = windows.filter(({ kind, earlyMs }) => earlyMs !== undefined && isFolded(kind));
  const all: Record<string, string[]> = {};
  for (const { revision, ...summary } of summaries) {
    const isEarly = early.some(({ name }) => name === summary.window.name);
    if (isEarly && (!summary.final || summary.retracted)) continue;
    all[summary.id] ??= [];
    all[summary.id]!.push(JSON.stringify(isEarly ? summary : { revision, ...summary }));
  }
  return all;
}

/**
 * The same, but of groups of whose members the time may begin anew only how many readings are in which window: what members
 * hand over in another order may get another id then.
 */
function comparable(of: Run, summaries: readonly Summary[]) {
  if (of.steps.every(({ hasOwnTime }) => hasOwnTime)) return byId(of, summaries);
  const ofGroups = summaries.filter(({ members }) => members !== undefined);
  const readings: Record<string, number> = {};
  for (const { final, window, quality } of ofGroups) {
    if (final) readings[window.start!] = (readings[window.start!] ?? 0) + quality.accepted;
  }
  return [
    byId(
      of,
      summaries.filter((summary) => !ofGroups.includes(summary)),
    ),
    readings,
  ];
}

/** What an engine says to whole blocks. */
function wholly(of: Run, shareMax: number, blocks: readonly Block[]): Summary[] {
  const engine = engineOf(of.of, of.grouped);
  const said = blocks.flatMap((block) => engine.apply({ ...block, shareMax }));
  expect(engine.counts().reduce((sum, { received }) => sum + received, 0)).toBe(of.steps.length);
  return [...said, ...engine.flush()];
}

describe("what is due with a device", () => {
  it("is said in shares, over blocks and restarts, as it is said at once, and no reading is lost", () => {
    fc.assert(
      fc.property(run, (of) => {
        const { said, blocks } = inShares(of);
        expect(comparable(of, said)).toEqual(comparable(of, wholly(of, Number.POSITIVE_INFINITY, blocks)));
      }),
      cases(),
    );
  });

  it("is said before the next reading is taken in, where a block goes on behind it", () => {
    fc.assert(
      // What members of a group hand over in another order may get another id.
      fc.property(
        run.map((of) => ({ ...of, grouped: false })),
        (of) => {
          const blocks = [...blocksOf(of)].map((block, i) => ({ ...block, sequence: i + 1, tick: false }));
          const atOnce = wholly(of, Number.POSITIVE_INFINITY, blocks);
          expect(byId(of, wholly(of, of.shareMax, blocks))).toEqual(byId(of, atOnce));
        },
      ),
      cases(),
    );
  });

  /** Ten windows, of which all but the last are due with the second block, and three a share. */
  const late = engineProfile({ windows: [tumbling("10s", 10 * SECOND, AGGREGATES, 5 * MINUTE)] });
  const first = Array.from({ length: 10 }, (_, i) => ({ timeMs: 10 * SECOND * i, values: [i] }));
  const maker = new BlockMaker(late);
  const shares = { shareMax: 3 };
  const both = [maker.block(first, shares), maker.block([{ timeMs: 20 * MINUTE, values: [0] }], shares)];
  const starts = (summaries: readonly Summary[]) =>
    summaries.flatMap(({ window, final }) => (final ? [Date.parse(window.start!) / SECOND] : []));

  it("is not said in blocks that a stored device has seen: what they caused has been said", () => {
    const engine = engineOf(late, false);
    expect(both.map((block) => starts(engine.apply(block)))).toEqual([[], [0, 10, 20]]);
    const reader = new StoredSlices();
    const next = new Engine({ gateway: "gw", devicesMax: 10, residency: { reader } });
    next.addProfile(late);
    reader.adopt(next, recordsOf(engine.present(late.hash, "d")!, 2));
    expect(both.flatMap((block) => next.apply(block))).toEqual([]);
    expect(next.isBehind).toBe(true);
    const maker = new BlockMaker(late, 2);
    const rest: number[][] = [];
    while (next.isBehind) rest.push(starts(next.apply(maker.block([], shares))));
    expect(rest.filter(({ length }) => length > 0)).toEqual([[30, 40, 50], [60, 70, 80], [90]]);
  });

  it("is said by the definition under which it was due, where the definition changes before", () => {
    const after = { ...late, hash: "hash-2", windows: [tumbling("1m", MINUTE, AGGREGATES)] };
    const changed = (shareMax: number) => {
      const engine = engineOf(late, false);
      const said = both.flatMap((block) => engine.apply({ ...block, shareMax }));
      return [...said, ...engine.redefine({ profiles: [after] })];
    };
    expect(changed(3)).toEqual(changed(Number.POSITIVE_INFINITY));
    expect(starts(changed(3))).toHaveLength(11);
  });

  it("is taken back and said anew in shares, where a late reading shifts all that was said", () => {
    const twos = engineProfile({
      windows: [
        {
          name: "two",
          kind: { type: "count", size: 2, maxAgeMs: MINUTE },
          allowedLatenessMs: 60 * MINUTE,
          aggregates: AGGREGATES,
        },
      ],
    });
    const [windows, shareMax] = [100, 7];
    const engine = engineOf(twos, false);
    const maker = new BlockMaker(twos);
    const next = (readings: { readonly timeMs: number; readonly values: number[] }[]) =>
      engine.apply(maker.block(readings, { shareMax }));
    const readings = Array.from({ length: 2 * windows }, (_, i) => ({
      timeMs: (i + 1) * SECOND,
      values: [i],
    }));
    const before = readings.flatMap((reading) => next([reading]));
    // What is as late as the watermark has not been looked at.
    expect(before).toHaveLength(windows - 1);
    const portions = [next([{ timeMs: 0, values: [0] }])];
    while (engine.isBehind) portions.push(next([]));
    expect(Math.max(...portions.map(({ length }) => length))).toBeLessThanOrEqual(shareMax);
    const after = portions.flat();
    // Every window begins at another reading now.
    expect(after.filter(({ retracted }) => retracted === true)).toHaveLength(windows - 1);
    expect(after.filter(({ retracted }) => retracted !== true)).toHaveLength(windows);
    const last = new Map([...before, ...after].map((summary) => [summary.id, summary]));
    const counted = [...last.values()].filter(({ retracted }) => retracted !== true);
    expect(counted.reduce((sum, { quality }) => sum + quality.accepted, 0)).toBe(2 * windows);
  });
});
