import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/engine.js";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  newEngine,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { inFolder } from "../../helpers/folder.js";
import { settle } from "../../helpers/manual-clock.js";
import { Pipeline } from "../../helpers/pipeline.js";
import { seeded } from "../../helpers/seeded.js";

const profile = engineProfile({
  fields: [field("x")],
  windows: [
    tumbling("10s", 10_000, [{ field: 0, names: ["count", "sum", "stddev"] }], 5_000),
    tumbling("1m", 60_000, [{ field: 0, names: ["mean", "last"] }]),
  ],
});

const reading = fc.record({
  device: fc.constantFrom("a", "b", "c"),
  timeMs: fc.integer({ min: 0, max: 200 }).map((n) => n * 1_000),
  values: fc.tuple(fc.integer({ min: 0, max: 999 }).map((n) => n / 10)),
});
type Step = "commit" | "crash" | TestReading;
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: reading as fc.Arbitrary<Step> },
    { weight: 3, arbitrary: fc.constant<Step>("commit") },
    { weight: 1, arbitrary: fc.constant<Step>("crash") },
  ),
  { maxLength: 80 },
);

describe("group commit", () => {
  it("tells no source before its readings are in a synced batch", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile);
      const { store } = pipeline;
      const commit = store.commit.bind(store);
      let release: () => void = () => {};
      let begun: () => void = () => {};
      const beginning = new Promise<void>((resolve) => {
        begun = resolve;
      });
      store.commit = async (what) => {
        begun();
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        await commit(what);
      };
      let told = 0;
      pipeline.put({ timeMs: 1, values: [1] }, () => told++);
      pipeline.clock.advance(100);
      await beginning;
      await pipeline.clock.run(60_000);
      expect(told).toBe(0);
      release();
      store.commit = commit;
      await pipeline.committer.drain();
      expect(told).toBe(1);
      await pipeline.crash();
    }));

  it("acknowledges nothing more after a commit that failed, although the store could write again", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile);
      const { store, clock, committer } = pipeline;
      const commit = store.commit.bind(store);
      store.commit = () => Promise.reject(new Error("the engine and the store disagree"));
      let told = 0;
      pipeline.put({ timeMs: 1, values: [1] }, () => told++);
      // The next one gathers while the first one is failing.
      clock.advance(100);
      pipeline.put({ timeMs: 2, values: [2] }, () => told++);
      await expect(committer.drain()).rejects.toThrow("earlier commit failed");
      store.commit = commit;
      pipeline.put({ timeMs: 3, values: [3] }, () => told++);
      await clock.run(60_000);
      await expect(committer.exclusively(() => Promise.resolve())).rejects.toThrow("earlier commit failed");
      expect(told).toBe(0);
      expect(pipeline.fatal.splice(0)).toMatchObject([{ message: "the engine and the store disagree" }]);
      await pipeline.crash();
    }));

  it("lets a change have its turn although every sender sends more as soon as it is told of a commit", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile);
      const { clock, committer } = pipeline;
      let sent = 0;
      let told = 0;
      const send = () => {
        pipeline.put({ timeMs: ++sent, values: [1] }, () => {
          told++;
          if (sent < 1_000) send();
        });
      };
      for (let i = 0; i < 20; i++) send();
      let changed: readonly [sent: number, told: number, accepted: number] | undefined;
      const change = committer.exclusively(() => {
        changed = [sent, told, pipeline.engine.totals().accepted];
        return Promise.resolve();
      });
      await change;
      expect(changed).toEqual([20, 0, 20]);
      expect(told).toBe(20);
      await clock.run(10_000);
      await committer.drain();
      expect([sent, told]).toEqual([1_000, 1_000]);
      await pipeline.crash();
    }));

  it("runs one change after the other, however many are asked for at once", () =>
    inFolder(async (path) => {
      const { committer, ...pipeline } = await Pipeline.open(path, profile);
      let running = 0;
      const ran: number[] = [];
      const change = async (i: number) => {
        expect(++running).toBe(1);
        for (let tick = 0; tick < 5; tick++) await Promise.resolve();
        ran.push(i);
        running--;
      };
      await Promise.all([0, 1, 2, 3].map((i) => committer.exclusively(() => change(i))));
      expect(ran.sort()).toEqual([0, 1, 2, 3]);
      committer.stop();
      await pipeline.store.close();
    }));

  it("acknowledges a lone sender at once, and lets others wait when the budget of syncs is spent", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile);
      const { clock } = pipeline;
      pipeline.store.commit = () => Promise.resolve();
      for (let i = 0; i < 10; i++) expect(await waitOf(pipeline, i)).toBeLessThanOrEqual(1);
      const spent = await waitOf(pipeline, 10);
      expect(spent).toBeGreaterThan(50);
      expect(spent).toBeLessThanOrEqual(100);
      await clock.run(200);
      expect(await waitOf(pipeline, 11)).toBeLessThanOrEqual(1);
      await pipeline.crash();
    }));

  it("syncs no more often than the delay allows in the long run, and lets no reading wait longer", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile);
      const { clock, engine } = pipeline;
      pipeline.store.commit = () => Promise.resolve();
      const random = seeded("arrivals");
      const waits: number[] = [];
      const begunMs = clock.monotonicMs();
      for (let i = 0; i < 1_500; i++) {
        const putMs = clock.monotonicMs();
        pipeline.put({ timeMs: i, values: [i] }, () => waits.push(clock.monotonicMs() - putMs));
        // Bursts, a trickle, and silences in which the budget is saved up.
        await clock.run(random.below(100) === 0 ? 2_000 : random.below(25));
      }
      await clock.run(200);
      expect(waits).toHaveLength(1_500);
      expect(Math.max(...waits)).toBeLessThanOrEqual(100);
      expect(engine.sequence).toBeLessThanOrEqual(10 + (clock.monotonicMs() - begunMs) / 100);
      await pipeline.crash();
    }));

  it("commits a large group beyond the budget once everyone waits, but not because even input pauses", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile);
      const { clock, engine } = pipeline;
      pipeline.store.commit = () => Promise.resolve();
      for (let i = 0; i < 10; i++) await waitOf(pipeline, i);
      let told = 0;
      const put = (count: number) => {
        for (let i = 0; i < count; i++) pipeline.put({ timeMs: i * 7, values: [i] }, () => told++);
      };
      put(150);
      await clock.run(2);
      expect(told).toBe(150);
      put(100);
      await clock.run(20);
      expect(told).toBe(150);
      await clock.run(100);
      expect(told).toBe(250);
      const before = engine.sequence;
      for (let ms = 0; ms < 2_000; ms += 2) {
        put(10);
        await clock.run(2);
      }
      expect(engine.sequence - before).toBeLessThanOrEqual(21);
      await pipeline.crash();
    }));

  it("takes no disk that is slow at every sync for the silence of devices", () =>
    inFolder(async (path) => {
      const idle = { ...profile, time: { ...profile.time, idleTimeoutMs: 5_000 } };
      const pipeline = await Pipeline.open(path, idle);
      const { store, clock, committer, engine } = pipeline;
      let release: () => void = () => {};
      store.commit = () =>
        new Promise<void>((resolve) => {
          release = resolve;
        });
      pipeline.put({ device: "held back", timeMs: 9_000, values: [1] });
      for (let i = 0; i < 12; i++) {
        pipeline.put({ device: "served", timeMs: 9_000 + i, values: [i] });
        await clock.run(10);
        await clock.run(890);
        release();
        await settle();
      }
      const windows = () => engine.counts().map(({ openWindows }) => openWindows);
      expect(windows()).toEqual([2, 2]);
      store.commit = () => Promise.resolve();
      committer.start();
      await clock.run(10_000);
      // Silence that nobody causes but the device does count.
      expect(windows()[0]).toBeLessThan(2);
      await pipeline.crash();
    }));
});

/** How long a sender waits for the acknowledgement of one reading. */
async function waitOf(pipeline: Pipeline, reading: number): Promise<number> {
  const { clock } = pipeline;
  const putMs = clock.monotonicMs();
  let toldMs: number | undefined;
  pipeline.put({ timeMs: reading * 13, values: [reading] }, () => {
    toldMs = clock.monotonicMs();
  });
  while (toldMs === undefined) await clock.run(1);
  return toldMs - putMs;
}

describe("recovery", () => {
  it("ends in the state and the log of a run that was never interrupted, wherever it crashed and checkpointed", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(1, 300, 1e6), async (todo, journalBytesMax) => {
        await inFolder(async (path) => {
          let pipeline = await Pipeline.open(path, profile, journalBytesMax);
          const expected = newEngine(profile);
          const blocks = new BlockMaker(profile);
          const log: string[] = [];
          let gathering: TestReading[] = [];
          const commit = async () => {
            if (gathering.length === 0) return;
            log.push(...expected.apply(blocks.block(gathering)).map((s) => JSON.stringify(s)));
            gathering = [];
            await pipeline.committer.drain();
          };
          for (const step of [...todo, "commit", "crash"] as Step[]) {
            if (step === "commit") await commit();
            else if (step === "crash") {
              await commit();
              await pipeline.crash();
              pipeline = await Pipeline.open(path, profile, journalBytesMax);
            } else {
              gathering.push(step);
              pipeline.put(step);
            }
          }
          expect((await pipeline.summaries()).map((s) => JSON.stringify(s))).toEqual(log);
          expect(byName(pipeline.engine)).toEqual(byName(expected));
          expect(
            pipeline.engine
              .flush()
              .map((s) => JSON.stringify(s))
              .sort(),
          ).toEqual(
            expected
              .flush()
              .map((s) => JSON.stringify(s))
              .sort(),
          );
          await pipeline.crash();
        });
      }),
      cases(60),
    );
  });

  it("keeps the journal short by checkpoints", () =>
    inFolder(async (path) => {
      const pipeline = await Pipeline.open(path, profile, 2_000);
      for (let i = 0; i < 300; i++) {
        pipeline.put({ timeMs: i * 1_000, values: [i] });
        await pipeline.committer.drain();
      }
      expect(pipeline.store.journalBytes).toBeLessThan(4_000);
      await pipeline.crash();
    }));

  it("does not count a redelivered packet twice although it has no event time and the agent crashed in between", () =>
    inFolder(async (path) => {
      let pipeline = await Pipeline.open(path, profile);
      pipeline.put({ timeMs: Number.NaN, arrivalMs: 1_000, values: [1], delivery: 77 });
      await pipeline.committer.drain();
      await pipeline.crash();
      pipeline = await Pipeline.open(path, profile);
      pipeline.put({ timeMs: Number.NaN, arrivalMs: 9_000, values: [1], delivery: -77 });
      pipeline.put({ timeMs: Number.NaN, arrivalMs: 9_500, values: [1], delivery: -78 });
      await pipeline.committer.drain();
      const [counts] = pipeline.engine.counts();
      expect(counts).toMatchObject({ received: 3, accepted: 2, rejected: { duplicate: 1 } });
      await pipeline.crash();
    }));
});

/** The order of devices is not part of the state. */
function byName(engine: Engine) {
  return engine.counts().sort((a, b) => (a.device < b.device ? -1 : 1));
}
