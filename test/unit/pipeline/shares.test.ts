import { mkdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import type { Summary } from "../../../src/model/summary.js";
import type { WindowDefinition } from "../../../src/model/window.js";
import { engineProfile, tumbling } from "../../helpers/engine.js";
import { inFolder } from "../../helpers/folder.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { Pipeline } from "../../helpers/pipeline.js";

const SECOND = 1_000;
const DEVICES = ["a", "b", "c"];
const WINDOWS = 400;
const counts = [{ field: 0, names: ["count", "sum"] }];
const profile = engineProfile({
  time: { ...engineProfile().time, idleTimeoutMs: 3 * WINDOWS * SECOND },
  windows: [tumbling("1s", SECOND, counts, WINDOWS * SECOND)],
});

/** Devices with many windows that wait for late readings, and the number of summaries of each commit from now on. */
async function waiting(path: string, memoryBytesMax?: number) {
  const pipeline = await open(path, memoryBytesMax);
  for (let i = 0; i < WINDOWS; i++) {
    for (const device of DEVICES) pipeline.put({ device, timeMs: i * SECOND, values: [i] });
  }
  await pipeline.committer.drain();
  return { pipeline, sizes: watched(pipeline) };
}

function open(path: string, memoryBytesMax = Number.POSITIVE_INFINITY): Promise<Pipeline> {
  return Pipeline.open(path, profile, 1e7, { logBytesMax: 1e9, memoryBytesMax });
}

function watched({ store }: Pipeline): number[] {
  const sizes: number[] = [];
  const commit = store.commit.bind(store);
  store.commit = (what) => {
    sizes.push(what.summaries.length);
    return commit(what);
  };
  return sizes;
}

/** A reading of each device, far ahead of the others. */
function putFar(to: Pipeline, committed: () => void = () => {}): void {
  for (const device of DEVICES) to.put({ device, timeMs: 10 * WINDOWS * SECOND, values: [0] }, committed);
}

/** Nothing comes for some minutes. */
async function silent({ clock, committer }: Pipeline): Promise<void> {
  for (let second = 0; second < 200; second++) {
    clock.advance(SECOND);
    await committer.drain();
  }
}

/** Ids of the windows that are final, in order. */
async function finals(pipeline: Pipeline): Promise<string[]> {
  return (await pipeline.summaries()).flatMap(({ id, final }) => (final ? [id] : [])).sort();
}

const all = DEVICES.flatMap((device) =>
  Array.from({ length: WINDOWS }, (_, i) => `gw/p/${device}/1s/${iso(i * SECOND)}`),
).sort();

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(".000Z", "Z");
}

/** Every window is closed, and none twice. */
function expectEach(closed: readonly string[]): void {
  expect(closed).toHaveLength(all.length);
  expect(new Set(closed)).toEqual(new Set(all));
}

/** One share goes beyond what a commit is to have. */
const COMMIT_MAX = LIMITS.blockSummariesMax + LIMITS.deviceShareMax;

it("closes the windows of devices that come back after a long silence in several commits", () =>
  inFolder(async (path) => {
    const { pipeline, sizes } = await waiting(path);
    let told = 0;
    putFar(pipeline, () => told++);
    pipeline.put({ device: "a", timeMs: 10 * WINDOWS * SECOND + 1, values: [0] }, () => told++);
    pipeline.committer.start();
    while (told < 4) await pipeline.clock.run(SECOND);
    expectEach(await finals(pipeline));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(COMMIT_MAX);
    expect(pipeline.engine.totals()).toMatchObject({ accepted: 3 * WINDOWS + 4 });
    await pipeline.crash();
  }));

it("leaves what is not said yet to the next life when it has to end, and does not fill the log meanwhile", () =>
  inFolder(async (path) => {
    const { pipeline, sizes } = await waiting(path);
    putFar(pipeline);
    await pipeline.committer.drain();
    expect(sizes.length).toBeLessThan(4);
    expect(pipeline.engine.isBehind).toBe(true);
    await pipeline.crash();
    const next = await open(path);
    next.committer.start();
    while (next.engine.isBehind) await next.clock.run(SECOND);
    await next.committer.drain();
    expectEach(await finals(next));
    await next.crash();
  }));

it.each([
  ["with all of its state in the journal", Number.POSITIVE_INFINITY],
  ["with its state in the store, which it does not all read back", 0],
])("closes each of them once %s, whichever commit it dies at", (_, memoryBytesMax) =>
  inFolder(async (path) => {
    for (let last = 1; ; last++) {
      const folder = `${path}/${last}`;
      await mkdir(folder);
      const { pipeline } = await waiting(folder, memoryBytesMax);
      let commits = 0;
      const commit = pipeline.store.commit.bind(pipeline.store);
      pipeline.store.commit = (what) => (commits++ < last ? commit(what) : new Promise(() => {}));
      let told = 0;
      putFar(pipeline, () => told++);
      pipeline.committer.start();
      while (commits <= last && told === 0) await pipeline.clock.run(SECOND);
      await pipeline.crash();
      if (told > 0) {
        expect(last).toBeGreaterThan(3);
        break;
      }
      const next = await open(folder, memoryBytesMax);
      const sizes = watched(next);
      next.committer.start();
      // What was not acknowledged comes again.
      putFar(next, () => told++);
      while (told < DEVICES.length || next.engine.isBehind) await next.clock.run(SECOND);
      await next.committer.drain();
      expectEach(await finals(next));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(COMMIT_MAX);
      expect(next.engine.totals()).toMatchObject({ accepted: 3 * WINDOWS + 3 });
      await next.crash();
    }
  }),
);

it("closes the windows of devices that stay silent in several commits", () =>
  inFolder(async (path) => {
    const { pipeline, sizes } = await waiting(path);
    pipeline.committer.start();
    await pipeline.clock.run(3 * WINDOWS * SECOND - SECOND);
    await silent(pipeline);
    expectEach(await finals(pipeline));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(COMMIT_MAX);
    await pipeline.crash();
  }));

it("closes the windows of many devices that stay silent in several commits", () =>
  inFolder(async (path) => {
    const devices = 2.5 * LIMITS.blockSummariesMax;
    const few = engineProfile({
      time: { ...engineProfile().time, idleTimeoutMs: 60 * SECOND },
      windows: [tumbling("1m", 60 * SECOND, counts)],
    });
    const pipeline = await Pipeline.open(path, few, 1e7, { logBytesMax: 1e9, devicesMax: devices });
    for (let i = 0; i < devices; i++) pipeline.put({ device: `d${i}`, timeMs: i % 1_000, values: [i] });
    await pipeline.committer.drain();
    const sizes = watched(pipeline);
    pipeline.committer.start();
    await silent(pipeline);
    expect(await finals(pipeline)).toHaveLength(devices);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(COMMIT_MAX);
    await pipeline.crash();
  }));

const LATE_MS = 3_600 * SECOND;
/** Longer than any window waits. */
const IDLE_MS = 2 * LATE_MS;
const NUMBERED = Array.from({ length: 60 }, (_, i) => `d${i}`);
const EACH = 150;

/** Windows of sixty devices that wait for readings which are out of order; each of ten seconds. */
async function many(path: string, of: WindowDefinition) {
  const fleet = engineProfile({
    time: { ...engineProfile().time, outOfOrdernessMs: LATE_MS, idleTimeoutMs: IDLE_MS },
    windows: [of],
  });
  const opened = () => Pipeline.open(path, fleet, 1e7, { logBytesMax: 1e9 });
  const pipeline = await opened();
  for (let i = 0; i < EACH; i++) {
    for (const device of NUMBERED) pipeline.put({ device, timeMs: i * 10 * SECOND, values: [i] });
  }
  await pipeline.committer.drain();
  return { opened, pipeline, sizes: watched(pipeline) };
}

/** What a life leaves that has ended before it could say all. */
async function left(path: string, of: WindowDefinition) {
  const { opened, pipeline, sizes } = await many(path, of);
  for (const device of NUMBERED) pipeline.put({ device, timeMs: 10 * LATE_MS, values: [0] });
  await pipeline.committer.drain();
  expect(pipeline.engine.isBehind).toBe(true);
  await pipeline.crash();
  return { opened, sizes };
}

/** Each window of `many` is closed, and none twice. */
async function expectMany(pipeline: Pipeline): Promise<void> {
  const closed = await finals(pipeline);
  expect(closed).toHaveLength(NUMBERED.length * EACH);
  expect(new Set(closed).size).toBe(closed.length);
}

/** Goes on until everything is said. */
async function caughtUp(pipeline: Pipeline): Promise<void> {
  pipeline.committer.start();
  while (pipeline.engine.isBehind) await pipeline.clock.run(SECOND);
  await pipeline.committer.drain();
}

const TENS = tumbling("w", 10 * SECOND, counts);
const SESSIONS: WindowDefinition = {
  ...TENS,
  kind: { type: "session", gapMs: 5 * SECOND, maxMs: Number.POSITIVE_INFINITY },
};

describe.each([
  ["windows of a fixed size", TENS],
  ["sessions", SESSIONS],
])("of many devices with many %s each", (_, of) => {
  it("closes those that stay silent in several commits", () =>
    inFolder(async (path) => {
      const { pipeline, sizes } = await many(path, of);
      pipeline.committer.start();
      await pipeline.clock.run(IDLE_MS - SECOND);
      await silent(pipeline);
      await expectMany(pipeline);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(COMMIT_MAX);
      await pipeline.crash();
    }));

  it("goes on in several commits with what a life has left that has ended", () =>
    inFolder(async (path) => {
      const { opened, sizes } = await left(path, of);
      const next = await opened();
      const later = watched(next);
      await caughtUp(next);
      await expectMany(next);
      expect(Math.max(...sizes, ...later)).toBeLessThanOrEqual(COMMIT_MAX);
      await next.crash();
    }));

  it("says each once, whichever of these commits that life dies at", () =>
    inFolder(async (path) => {
      for (let last = 1; ; last++) {
        const folder = `${path}/${last}`;
        await mkdir(folder);
        const { opened } = await left(folder, of);
        const second = await opened();
        let commits = 0;
        const commit = second.store.commit.bind(second.store);
        second.store.commit = (what) => (commits++ < last ? commit(what) : new Promise(() => {}));
        second.committer.start();
        while (commits <= last && second.engine.isBehind) await second.clock.run(SECOND);
        await second.crash();
        const third = await opened();
        await caughtUp(third);
        await expectMany(third);
        await third.crash();
        if (commits > last) continue;
        expect(last).toBeGreaterThan(2);
        break;
      }
    }));
});

it("says on time in several commits what one reading ends", () =>
  inFolder(async (path) => {
    const ones: WindowDefinition = {
      ...TENS,
      allowedLatenessMs: LATE_MS,
      kind: { type: "count", size: 1, maxAgeMs: Number.POSITIVE_INFINITY },
    };
    const patient = engineProfile({
      time: { ...engineProfile().time, outOfOrdernessMs: LATE_MS },
      windows: [ones],
    });
    const pipeline = await Pipeline.open(path, patient, 1e7, { logBytesMax: 1e9 });
    const count = 2 * LIMITS.blockSummariesMax;
    for (let i = 0; i < count; i++) pipeline.put({ device: "a", timeMs: i * SECOND, values: [i] });
    await pipeline.committer.drain();
    const sizes = watched(pipeline);
    let told = 0;
    pipeline.put({ device: "a", timeMs: LATE_MS + count * SECOND, values: [0] }, () => told++);
    pipeline.committer.start();
    while (told === 0 || pipeline.engine.isBehind) await pipeline.clock.run(SECOND);
    await pipeline.committer.drain();
    const onTime = (await pipeline.summaries()).filter(({ revision, final }) => revision === 0 && !final);
    expect(onTime.length).toBeGreaterThanOrEqual(count);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(COMMIT_MAX);
    await pipeline.crash();
  }));

it("closes the windows of a definition that has changed in several portions", () =>
  inFolder(async (path) => {
    const windows = 3 * LIMITS.changeShareMax;
    const before = engineProfile({ windows: [tumbling("1s", SECOND, counts, windows * SECOND)] });
    const pipeline = await Pipeline.open(path, before, 1e7, { logBytesMax: 1e9 });
    const { engine } = pipeline;
    for (let i = 0; i < windows; i++) {
      for (const device of DEVICES) pipeline.put({ device, timeMs: i * SECOND, values: [i] });
    }
    await pipeline.committer.drain();
    const after = { ...before, hash: "hash-2", windows: [tumbling("1m", 60 * SECOND, counts)] };
    engine.changeover.begin({ profiles: [after] });
    const closed: (readonly Summary[])[] = [];
    while (engine.changeover.isUnderWay) closed.push(engine.changeover.portion().summaries);
    expect(Math.max(...closed.map(({ length }) => length))).toBeLessThanOrEqual(2 * LIMITS.changeShareMax);
    const ids = closed.flatMap((some) => some.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(DEVICES.length * windows);
    await pipeline.crash();
  }));

it("gives readings that waited for the clock their times in several commits, also when it dies in between", () =>
  inFolder(async (path) => {
    const seconds = engineProfile({
      time: { ...engineProfile().time, maxFutureMs: 0 },
      windows: [tumbling("1s", SECOND, counts)],
    });
    const opened = () => Pipeline.open(path, seconds, 1e7, { logBytesMax: 1e9, clock });
    const clock = new ManualClock({ trusted: false });
    const devices = ["a", "b", "c", "d", "e", "f"];
    const readings = 1_500;
    let pipeline = await opened();
    for (let i = 0; i < readings; i++) {
      for (const device of devices)
        pipeline.put({ device, timeMs: Number.NaN, arrivalMs: i * SECOND, values: [i] });
    }
    await pipeline.committer.drain();
    expect(pipeline.engine.heldReadings).toBe(devices.length * readings);
    clock.stepWall(Date.UTC(2026, 10, 22), { trusted: true });
    let commits = 0;
    const commit = pipeline.store.commit.bind(pipeline.store);
    pipeline.store.commit = (what) => (commits++ < 2 ? commit(what) : new Promise(() => {}));
    pipeline.committer.start();
    while (commits < 3) await pipeline.clock.run(SECOND);
    await pipeline.crash();
    pipeline = await opened();
    const left = pipeline.engine.heldReadings;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(devices.length * readings);
    const sizes = watched(pipeline);
    pipeline.committer.start();
    while (pipeline.engine.isHolding) await pipeline.clock.run(SECOND);
    await pipeline.committer.drain();
    // All but the newest window of each.
    const said = await pipeline.summaries();
    expect(new Set(said.map(({ id }) => id)).size).toBe(devices.length * (readings - 1));
    expect(said).toHaveLength(devices.length * (readings - 1));
    expect(pipeline.engine.totals()).toMatchObject({ accepted: devices.length * readings });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * LIMITS.blockSummariesMax);
    await pipeline.crash();
  }));
