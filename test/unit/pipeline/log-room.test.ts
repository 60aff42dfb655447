import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import { BlockSize } from "../../../src/pipeline/block-size.js";
import { LogRoom } from "../../../src/pipeline/log-room.js";
import { engineProfile, field, tumbling } from "../../helpers/engine.js";
import { inFolder } from "../../helpers/folder.js";
import { ManualClock, settle } from "../../helpers/manual-clock.js";
import { Pipeline } from "../../helpers/pipeline.js";
import { Recorder } from "../../helpers/recorder.js";

const BYTES_MAX = 1_600;
const HEAD_ROOM = 100;
const READINGS = 6_000;

/** A log whose size is moved by hand, and rounds of making room that end when they are told to. */
function scene() {
  const clock = new ManualClock();
  const observer = new Recorder();
  const rounds: { readonly succeed: () => void; readonly fail: () => void }[] = [];
  let rewritten = () => {};
  const log = {
    bytes: BYTES_MAX,
    bytesMax: BYTES_MAX,
    onAppend: () => () => true,
    onRewrite: (listener: () => void) => {
      rewritten = listener;
    },
  };
  const failures: unknown[] = [];
  const room = new LogRoom({
    log,
    clock,
    observer,
    onFailed: (error) => failures.push(error),
    trim: () =>
      new Promise<void>((resolve, reject) => {
        rounds.push({ succeed: resolve, fail: () => reject(new Error("it cannot be read")) });
      }),
  });
  room.start();
  const rewrite = (bytes: number) => {
    log.bytes = bytes;
    rewritten();
  };
  return { clock, observer, rounds, log, failures, room, rewrite };
}

describe("room in the log", () => {
  it("is asked for behind the head room only, and is there when the log is within its bound again", async () => {
    const { room, log, rewrite, rounds } = scene();
    log.bytes = BYTES_MAX + HEAD_ROOM;
    expect(room.lacking).toBe(false);
    log.bytes++;
    expect(room.lacking).toBe(true);
    let there = false;
    const made = room.made().then(() => {
      there = true;
    });
    rewrite(BYTES_MAX + 1);
    await settle();
    expect(there).toBe(false);
    rewrite(BYTES_MAX);
    await made;
    expect(rounds).toHaveLength(1);
  });

  it("keeps nobody waiting for a round that has failed, or has ended without making any", async () => {
    const { room, log, rounds, failures } = scene();
    log.bytes = 2 * BYTES_MAX;
    const failed = room.made();
    rounds[0]!.fail();
    await failed;
    expect(failures).toHaveLength(1);
    const fruitless = room.made();
    rounds[1]!.succeed();
    await fruitless;
    expect(room.lacking).toBe(true);
  });

  it("is told of once in a flood, however often it is waited for, and says how long", async () => {
    const { room, log, clock, observer, rewrite } = scene();
    const wait = async (ms: number) => {
      log.bytes = 2 * BYTES_MAX;
      const made = room.made();
      clock.advance(ms);
      expect(room.waitingMs).toBe(ms);
      rewrite(BYTES_MAX);
      await made;
      expect(room.waitingMs).toBe(0);
    };
    await wait(500);
    await wait(700);
    expect(room.waitedMs).toBe(1_200);
    expect(observer.named("log-room-wait")).toHaveLength(1);
    clock.advance(100_000);
    await wait(1);
    expect(observer.named("log-room-wait")).toHaveLength(2);
  });
});

const profile = engineProfile({
  fields: [field("x")],
  windows: [tumbling("1s", 1_000, [{ field: 0, names: ["count", "sum"] }])],
});

async function withPipeline(
  body: (pipeline: Pipeline, world: ReturnType<typeof scene>) => Promise<void>,
  of = profile,
): Promise<void> {
  await inFolder(async (path) => {
    const world = scene();
    const pipeline = await Pipeline.open(path, of, 1e9, { logRoom: world.room, clock: world.clock });
    await body(pipeline, world);
    await pipeline.crash();
  });
}

describe("a block that meets a full log", () => {
  it("is not committed before there is room, and the wait is nobody's silence", () =>
    withPipeline(async (pipeline, { log, rewrite }) => {
      const { committer, engine, store, clock } = pipeline;
      log.bytes = 2 * BYTES_MAX;
      const blocks: number[] = [];
      const apply = engine.applyPart.bind(engine);
      engine.applyPart = (block, summariesMax) => {
        blocks.push(block.processingMs);
        return apply(block, summariesMax);
      };
      let told = 0;
      pipeline.put({ timeMs: 1, values: [1] }, () => told++);
      await clock.run(60_000);
      expect([told, blocks]).toEqual([0, []]);
      expect(committer.stalledMs).toBe(0);
      rewrite(BYTES_MAX);
      await committer.drain();
      expect(told).toBe(1);
      expect(blocks[0]).toBeLessThan(1_000);
      expect(store.journalBlocks).toBe(1);
    }));

  it("is committed without room when everything has to be, for an end or a reload", () =>
    withPipeline(async (pipeline, { log, rounds }) => {
      log.bytes = 2 * BYTES_MAX;
      let told = 0;
      for (let i = 0; i < 5_000; i++) pipeline.put({ timeMs: i, values: [i] }, () => told++);
      await pipeline.clock.run(1_000);
      expect(told).toBe(0);
      await pipeline.committer.drain();
      expect(told).toBe(5_000);
      expect(rounds).toHaveLength(1);
      expect(pipeline.store.journalBlocks).toBeLessThanOrEqual(2);
    }));
});

describe("many windows that close at once", () => {
  it("wait for room in the log between the blocks that they are divided into, and are not acknowledged before", () =>
    withPipeline(
      async (pipeline, { log, room, rewrite }) => {
        const { committer, store, clock } = pipeline;
        const windows = 3.5 * LIMITS.deviceShareMax;
        for (let i = 0; i < windows; i++) pipeline.put({ timeMs: i * 1_000, values: [i] });
        await committer.drain();
        let commits = 0;
        const commit = store.commit.bind(store);
        store.commit = (what) => {
          commits++;
          log.bytes = 2 * BYTES_MAX;
          return commit(what);
        };
        let told = 0;
        pipeline.put({ timeMs: 1e9, values: [0] }, () => told++);
        const waits: number[] = [];
        while (told === 0) {
          await clock.run(100);
          if (room.waitingMs === 0) continue;
          waits.push(commits);
          rewrite(BYTES_MAX);
        }
        expect(waits).toEqual([1, 2, 3]);
        expect((await pipeline.summaries()).filter(({ final }) => final)).toHaveLength(windows);
      },
      { ...profile, windows: [tumbling("1s", 1_000, [{ field: 0, names: ["count"] }], 1e7)] },
    ));
});

describe("the size of a block", () => {
  it("keeps the summaries that it causes within bounds, and the readings in their order", () =>
    withPipeline(async (pipeline) => {
      const told: number[] = [];
      const { log } = pipeline.store;
      const commit = pipeline.store.commit.bind(pipeline.store);
      const sizes: number[] = [];
      pipeline.store.commit = async (what) => {
        const before = log.appendedBytes;
        await commit(what);
        sizes.push(log.appendedBytes - before);
      };
      // Every reading closes the window before it.
      for (let i = 0; i < READINGS; i++) {
        pipeline.put({ timeMs: i * 1_000, values: [i] }, () => told.push(i));
      }
      while (told.length < READINGS) await pipeline.clock.run(100);
      expect(told).toEqual([...Array(READINGS).keys()]);
      expect(log.appendedBytes).toBeGreaterThan(LIMITS.blockSummaryBytesMax);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(LIMITS.blockSummaryBytesMax);
      expect(pipeline.engine.counts()).toMatchObject([{ accepted: READINGS }]);
    }));

  it("shrinks at once, and grows slowly, only by blocks that were full", () => {
    const size = new BlockSize();
    const first = size.readingsMax;
    size.learn(first, 4 * LIMITS.blockSummaryBytesMax);
    expect(size.readingsMax).toBe(first / 4);
    size.learn(first / 8, 0);
    expect(size.readingsMax).toBe(first / 4);
    size.learn(size.readingsMax, 0);
    expect(size.readingsMax).toBe((first / 4) * 1.25);
    for (let i = 0; i < 100; i++) size.learn(size.readingsMax, 1);
    expect(size.readingsMax).toBe(8_192);
  });
});
