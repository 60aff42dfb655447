import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReadingGroup } from "../../../src/model/block.js";
import { newGroup } from "../../../src/model/block.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import type { Profile } from "../../../src/model/profile.js";
import type { FieldValue } from "../../../src/model/reading.js";
import type { Summary } from "../../../src/model/summary.js";
import { cases, NIGHTLY } from "../../helpers/cases.js";
import { ChangingGateway, type Narrow, profileOf, type Setting } from "../../helpers/changing.js";

/**
 * Two gateways get the same readings and the same changes of profiles and groups. One has room for everything and
 * lives; the other has next to no memory, stores all the time, and dies in any batch.
 */
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Ten thousand lives take half an hour. */
const LIFETIMES_MS = NIGHTLY ? 3_600_000 : 120_000;

const lateness = fc.constantFrom("0s", "20s", "2m", "10m");
const early = fc.option(fc.constantFrom("4s", "10s", "1m"), { nil: undefined });
const names = fc.constantFrom(
  { x: ["count", "sum", "max"] },
  { x: ["count", "last", "timeAverage(stepped)", "transitions", "p95"], y: ["count", "sum"] },
);
const filled = fc.constantFrom(
  {},
  {},
  { empty: "emit", fill: null },
  { empty: "emit", fill: "previous" },
  { empty: "emit", fill: "linear" },
  { empty: "emit", fill: 0 },
);

const common = fc.record({ allowedLateness: lateness, fields: names });
const tellingEarly = fc.record({ allowedLateness: lateness, fields: names, early });
/** Within the shortest of the windows whose size is known. */
const tellingSooner = fc.record({
  allowedLateness: lateness,
  fields: names,
  early: fc.option(fc.constantFrom("1s", "4s"), { nil: undefined }),
});

/** What a window of each name may be. */
const windows = {
  short: fc.tuple(fc.constantFrom("5s", "10s", "30s"), tellingSooner, filled),
  over: fc.tuple(
    fc.constantFrom({ size: "20s", slide: "5s" }, { size: "20s", slide: "10s" }),
    tellingSooner,
    filled,
  ),
  gap: fc.tuple(
    fc.constantFrom({ gap: "4s" }, { gap: "20s" }, { gap: "8s", max: "40s" }),
    tellingEarly,
    fc.constant({}),
  ),
  some: fc.tuple(
    fc.constantFrom({ size: 1 }, { size: 3 }, { size: 2, maxAge: "30s" }, { size: 7, maxAge: "30s" }),
    tellingEarly,
    fc.constant({}),
  ),
  state: fc.tuple(fc.constantFrom({ of: "x > 5" }, { of: "s" }), tellingEarly, fc.constant({})),
  over7: fc.tuple(fc.constant({ size: "15s", emit: "x > 7" }), common, fc.constant({})),
  ever: fc.tuple(fc.constant(true), tellingEarly, fc.constant({})),
} as const;
const KINDS = {
  short: "tumbling",
  over: "hopping",
  gap: "session",
  some: "count",
  state: "state",
  over7: "sliding",
  ever: "global",
} as const;
type WindowName = keyof typeof windows;
const WINDOW_NAMES = Object.keys(windows) as WindowName[];

const oneWindow = (name: WindowName) =>
  windows[name].map(([kind, rest, fill]) => ({ name, [KINDS[name]]: kind, ...rest, ...fill }));

const time = fc.record({
  outOfOrderness: fc.constantFrom("0s", "2s", "20s"),
  idleTimeout: fc.constantFrom("never", "30s", "2m"),
  maxFuture: fc.constantFrom("100d", "2m"),
});
const otherFields = [
  { y: { from: "/y" } },
  { y: { from: "/y", unit: "W" } },
  { y: { from: "/y" }, z: { from: "/z" } },
];

/** Two of everything, of which versions of a profile choose: so much of one stays what it was in the next. */
const two = <T>(each: fc.Arbitrary<T>) => fc.tuple(each, each);
const choices = fc.record({
  time: two(time),
  windows: fc.record(
    Object.fromEntries(WINDOW_NAMES.map((name) => [name, two(oneWindow(name))])) as {
      [Name in WindowName]: fc.Arbitrary<[object, object]>;
    },
  ),
});
const version = fc.record({
  time: fc.nat({ max: 1 }),
  fields: fc.nat({ max: 2 }),
  // Most have few windows.
  windows: fc.record(
    Object.fromEntries(
      WINDOW_NAMES.map((name) => [name, fc.constantFrom(undefined, undefined, undefined, 0, 1)]),
    ) as { [Name in WindowName]: fc.Arbitrary<number | undefined> },
  ),
});

type Choices = typeof choices extends fc.Arbitrary<infer T> ? T : never;
type Version = typeof version extends fc.Arbitrary<infer T> ? T : never;

function profile(id: string, of: Choices, which: Version): Profile {
  const chosen = WINDOW_NAMES.flatMap((name) => {
    const index = which.windows[name];
    return index === undefined ? [] : [of.windows[name][index as 0 | 1]];
  });
  // JSON is YAML.
  return profileOf(
    JSON.stringify({
      schema: "device-profile/1",
      id,
      version: "1.0.0",
      device: { kind: "thermometer" },
      decode: { format: "json" },
      identity: { from: "/d" },
      time: { from: "/t", format: "epoch-ms", else: "arrival", ...of.time[which.time as 0 | 1] },
      fields: {
        x: { from: "/x", range: [0, 10] },
        s: { from: "/s", type: "string" },
        ...otherFields[which.fields],
      },
      windows: chosen.length > 0 ? chosen : [of.windows.short[0]],
    }),
  );
}

const groupWindow = fc
  .record({
    which: fc.constantFrom("ten", "half", "over"),
    allowedLatenessMs: fc.constantFrom(0, 20 * SECOND, 2 * MINUTE),
    earlyMs: fc.constantFrom(undefined, 4 * SECOND, 20 * SECOND),
    fill: fc.constantFrom(undefined, "null", "previous", "linear", 0),
  })
  .map(({ which, earlyMs, fill, ...rest }): GroupDefinition["windows"][number] => ({
    name: which,
    kind:
      which === "over"
        ? { type: "hopping", sizeMs: 20 * SECOND, slideMs: 10 * SECOND, offsetMs: 0 }
        : { type: "tumbling", sizeMs: (which === "ten" ? 10 : 30) * SECOND, offsetMs: 0 },
    fields: { "*": ["count", "sum", "min"] },
    ...rest,
    ...(earlyMs === undefined ? {} : { earlyMs }),
    ...(fill === undefined ? {} : ({ fill } as object)),
  }));
const group = (name: string): fc.Arbitrary<GroupDefinition> =>
  fc.record({
    name: fc.constant(name),
    members: fc.constantFrom({}, { devices: ["a", "b"] }, { profiles: ["p"] }),
    windows: fc.uniqueArray(groupWindow, { minLength: 1, maxLength: 3, selector: ({ name: of }) => of }),
  });
const groupChoice = fc.constantFrom(undefined, 0, 1);

const settings = fc
  .record({
    of: fc.tuple(choices, choices),
    groups: fc.tuple(two(group("g")), two(group("h"))),
    versions: fc.array(
      fc.record({
        profiles: fc.tuple(version, fc.option(version, { nil: undefined, freq: 5 })),
        groups: fc.tuple(groupChoice, groupChoice),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ of, groups, versions }): Setting[] =>
    versions.map((each) => ({
      profiles: ["p", "q"].flatMap((id, i) => {
        const which = each.profiles[i];
        return which === undefined ? [] : [profile(id, of[i]!, which)];
      }),
      groups: each.groups.flatMap((which, i) => (which === undefined ? [] : [groups[i]![which]!])),
    })),
  );

/** In which batch it may die, and whether that is in; it does where the risk is below the mortality of the life. */
const death = fc.record({
  batch: fc.integer({ min: 1, max: 4 }),
  isIn: fc.boolean(),
  risk: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});
const reading = fc.record({
  device: fc.constantFrom("p/a", "p/b", "q/a", "q/c"),
  stepMs: fc.oneof(
    { weight: 16, arbitrary: fc.integer({ min: 0, max: 5 }).map((seconds) => seconds * SECOND) },
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }).map((seconds) => -2 * seconds * SECOND) },
    { weight: 1, arbitrary: fc.constantFrom(5 * MINUTE, 15 * MINUTE) },
  ),
  hasTime: fc.constantFrom(true, true, true, true, true, true, false),
  values: fc.record({
    x: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 12 }) }, fc.constant(Number.NaN)),
    s: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("on", "off") }, fc.constant(Number.NaN)),
    y: fc.nat({ max: 3 }),
  }),
});
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant("block" as const),
      readings: fc.array(reading, { maxLength: 12 }),
      afterMs: fc.constantFrom(1, SECOND, 5 * SECOND, 40 * SECOND, 3 * MINUTE),
      tick: fc.boolean(),
      death,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant("change" as const),
      to: fc.nat(),
      death,
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** All that a gateway says, each series in its order, and what it has counted. */
async function life(
  gateway: ChangingGateway,
  of: readonly Setting[],
  steps: readonly Step[],
  mortality: number,
) {
  let setting = of[0]!;
  await gateway.start(setting);
  const times = new Map<string, number>();
  let processingMs = 0;
  for (const each of steps) {
    const { batch, isIn, risk } = each.death;
    if (risk < mortality) {
      gateway.disk.batchesLeft = batch;
      gateway.disk.diesAfter = isIn;
    }
    if (each.what === "change") {
      setting = of[each.to % of.length]!;
      if (!(await gateway.change(setting))) await gateway.start(setting);
    } else {
      processingMs += each.afterMs;
      const groups = groupsOf(each.readings, setting, times);
      await gateway.apply({ processingMs, clockTrusted: true, tick: each.tick, groups });
    }
    gateway.disk.revive();
  }
  const said = [...(await gateway.log()), ...gateway.engine.flush()];
  return { said, counts: gateway.engine.counts().map((each) => ({ ...each })) };
}

function groupsOf(
  readings: readonly (typeof reading extends fc.Arbitrary<infer T> ? T : never)[],
  { profiles }: Setting,
  times: Map<string, number>,
): ReadingGroup[] {
  const groups = new Map<string, ReadingGroup>();
  for (const { device, stepMs, hasTime, values } of readings) {
    const before = times.get(device) ?? 0;
    const timeMs = before + stepMs;
    times.set(device, Math.max(before, timeMs));
    const [id, name] = device.split("/") as [string, string];
    const of = profiles.find((each) => each.id === id);
    if (of === undefined) continue;
    const into = groups.get(device) ?? newGroup(of.hash, name, false);
    groups.set(device, into);
    into.arrivals.push(timeMs);
    into.times.push(hasTime ? timeMs : Number.NaN);
    into.values.push(of.fields.map((each) => (values as Record<string, FieldValue>)[each.name] ?? 1));
    into.deliveries.push(0);
  }
  return [...groups.values()];
}

function byId(said: readonly Summary[]): Map<string, Summary[]> {
  const lines = new Map<string, Summary[]>();
  for (const each of said) {
    const of = lines.get(each.id) ?? [];
    lines.set(each.id, of);
    of.push(each);
  }
  return lines;
}

describe("a gateway that dies and has no room", () => {
  it(
    "says what one says that lives on and has all of it, with no revision twice and none behind the last word",
    async () => {
      await fc.assert(
        fc.asyncProperty(
          settings,
          fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
          fc.record({
            shareMax: fc.constantFrom(1, 2, 5, 64),
            summariesMax: fc.constantFrom(1, 3, 10, 1_000),
            bytesMax: fc.constantFrom(0, 4_000, 30_000),
            journalBytesMax: fc.constantFrom(1, 2_000, 1e6),
          }),
          fc.constantFrom(0.1, 0.4, 0.9),
          async (of, steps, { bytesMax, journalBytesMax, ...pieces }, mortality) => {
            const calm = await life(new ChangingGateway(pieces), of, steps, 0);
            const narrow: Narrow = { ...pieces, bytesMax, journalBytesMax };
            const hard = await life(new ChangingGateway(narrow), of, steps, mortality);
            const [one, other] = [byId(calm.said), byId(hard.said)];
            for (const [id, said] of one) expect(other.get(id), id).toEqual(said);
            expect([...other.keys()].sort()).toEqual([...one.keys()].sort());
            for (const [id, said] of one) {
              expect(
                said.map(({ revision }) => revision),
                id,
              ).toEqual(said.map((_, i) => i));
              expect(
                said.map(({ final }) => final),
                id,
              ).toEqual(said.map((_, i) => i === said.length - 1));
              expect(said[0]!.retracted, id).toBeUndefined();
            }
            const sorted = (counts: typeof calm.counts) =>
              counts.sort((a, b) => (`${a.profile}/${a.device}` < `${b.profile}/${b.device}` ? -1 : 1));
            expect(sorted(hard.counts)).toEqual(sorted(calm.counts));
          },
        ),
        cases(100),
      );
    },
    LIFETIMES_MS,
  );
});
