import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/engine.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { type FoldedKind, isFolded, type WindowDefinition } from "../../../src/model/window.js";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  hopping,
  newEngine,
  restored,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { windowsOf } from "../../oracle/folds.js";
import { distinctReadings } from "../../oracle/oracle.js";
import { orderedFieldsOf } from "../../oracle/ordered.js";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const TIMED = ["timeAverage", "timeAverage(linear)", "timeAverage(stepped)", "total", "durationGood"];
const AGGREGATES = [
  { field: 0, names: ["count", ...TIMED, "delta", "rate", "transitions"] },
  { field: 1, names: [...TIMED, "rate", "delta"] },
  { field: 2, names: ["increase", "rate", "delta", "timeAverage"] },
  { field: 3, names: ["durationIn(on)", "transitions", "durationIn(wait)", "durationGood"] },
  { field: 4, names: ["durationIn(true)", "timeAverage", "transitions"] },
];

type Definition = Omit<WindowDefinition, "allowedLatenessMs">;

function definition(name: string, kind: FoldedKind): Definition {
  return { name, kind, aggregates: AGGREGATES };
}

const BOUNDED: readonly Definition[] = [
  tumbling("10s", 10 * SECOND, AGGREGATES),
  tumbling("1m", 60 * SECOND, AGGREGATES),
  hopping("25s/7s", [25_000, 7_000, 3_000], AGGREGATES),
  { ...tumbling("all", 0, AGGREGATES), kind: { type: "global" } },
];
const FOLDED = [
  definition("gap", { type: "session", gapMs: 10 * SECOND, maxMs: 45 * SECOND }),
  definition("three", { type: "count", size: 3, maxAgeMs: 12 * SECOND }),
  definition("mode", { type: "state", source: "mode", of: (values) => values[3]!, names: undefined }),
  definition("high", {
    type: "sliding",
    sizeMs: 15 * SECOND,
    source: "x > 40.0",
    emit: ([x]) => (x as number) > 40,
  }),
];

function profileOf(
  windows: readonly Definition[],
  allowedLatenessMs: number,
  rest: Partial<EngineProfile> = {},
): EngineProfile {
  return engineProfile({
    fields: [
      field("x", { unit: "W", range: [-1e9, 1e9] }),
      field("y", { unit: "Cel", maxGapMs: 7 * SECOND }),
      field("n", { type: "int", unit: "Wh", counter: { rollover: 1_000 }, maxGapMs: 20 * SECOND }),
      field("mode", { type: "string", maxGapMs: 30 * SECOND }),
      field("open", { type: "bool" }),
    ],
    windows: windows.map((window) => ({ ...window, allowedLatenessMs })),
    ...rest,
  });
}

const missing = { weight: 1, arbitrary: fc.constant(Number.NaN) };
const reading = fc.record({
  device: fc.constantFrom("a", "b"),
  timeMs: fc.integer({ min: -90, max: 90 }).map((n) => n * 1_250),
  values: fc.tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: -600, max: 1_100 }).map((n) => n / 10) },
      {
        weight: 2,
        arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => (Math.abs(x) < 1e-100 ? 0 : x)),
      },
      missing,
    ),
    fc.oneof({ weight: 5, arbitrary: fc.integer({ min: -600, max: 1_100 }).map((n) => n / 7) }, missing),
    fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 1_000 }) }, missing),
    fc.constantFrom<string | number>("on", "off", "wait", Number.NaN),
    fc.constantFrom(0, 1, Number.NaN),
  ),
});

const run = fc.record({
  // Of one time there is one reading: which of several comes first is the engine's own choice.
  readings: fc.uniqueArray(reading, {
    minLength: 1,
    maxLength: 60,
    selector: (r) => `${r.device} ${r.timeMs}`,
  }),
  /** How much later than in order each of them comes at the most, in steps of a second. */
  delay: fc.infiniteStream(fc.nat()),
  repeat: fc.infiniteStream(fc.integer({ min: 0, max: 4 })),
  cut: fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
  restart: fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
  reload: fc.infiniteStream(fc.integer({ min: 0, max: 5 })),
});

type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

/** Expected `fields` by `device/window/start`. */
function expectedOf(profile: EngineProfile, readings: readonly TestReading[]): Map<string, string> {
  const bodies = new Map<string, string>();
  const distinct = distinctReadings(
    profile,
    readings.map((r) => ({ ...r, device: r.device! })),
  );
  for (const device of new Set(distinct.map((r) => r.device))) {
    const all = distinct.filter((r) => r.device === device).sort((a, b) => a.timeMs - b.timeMs);
    for (const window of profile.windows) {
      const { kind, name } = window;
      const taken = new Map<number, number>();
      const put = (startMs: number, endMs: number, members: typeof all) => {
        const nth = taken.get(startMs) ?? 0;
        taken.set(startMs, nth + 1);
        const bounds = kind.type === "global" ? undefined : { startMs, endMs };
        const key = `${device}/${name}/${startMs}${nth === 0 ? "" : `+${nth}`}`;
        const earlier = all.filter(({ timeMs }) => timeMs < members[0]!.timeMs);
        bodies.set(key, orderedFieldsOf(profile, window, { earlier, members, bounds }));
      };
      if (kind.type === "global") put(Number.NaN, Number.NaN, all);
      else if (isFolded(kind)) {
        for (const { startMs, endMs, members } of windowsOf(kind, all)) put(startMs, endMs, [...members]);
      } else if (kind.type === "tumbling" || kind.type === "hopping") {
        const stepMs = kind.type === "hopping" ? kind.slideMs : kind.sizeMs;
        const firstMs = Math.floor((all[0]!.timeMs - kind.sizeMs) / stepMs) * stepMs + kind.offsetMs;
        for (let startMs = firstMs; startMs <= all.at(-1)!.timeMs; startMs += stepMs) {
          const endMs = startMs + kind.sizeMs;
          const members = all.filter(({ timeMs }) => timeMs >= startMs && timeMs < endMs);
          if (members.length > 0) put(startMs, endMs, members);
        }
      }
    }
  }
  return bodies;
}

/** What a receiver has in the end: of each id the highest revision, if it was not taken back. */
function truth(
  summaries: readonly Summary[],
  windows: readonly Definition[],
  latenessMs: number,
): Map<string, string> {
  const newest = new Map<string, Summary>();
  for (const summary of summaries) {
    if (!windows.some(({ name }) => name === summary.window.name)) continue;
    const before = newest.get(summary.id);
    expect(summary.revision, summary.id).toBe((before?.revision ?? -1) + 1);
    // Whatever changes a window is said at once, if it is not said with its last word; a session may last longer.
    const isOver =
      before !== undefined && before.retracted === undefined && before.window.end === summary.window.end;
    if (latenessMs === HOUR && summary.final && isOver) {
      expect(summary.fields, summary.id).toEqual(before.fields);
    }
    newest.set(summary.id, summary);
  }
  const bodies = new Map<string, string>();
  for (const { id, device, window, fields, final, retracted } of newest.values()) {
    expect(final, `${id} is final`).toBe(true);
    // There are windows of readings that had nothing to say.
    if (retracted || Object.keys(fields).length === 0) continue;
    const nth = /\+\d+$/.exec(id)?.[0] ?? "";
    const startMs = window.start === undefined ? Number.NaN : Date.parse(window.start);
    bodies.set(`${device}/${window.name}/${startMs}${nth}`, JSON.stringify(fields));
  }
  return bodies;
}

function play(
  profile: EngineProfile,
  readings: readonly TestReading[],
  rest: {
    readonly size: () => number;
    readonly between?: (engine: Engine, profile: EngineProfile) => { engine: Engine; profile: EngineProfile };
  },
): Summary[] {
  let current = { engine: newEngine(profile), profile };
  let sequence = 0;
  const summaries: Summary[] = [];
  for (let at = 0; at < readings.length; ) {
    const count = rest.size();
    const blocks = new BlockMaker(current.profile, sequence);
    summaries.push(...current.engine.apply(blocks.block(readings.slice(at, at + count))));
    sequence = blocks.sequence;
    at += count;
    if (rest.between !== undefined) current = rest.between(current.engine, current.profile);
  }
  return [...summaries, ...current.engine.flush()];
}

/** The same readings in another order, some of them twice, none later than the windows allow. */
function arriving(
  { readings, repeat, delay }: Pick<Run, "readings" | "repeat" | "delay">,
  latenessMs: number,
): TestReading[] {
  const twice = readings.flatMap((r): TestReading[] => (repeat.next().value === 0 ? [r, r] : [r]));
  const keyed = twice.map((r) => ({ r, at: r.timeMs + ((delay.next().value * SECOND) % (latenessMs + 1)) }));
  return keyed.sort((a, b) => a.at - b.at).map(({ r }) => r);
}

describe("aggregates of an order", () => {
  const sets = { bounded: BOUNDED, folded: FOLDED, both: [...FOLDED, ...BOUNDED.slice(0, 1)] };
  for (const [name, windows] of Object.entries(sets)) {
    for (const latenessMs of [0, 25 * SECOND, HOUR]) {
      it(`are the oracle's for every order, duplicate, cut, restart and reload: ${name} windows, lateness ${latenessMs}`, () => {
        const profile = profileOf(windows, latenessMs);
        fc.assert(
          fc.property(run, ({ cut, restart, reload, ...rest }) => {
            let version = 1;
            const closed: Summary[] = [];
            const between = (engine: Engine, current: EngineProfile) => {
              let [next, its] = [engine, current];
              if (restart.next().value === 0) next = restored(next, its);
              if (reload.next().value === 0) {
                const extra = tumbling(`extra${++version}`, 13 * SECOND, [{ field: 2, names: ["rate"] }]);
                its = profileOf([...windows, extra], latenessMs, { hash: `hash-${version}` });
                closed.push(...next.redefine({ profiles: [its] }));
              }
              return { engine: next, profile: its };
            };
            const readings = arriving(rest, latenessMs);
            const summaries = play(profile, readings, { size: () => cut.next().value, between });
            expect(closed.filter(({ window }) => !window.name.startsWith("extra"))).toEqual([]);
            expect(truth(summaries, windows, latenessMs)).toEqual(expectedOf(profile, rest.readings));
          }),
          cases(120),
        );
      });
    }
  }
});
