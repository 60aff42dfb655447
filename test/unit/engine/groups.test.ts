import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import type { Block } from "../../../src/model/block.js";
import { UNKNOWN_DEVICE } from "../../../src/model/device-name.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import { LIMITS } from "../../../src/model/limits.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { cases, rounds } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  groupedEngine,
  restored,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { seeded } from "../../helpers/seeded.js";
import { StoredGroups } from "../../helpers/stored-groups.js";
import { groupOracle } from "../../oracle/groups.js";

const NUMERIC = [
  "count",
  "sum",
  "mean",
  "min",
  "max",
  "minTime",
  "variance",
  "first",
  "last",
  "p95",
  "histogram",
];
const HOUR = 3_600_000;

function profileOf(id: string, latenessMs: number, fields: EngineProfile["fields"]): EngineProfile {
  return engineProfile({
    id,
    hash: `hash-${id}`,
    fields,
    time: { ...engineProfile().time, outOfOrdernessMs: 2_000, idleTimeoutMs: 30_000 },
    windows: [tumbling("7s", 7_000, [{ field: 0, names: ["count", "sum"] }], latenessMs)],
  });
}

function profilesOf(latenessMs: number): readonly EngineProfile[] {
  return [
    profileOf("p", latenessMs, [
      field("t", { unit: "Cel", range: [-40, 85] }),
      field("s", { type: "string" }),
    ]),
    // The same field elsewhere, and one that the other has not.
    profileOf("q", latenessMs, [field("w", { unit: "W" }), field("t", { unit: "Cel", range: [-40, 85] })]),
  ];
}

function groupsOf(latenessMs: number): readonly GroupDefinition[] {
  const ten = { name: "10s", kind: { type: "tumbling", sizeMs: 10_000, offsetMs: 0 } } as const;
  const over = {
    name: "over",
    kind: { type: "hopping", sizeMs: 25_000, slideMs: 7_000, offsetMs: 3_000 },
  } as const;
  return [
    {
      name: "all",
      members: {},
      windows: [
        { ...ten, allowedLatenessMs: latenessMs, fields: { t: NUMERIC, s: ["count", "first", "counts"] } },
        { ...over, allowedLatenessMs: latenessMs, fields: { "*": ["count", "first"] } },
      ],
    },
    {
      name: "few",
      members: { devices: ["a*", "c"] },
      windows: [{ ...ten, allowedLatenessMs: latenessMs, fields: { t: NUMERIC }, earlyMs: 3_000 }],
    },
    {
      name: "watts",
      members: { profiles: ["q"] },
      windows: [{ ...over, allowedLatenessMs: latenessMs, fields: { w: NUMERIC }, fill: "linear" }],
    },
  ];
}

const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -5000, max: 9500 }).map((n) => n / 100) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
);
const text = fc.oneof(fc.constantFrom("on", "off"), fc.constant(Number.NaN));
const timeMs = fc.integer({ min: -45_000, max: 45_000 }).map((n) => n * 2);
const reading = fc.oneof(
  fc.record({
    profile: fc.constant("hash-p"),
    device: fc.constantFrom("a", "b", "c"),
    timeMs,
    values: fc.tuple(value, text),
  }),
  fc.record({
    profile: fc.constant("hash-q"),
    device: fc.constantFrom("a", "d"),
    timeMs,
    values: fc.tuple(value, value),
  }),
);

/** The same readings in some order, some of them repeated, cut into blocks, with a restart after some of them. */
const run = fc.record({
  readings: fc.array(reading, { minLength: 1, maxLength: 80 }),
  order: fc.infiniteStream(fc.nat()),
  repeat: fc.infiniteStream(fc.boolean()),
  cut: fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
  restart: fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
});

/** Final bodies of groups, as the oracle keys them, without what was filled. */
function groupFinals(summaries: readonly Summary[]): Map<string, string> {
  const bodies = new Map<string, string>();
  for (const { id, final, device, window, fields, filled = [], members } of summaries) {
    if (!final || members === undefined) continue;
    const key = `${device}/${window.name}/${Date.parse(window.start!)}`;
    if (bodies.has(key)) throw new Error(`${id} is final twice`);
    const gathered = Object.entries(fields).filter(([name]) => !filled.includes(name));
    bodies.set(key, JSON.stringify(Object.fromEntries(gathered)));
  }
  return bodies;
}

function checkAgainstOracle(
  groups: readonly GroupDefinition[],
  profiles: readonly EngineProfile[],
  readings: readonly TestReading[],
  summaries: readonly Summary[],
): void {
  const sent = readings.map((each) => ({
    device: each.device!,
    timeMs: each.timeMs,
    values: each.values,
    of: profiles.find(({ hash }) => hash === each.profile)!,
  }));
  const finals = groupFinals(summaries);
  const expected = new Map(groups.flatMap((group) => [...groupOracle(group, profiles, sent)]));
  for (const [key, body] of finals) expect([key, body]).toEqual([key, expected.get(key) ?? "{}"]);
  for (const key of expected.keys()) expect(finals.has(key), key).toBe(true);
}

/** One window after the other, from the first to the last. */
function checkNoHoles(summaries: readonly Summary[]): void {
  const watts = summaries.filter(({ device, final, members }) => device === "watts" && final && members);
  const starts = watts.map(({ window }) => Date.parse(window.start!));
  expect(starts).toEqual(starts.map((_, i) => starts[0]! + i * 7_000));
}

function checkRevisions(summaries: readonly Summary[]): void {
  const next = new Map<string, number>();
  const ended = new Set<string>();
  for (const { id, revision, final } of summaries) {
    expect([id, revision]).toEqual([id, next.get(id) ?? 0]);
    expect(ended.has(id), `${id} after its final revision`).toBe(false);
    next.set(id, revision + 1);
    if (final) ended.add(id);
  }
}

describe("a group", () => {
  it("says the oracle's bytes for every order, every duplicate, every cut into blocks and every restart", () => {
    const [profiles, groups] = [profilesOf(HOUR), groupsOf(HOUR)];
    fc.assert(
      fc.property(run, ({ readings, order, repeat, cut, restart }) => {
        const arriving = readings.flatMap((each) => (repeat.next().value ? [each, each] : [each]));
        const shuffled = arriving
          .map((each) => ({ each, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ each }) => each);
        let engine = groupedEngine(profiles, groups);
        const blocks = new BlockMaker(profiles[0]!);
        const summaries: Summary[] = [];
        for (let at = 0; at < shuffled.length; ) {
          const size = cut.next().value as number;
          summaries.push(...engine.apply(blocks.block(shuffled.slice(at, at + size))));
          at += size;
          if (restart.next().value === 0) engine = restored(engine, profiles[0]!);
        }
        summaries.push(...engine.flush());
        checkAgainstOracle(groups, profiles, readings, summaries);
        checkRevisions(summaries);
        checkNoHoles(summaries);
      }),
      cases(),
    );
  });

  it("fires while its members go on, and leaves nothing out that is in time, in whatever order they come", () => {
    const random = seeded("orders of members");
    const latenessMs = 8_000;
    const [profiles, groups] = [profilesOf(latenessMs), groupsOf(latenessMs)];
    for (let round = 0; round < rounds(60); round++) {
      const { readings, blocks } = stream(random, latenessMs);
      const engine = groupedEngine(profiles, groups);
      const summaries = blocks.flatMap((block) => engine.apply(block));
      const before = groupFinals(summaries).size;
      expect(before).toBeGreaterThan(10);
      expect(engine.groups.counts().map(({ late }) => late)).toEqual([0, 0, 0]);
      summaries.push(...engine.flush());
      checkAgainstOracle(groups, profiles, readings, summaries);
      checkRevisions(summaries);
      checkNoHoles(summaries);
    }
  });

  it("says after a crash at any block what it says without one, though its members are stored at other positions than it", () => {
    const random = seeded("crashes with groups");
    const latenessMs = 4_000;
    const [profiles, groups] = [profilesOf(latenessMs), groupsOf(latenessMs)];
    for (let round = 0; round < rounds(60); round++) {
      // Disorder beyond the lateness: what is too late must be so again.
      const { blocks } = stream(random, latenessMs * 3, 0.1);
      const uninterrupted = groupedEngine(profiles, groups);
      const stored = new StoredGroups(profiles, groups);
      let interrupted = groupedEngine(profiles, groups);
      for (const [index, block] of blocks.entries()) {
        const expected = uninterrupted.apply(block);
        expect(interrupted.apply(block), `round ${round}, block ${block.sequence}`).toEqual(expected);
        stored.share(interrupted, () => random.below(6) === 0);
        if (random.below(8) !== 0) continue;
        interrupted = stored.recovered(blocks.slice(0, index + 1));
        expect(interrupted.groups.counts().map(withoutWait)).toEqual(
          uninterrupted.groups.counts().map(withoutWait),
        );
      }
      expect(sorted(interrupted.flush())).toEqual(sorted(uninterrupted.flush()));
    }
  });

  it("counts what comes too late for it and says whom it waits for", () => {
    const [profiles, groups] = [profilesOf(0), groupsOf(0).slice(0, 1)];
    const engine = groupedEngine(profiles, groups);
    const blocks = new BlockMaker(profiles[0]!);
    const send = (device: string, at: number, processingMs: number) =>
      engine.apply(blocks.block([{ device, timeMs: at, values: [1, "on"] }], { processingMs, tick: true }));
    send("a", 1_000, 0);
    send("b", 2_000, 0);
    send("a", 60_000, 1_000);
    expect(engine.groups.counts()).toMatchObject([{ members: 2, late: 0, waitsFor: "p/b" }]);
    // b falls silent, and what it has stored up comes when a has gone on.
    expect(send("a", 61_000, 29_000).filter(({ device }) => device === "all")).toEqual([]);
    const fired = send("a", 62_000, 31_000).filter(({ id }) => id.endsWith("all/10s/1970-01-01T00:00:00Z"));
    expect(fired).toMatchObject([{ final: true, members: { count: 2 } }]);
    const late = send("b", 3_000, 32_000);
    expect(late.filter(({ members }) => members !== undefined)).toEqual([]);
    expect(engine.groups.counts()).toMatchObject([{ late: 1 }]);
    expect(engine.counts().map(({ accepted }) => accepted)).toEqual([4, 2]);
  });

  it("has nobody in it for whom there was no room", () => {
    const engine = new Engine({ gateway: "gw", devicesMax: 1 });
    engine.redefine({ profiles: profilesOf(0), groups: groupsOf(0).slice(0, 1) });
    const blocks = new BlockMaker(profilesOf(0)[0]!);
    const send = (device: string, timeMs: number) =>
      engine.apply(blocks.block([{ device, timeMs, values: [1, "on"] }]));
    for (const device of ["a", "b", "a"]) send(device, 1_000);
    expect(engine.counts().map(({ device }) => device)).toEqual(["a", UNKNOWN_DEVICE]);
    expect(engine.groups.counts()).toMatchObject([{ members: 1 }]);
  });

  it("keeps no more windows than it may, however long a member that is never silent stays behind", () => {
    const [profile] = profilesOf(0);
    const patient = { ...profile!, time: { ...profile!.time, idleTimeoutMs: Number.POSITIVE_INFINITY } };
    const engine = groupedEngine([patient], groupsOf(0).slice(1, 2));
    const blocks = new BlockMaker(patient);
    const summaries = engine.apply(blocks.block([{ device: "c", timeMs: 0, values: [1, "on"] }]));
    const windows = LIMITS.groupWindowsMax + 50;
    for (let i = 0; i < windows; i++) {
      summaries.push(...engine.apply(blocks.block([{ device: "a", timeMs: i * 10_000, values: [1, "on"] }])));
      expect(engine.groups.counts()[0]!.openWindows).toBeLessThanOrEqual(LIMITS.groupWindowsMax);
    }
    const [counts] = engine.groups.counts();
    expect(counts).toMatchObject({ openWindows: LIMITS.groupWindowsMax, hurried: 50, waitsFor: "p/c" });
    const early = summaries.filter(({ members }) => members !== undefined);
    expect(early).toHaveLength(50);
    expect(early[0]).toMatchObject({ final: true, members: { count: 2 } });
    // It is too late now, and says so.
    engine.apply(blocks.block([{ device: "c", timeMs: 5_000, values: [2, "on"] }]));
    expect(engine.groups.counts()).toMatchObject([{ late: 1 }]);
  });

  it("is no group of profiles that do not go together, until they do", () => {
    const [p, q] = profilesOf(0);
    const engine = groupedEngine(
      [p!, { ...q!, fields: [q!.fields[0]!, field("t", { unit: "degF" })] }],
      groupsOf(0),
    );
    // The one that takes only one of the profiles can be.
    expect(engine.groups.counts().map(({ name }) => name)).toEqual(["watts"]);
    engine.redefine({ profiles: [q!] });
    expect(engine.groups.counts().map(({ name }) => name)).toEqual(["all", "few", "watts"]);
  });

  it("remembers the ids that it has used while it is not defined", () => {
    const [profiles, groups] = [profilesOf(0), groupsOf(0).slice(1, 2)];
    let engine = groupedEngine(profiles, groups);
    const blocks = new BlockMaker(profiles[0]!);
    const send = (timeMs: number) => engine.apply(blocks.block([{ device: "a", timeMs, values: [1, "on"] }]));
    const ids = (summaries: readonly Summary[]) =>
      summaries.filter(({ members }) => members !== undefined).map(({ id }) => id);
    send(1_000);
    expect(ids(engine.redefine({ groups: [] }))).toEqual(["gw/group/few/10s/1970-01-01T00:00:00Z"]);
    engine = restored(engine, profiles[0]!);
    engine.redefine({ groups });
    send(2_000);
    expect(ids(engine.flush())).toEqual(["gw/group/few/10s/1970-01-01T00:00:00Z/2"]);
  });
});

function withoutWait({ waitsFor: _, ...counts }: { readonly waitsFor?: string }) {
  return counts;
}

/** Devices come back in the order of their keys. */
function sorted(summaries: readonly Summary[]): Summary[] {
  return [...summaries].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Devices in step for two minutes, out of order by up to `disorderMs`, in blocks. @param silence chance of a silent device */
function stream(
  random: ReturnType<typeof seeded>,
  disorderMs: number,
  silence = 0,
): { readonly readings: readonly TestReading[]; readonly blocks: readonly Block[] } {
  const sources = [
    { profile: "hash-p", device: "a" },
    { profile: "hash-p", device: "b" },
    { profile: "hash-p", device: "c" },
    { profile: "hash-q", device: "a" },
    { profile: "hash-q", device: "d" },
  ];
  const taken = sources.flatMap((source) => {
    const from = silence > 0 && random.below(3) === 0 ? random.below(60) : 0;
    return Array.from({ length: 120 - from }, (_, i): TestReading & { readonly place: number } => {
      const at = (from + i) * 1_000 + random.below(1_000);
      const values =
        source.profile === "hash-p" ? [random.below(50), "on"] : [random.below(900), random.below(50)];
      return { ...source, timeMs: at, values, place: at + random.next() * disorderMs };
    }).filter(() => random.next() >= silence);
  });
  taken.sort((a, b) => a.place - b.place);
  const maker = new BlockMaker(profilesOf(0)[0]!);
  const blocks: Block[] = [];
  for (let at = 0; at < taken.length; ) {
    const size = 1 + random.below(12);
    const some = taken.slice(at, at + size);
    const processingMs = Math.floor(some.at(-1)!.place);
    blocks.push(maker.block(some, { processingMs, tick: random.below(3) === 0 }));
    at += size;
  }
  return { readings: taken, blocks };
}
