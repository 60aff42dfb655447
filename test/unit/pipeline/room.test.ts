import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import { engineProfile, tumbling } from "../../helpers/engine.js";
import { settle } from "../../helpers/manual-clock.js";
import { Pipeline } from "../../helpers/pipeline.js";

const MAX = LIMITS.loadsPerBlockMax;
const MINUTE = 60_000;
const profile = engineProfile({
  time: { ...engineProfile().time, idleTimeoutMs: MINUTE },
  windows: [tumbling("1m", MINUTE, [{ field: 0, names: ["count", "sum"] }])],
});

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "weir-test-"));
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

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
    const apply = engine.apply.bind(engine);
    engine.apply = (block) => {
      groups.push(block.groups.length);
      return apply(block);
    };
    const devices = 2 * MAX;
    expect(await putAll(pipeline, devices, 0)).toBe(devices);
    expect(engine.residency.stats()).toMatchObject({ bytes: 0, devicesSpilled: devices });
    expect(Math.max(...groups)).toBe(MAX);
    expect(await putAll(pipeline, devices, 1_000)).toBe(devices);
    expect(Math.max(...groups)).toBe(MAX);
    expect(engine.totals()).toMatchObject({ received: 2 * devices, accepted: 2 * devices });
    await pipeline.crash();
  }));

it("closes the windows of many that fall silent together in several blocks, every window once", () =>
  inFolder(async (path) => {
    const pipeline = await open(path, 0);
    pipeline.committer.start();
    // Their last readings come one commit after the other, so that not all fall silent in one millisecond.
    for (let part = 0; part < 3; part++) {
      for (let i = 0; i < MAX / 2; i++) pipeline.put({ device: `${part}-${i}`, timeMs: 0, values: [i] });
      await pipeline.committer.drain();
      pipeline.clock.advance(10);
    }
    const before = pipeline.engine.sequence;
    for (let i = 0; i < 200 && (await pipeline.summaries()).length < (3 * MAX) / 2; i++) {
      pipeline.clock.advance(1_000);
      await settle();
    }
    const devices = (await pipeline.summaries()).map(({ device }) => device);
    expect(devices.length).toBe((3 * MAX) / 2);
    expect(new Set(devices).size).toBe(devices.length);
    expect(pipeline.engine.sequence - before).toBeGreaterThan(1);
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

function byName({ engine }: Pipeline) {
  return engine.counts().sort((a, b) => (a.device < b.device ? -1 : 1));
}
