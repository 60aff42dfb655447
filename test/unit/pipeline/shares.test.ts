import { mkdir } from "node:fs/promises";
import { expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import { engineProfile, tumbling } from "../../helpers/engine.js";
import { inFolder } from "../../helpers/folder.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { Pipeline } from "../../helpers/pipeline.js";

const SECOND = 1_000;
const DEVICES = ["a", "b", "c"];
const WINDOWS = 1_800;
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

it("closes the windows of a definition that has changed in several portions", () =>
  inFolder(async (path) => {
    const { pipeline } = await waiting(path);
    const { engine } = pipeline;
    const after = { ...profile, hash: "hash-2", windows: [tumbling("1m", 60 * SECOND, counts)] };
    const closed = [engine.changeover.begin({ profiles: [after] })];
    while (engine.changeover.isUnderWay) closed.push(engine.changeover.portion().summaries);
    expect(Math.max(...closed.map(({ length }) => length))).toBeLessThanOrEqual(2 * LIMITS.deviceShareMax);
    expect(closed.flatMap((some) => some.map(({ id }) => id)).sort()).toEqual(all);
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
