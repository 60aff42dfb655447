import { expect, it } from "vitest";
import { Residency } from "../../../src/engine/residency.js";
import { engineProfile, tumbling } from "../../helpers/engine.js";
import { inFolder } from "../../helpers/folder.js";
import { Pipeline } from "../../helpers/pipeline.js";

/** Where memory has room for none. */
const MAX = new Residency({ bytesMax: 0 }).loadsMax;
const MINUTE = 60_000;
const profile = engineProfile({
  time: { ...engineProfile().time, idleTimeoutMs: MINUTE },
  windows: [tumbling("1m", MINUTE, [{ field: 0, names: ["count", "sum"] }])],
});

function open(path: string, memoryBytesMax: number): Promise<Pipeline> {
  return Pipeline.open(path, profile, 1e7, { memoryBytesMax, devicesMax: 100_000 });
}

/** One reading of each of so many devices, in one commit. @returns how many were acknowledged */
async function putAll(pipeline: Pipeline, devices: number, timeMs: number): Promise<number> {
  let acknowledged = 0;
  for (let i = 0; i < devices; i++) {
    pipeline.put({ device: `d${i}`, timeMs, values: [i] }, () => acknowledged++);
  }
  await pipeline.committer.drain();
  return acknowledged;
}

it("makes, or brings back, no more devices in a block than may be, and acknowledges when all of them are durable", () =>
  inFolder(async (path) => {
    const pipeline = await open(path, 0);
    const { engine } = pipeline;
    const groups: number[] = [];
    const apply = engine.applyPart.bind(engine);
    engine.applyPart = (block, summariesMax) => {
      groups.push(block.groups.length);
      return apply(block, summariesMax);
    };
    const devices = 20 * MAX;
    expect(await putAll(pipeline, devices, 0)).toBe(devices);
    expect(engine.residency.stats()).toMatchObject({ bytes: 0, devicesSpilled: devices });
    expect(Math.max(...groups)).toBe(MAX);
    expect(await putAll(pipeline, devices, 1_000)).toBe(devices);
    expect(Math.max(...groups)).toBe(MAX);
    expect(engine.totals()).toMatchObject({ received: 2 * devices, accepted: 2 * devices });
    await pipeline.crash();
  }));

it("closes the windows of many that fall silent in the same millisecond in several blocks, every window once, also when it dies in between", () =>
  inFolder(async (path) => {
    const devices = 20.5 * MAX;
    let pipeline = await open(path, 0);
    await putAll(pipeline, devices, 0);
    const closed = async () => (await pipeline.summaries()).map(({ device }) => device);
    const loads: number[] = [];
    for (let life = 0; life < 2; life++) {
      const { engine, committer, clock } = pipeline;
      const apply = engine.applyPart.bind(engine);
      engine.applyPart = (block, summariesMax) => {
        const before = engine.residency.stats().deviceLoads;
        const part = apply(block, summariesMax);
        loads.push(engine.residency.stats().deviceLoads - before);
        return part;
      };
      committer.start();
      const enough = life === 0 ? 1 : devices;
      for (let second = 0; second < 200 && (await closed()).length < enough; second++) {
        clock.advance(1_000);
        await committer.drain();
      }
      expect((await closed()).length).toBeGreaterThanOrEqual(enough);
      if (life > 0) break;
      expect((await closed()).length).toBeLessThan(devices / 2);
      await pipeline.crash();
      // What was in the store is in memory now.
      pipeline = await open(path, Number.POSITIVE_INFINITY);
    }
    expect(new Set(await closed()).size).toBe(devices);
    expect(await closed()).toHaveLength(devices);
    expect(Math.max(...loads)).toBeLessThan(1.1 * MAX);
    await pipeline.crash();
  }));

it("keeps within its bound of memory while it runs and while it recovers, and forgets nobody", () =>
  inFolder(async (path) => {
    const bound = 1_000_000;
    let pipeline = await open(path, bound);
    for (let round = 0; round < 3; round++) {
      await putAll(pipeline, 3_000, round * 1_000);
      expect(pipeline.engine.residency.stats().bytes).toBeLessThanOrEqual(bound);
    }
    expect(pipeline.engine.residency.stats().devicesSpilled).toBeGreaterThan(1_000);
    const [totals, counts] = [pipeline.engine.totals(), byName(pipeline)];
    // Some are stored, others in the journal only.
    await pipeline.crash();
    pipeline = await open(path, bound / 4);
    expect(pipeline.engine.residency.stats().bytes).toBeLessThanOrEqual(bound / 4);
    expect(pipeline.engine.totals()).toEqual(totals);
    expect(byName(pipeline)).toEqual(counts);
    await pipeline.crash();
  }));

it("goes beyond its bound by no more than a part of it while many that it has to read back have readings at once", () =>
  inFolder(async (path) => {
    const bound = 4_000_000;
    const pipeline = await open(path, bound);
    const { engine } = pipeline;
    const apply = engine.applyPart.bind(engine);
    let peak = 0;
    engine.applyPart = (block, summariesMax) => {
      const part = apply(block, summariesMax);
      peak = Math.max(peak, engine.residency.bytes);
      return part;
    };
    for (let round = 0; round < 3; round++) await putAll(pipeline, 6_000, round * 1_000);
    expect(engine.residency.stats().deviceLoads).toBeGreaterThan(6_000);
    expect(peak).toBeGreaterThan(bound);
    expect(peak).toBeLessThan(1.5 * bound);
    await pipeline.crash();
  }));

it("stores at its end also what a recovery began to store and left when there was room", () =>
  inFolder(async (path) => {
    const devices = 30_000;
    let pipeline = await open(path, Number.POSITIVE_INFINITY);
    await putAll(pipeline, devices, 0);
    const { totals, bytes } = { totals: pipeline.engine.totals(), bytes: pipeline.engine.residency.bytes };
    await pipeline.crash();
    pipeline = await open(path, 0.9 * bytes);
    const { devicesSpilled } = pipeline.engine.residency.stats();
    expect(devicesSpilled).toBeGreaterThan(0);
    expect(devicesSpilled).toBeLessThan(devices / 2);
    const share = pipeline.checkpointer.everything();
    await pipeline.store.commit({ summaries: [], ...share.commit });
    share.written();
    await pipeline.crash();
    pipeline = await open(path, Number.POSITIVE_INFINITY);
    expect(pipeline.engine.totals()).toEqual(totals);
    await pipeline.crash();
  }));

function byName({ engine }: Pipeline) {
  return engine.counts().sort((a, b) => (a.device < b.device ? -1 : 1));
}
