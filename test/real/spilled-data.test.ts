import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createGunzip } from "node:zlib";
import { describe, expect, it } from "vitest";
import { NIGHTLY } from "../helpers/cases.js";
import { engineProfile, field, finalBodies, hopping, type TestReading, tumbling } from "../helpers/engine.js";
import { Pipeline } from "../helpers/pipeline.js";
import { seeded } from "../helpers/seeded.js";
import { oracle } from "../oracle/oracle.js";

/** Real dirt, through a store and far less memory than the open windows take. Where the recording is not, it is skipped by name. */
const FILE = fileURLToPath(
  new URL("../../../shared/data/luftdaten/sds011_sensor_5331.csv.gz", import.meta.url),
);
const there = existsSync(FILE);
const suite = there ? describe : describe.skip;
const name = `recorded data with little memory${there ? "" : " (skipped: ../shared/data/luftdaten is not there)"}`;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** One day of the recording comes up to 23 h 58 min late; these rows have it in their middle. The whole takes long. */
const ROWS = NIGHTLY ? { from: 0, to: Number.POSITIVE_INFINITY } : { from: 103_000, to: 112_000 };
const LATE = 25 * HOUR;
const STATS = [0, 1].map((index) => ({
  field: index,
  names: ["count", "mean", "min", "max", "stddev", "p95", "first", "last"],
}));
const profile = engineProfile({
  fields: [field("P1", { range: [0, 1_999] }), field("P2", { range: [0, 999] })],
  windows: [
    tumbling("5m", 5 * MINUTE, STATS, LATE),
    hopping("1h", [HOUR, 10 * MINUTE], STATS, LATE),
    tumbling("1d", DAY, STATS, LATE),
  ],
});
/** The slices of two days, and their stubs, take several hundred thousand. */
const MEMORY_BYTES_MAX = 200_000;
const BLOCK_READINGS = 400;

type Reading = TestReading & { readonly device: string };

async function recorded(): Promise<Reading[]> {
  const readings: Reading[] = [];
  let columns: readonly string[] | undefined;
  let row = 0;
  for await (const line of createInterface({ input: createReadStream(FILE).pipe(createGunzip()) })) {
    const cells = line.split(";");
    if (columns === undefined) columns = cells;
    else if (row >= ROWS.from && row < ROWS.to) {
      const cell = (column: string) => cells[columns!.indexOf(column)]!;
      const number = (column: string) => (cell(column) === "" ? Number.NaN : Number(cell(column)));
      const timeMs = Date.parse(`${cell("timestamp")}Z`);
      readings.push({ device: "5331", timeMs, values: [number("P1"), number("P2")] });
    }
    row++;
  }
  return readings;
}

suite(name, () => {
  it("gives the oracle's bytes, over crashes, with duplicates of readings whose slices have left memory", {
    timeout: NIGHTLY ? 3_600_000 : 120_000,
  }, async () => {
    const random = seeded("crashes in the recording");
    const readings = await recorded();
    const newestMs = readings.reduce((max, { timeMs }) => Math.max(max, timeMs), 0);
    // Closes what lies before it.
    const last: TestReading = { device: "5331", timeMs: newestMs + 10 * DAY, values: [1, 1] };
    const path = await mkdtemp(join(tmpdir(), "weir-test-"));
    const open = () => Pipeline.open(path, profile, 100_000, { memoryBytesMax: MEMORY_BYTES_MAX });
    try {
      let pipeline = await open();
      let [sliceLoads, slicesSpilledMax] = [0, 0];
      const noteLoads = () => {
        sliceLoads += pipeline.engine.residency.stats().sliceLoads;
      };
      const commit = async () => {
        await pipeline.committer.drain();
        const stats = pipeline.engine.residency.stats();
        slicesSpilledMax = Math.max(slicesSpilledMax, stats.slicesSpilled);
        expect(stats.bytes).toBeLessThan(MEMORY_BYTES_MAX);
      };
      for (let at = 0; at < readings.length; at += BLOCK_READINGS) {
        for (const reading of readings.slice(at, at + BLOCK_READINGS)) pipeline.put(reading);
        // Some that were accepted hours ago.
        for (let i = 0; i < 5; i++) pipeline.put(readings[Math.max(0, at - random.below(600))]!);
        await commit();
        if (random.below(10) > 0) continue;
        noteLoads();
        await pipeline.crash();
        pipeline = await open();
      }
      pipeline.put(last);
      await commit();
      // A share of the windows at a time.
      pipeline.committer.start();
      while (pipeline.engine.isBehind) await pipeline.clock.run(MINUTE);
      await commit();
      noteLoads();
      const finals = finalBodies(await pipeline.summaries());
      await pipeline.crash();
      const expected = oracle(profile, readings);
      for (const [key, body] of finals) expect([key, body]).toEqual([key, expected.get(key) ?? "{}"]);
      for (const key of expected.keys()) expect(finals.has(key), key).toBe(true);
      expect(slicesSpilledMax).toBeGreaterThan(300);
      expect(sliceLoads).toBeGreaterThan(1_000);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});
