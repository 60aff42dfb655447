import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/model/limits.js";
import { Store } from "../../src/store/store.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { engineProfile, field, tumbling } from "../helpers/engine.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { Pipeline } from "../helpers/pipeline.js";
import { seeded } from "../helpers/seeded.js";
import { EventNames } from "../helpers/store.js";
import { temporaryFolder } from "../helpers/tools.js";

const MB = 1e6;
const MINUTE_MS = 60_000;
/** Between two readings of a device. */
const PERIOD_S = 10;
/** Devices are awake in one of so many minutes; else the month would take longer than all other campaigns. */
const AWAKE_EVERY = 5;
/** Minutes in one commit: a sync costs a test more than a gateway, which has a month for it. */
const COMMIT_MINUTES = 5;

/** LevelDB deletes files while we look. */
function filesBytes(folder: string): number {
  const sizes = readdirSync(folder).map(
    (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size,
  );
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

/** Bytes of tables that LevelDB has written since it was opened, as it notes itself: flushed and merged ones. */
function tableBytes(folder: string): number {
  const notes = readFileSync(join(folder, "LOG"), "utf8");
  const written = notes.matchAll(/(?:Level-0 table #\d+: |files => )(\d+) bytes/g);
  return [...written].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

describe("upkeep of the store", () => {
  it("holds the folder to its budget where nothing compresses and LevelDB would keep several times of it", async () => {
    const path = await temporaryFolder();
    const clock = new ManualClock();
    const budgetBytes = 20 * MB;
    const store = await Store.open({
      path,
      clock,
      timers: clock,
      observer: new EventNames(),
      logBytesMax: budgetBytes,
      databaseBytesMax: budgetBytes,
    });
    const random = seeded("upkeep");
    const noise = Buffer.from(Array.from({ length: 400_000 }, () => random.below(256))).toString("base64");
    const total = rounds(50, 500) * MB;
    let peak = 0;
    let written = 0;
    while (written < total) {
      const summaries = Array.from({ length: 300 }, () => {
        const at = random.below(noise.length - 350);
        return JSON.stringify({ x: noise.slice(at, at + 350) });
      });
      await store.commit({ summaries, records: [] });
      await store.trimLog(() => []);
      await store.upkeep.settled();
      written += 300 * 360;
      peak = Math.max(peak, filesBytes(join(path, "db")));
    }
    tell(
      "upkeep",
      `${(written / MB).toFixed(0)} MB of noise through a budget of 20 MB: ${(peak / MB).toFixed(1)} MB of files at most, ` +
        `${store.upkeep.compactions} compactions, ${(tableBytes(join(path, "db")) / written).toFixed(1)} bytes of tables per byte`,
    );
    await store.close();
    // Half of the head room is for writing faster than a gateway ever does.
    expect(peak).toBeLessThan(budgetBytes + LIMITS.databaseHeadRoomBytes / 2);
  }, 300_000);

  it(
    "lives through a month of 100 devices within budget, and says what it has written",
    async () => {
      const path = await temporaryFolder();
      const bounds = { logBytesMax: 16 * MB, databaseBytesMax: 20 * MB };
      const profile = engineProfile({
        fields: [field("temperature"), field("humidity")],
        windows: [1, 15].map((minutes) =>
          tumbling(`${minutes}m`, minutes * MINUTE_MS, [
            { field: 0, names: ["count", "mean", "min", "max"] },
            { field: 1, names: ["count", "mean", "min", "max"] },
          ]),
        ),
      });
      const pipeline = await Pipeline.open(path, profile, 2 * MB, bounds);
      const { clock, committer, store } = pipeline;
      const folder = join(path, "db");
      const random = seeded("a month of readings");
      const days = rounds(2, 30);
      const sizes: number[] = [];
      let [peak, readings, batches] = [0, 0, 0];
      const write = store.commit.bind(store);
      store.commit = async (commit) => {
        const before = { journal: store.journalBytes, log: store.log.bytes };
        await write(commit);
        batches += Math.max(0, store.journalBytes - before.journal) + store.log.bytes - before.log;
        for (const record of commit.records) batches += record.type === "put" ? record.value.length : 0;
      };
      for (let minute = 0; minute < days * 1_440; minute++) {
        for (let second = 0; second < 60; second += PERIOD_S) {
          for (let device = 0; device < 100; device++) {
            if ((minute + device) % AWAKE_EVERY > 0) continue;
            readings++;
            const timeMs = minute * MINUTE_MS + second * 1_000 + device * 7;
            const values = [
              20 + Math.sin(minute / 300) * 8 + random.below(10) / 10,
              40 + random.below(200) / 10,
            ];
            pipeline.put({
              device: `sensor-${device}`,
              timeMs,
              arrivalMs: timeMs + 30,
              values: values.map((x) => Math.round(x * 10) / 10),
            });
          }
        }
        if (minute % COMMIT_MINUTES > 0) continue;
        await committer.drain();
        clock.advance(COMMIT_MINUTES * MINUTE_MS);
        await store.trimLog(() => []);
        if (minute % (4 * COMMIT_MINUTES) === 0) peak = Math.max(peak, filesBytes(folder));
        if (minute % (Math.round(days * 28) * COMMIT_MINUTES) === 0) sizes.push(filesBytes(folder));
      }
      const tables = tableBytes(folder);
      tell(
        "upkeep",
        `${days} days of 100 devices, ${readings} readings: ${(batches / MB).toFixed(0)} MB in batches, ` +
          `${((tables + batches) / batches).toFixed(2)} bytes written per byte (log 1, tables ${(tables / batches).toFixed(2)}), ` +
          `${((tables + batches) / readings).toFixed(0)} bytes per reading`,
      );
      tell(
        "upkeep",
        `folder of a 20 MB budget over that time: ${sizes.map((bytes) => (bytes / MB).toFixed(1)).join(" ")} MB, ` +
          `${(peak / MB).toFixed(1)} MB at most, ${store.upkeep.compactions} compactions`,
      );
      await pipeline.crash();
      expect(peak).toBeLessThan(bounds.databaseBytesMax + LIMITS.databaseHeadRoomBytes);
    },
    LONG ? 1_200_000 : 120_000,
  );
});
