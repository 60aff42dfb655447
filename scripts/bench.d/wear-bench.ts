/**
 * What reaches the disk in a day, by rate and `commit.maxDelay`: a real agent under real MQTT load (QoS 1) for
 * seconds, scaled. Where this user may mount, its store is on a small ext4 of its own, so that the journal of the file
 * system is counted too; elsewhere the bytes are those that the kernel books for the process.
 *
 * Seconds see no table of LevelDB being written, so those are added by the log's growth: see `TABLES_PER_LOG_BYTE`.
 */
import { readdirSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { Child, program } from "./child.js";
import type { LoadOptions, LoadResult } from "./load-contract.js";
import { figuresOf } from "./process-figures.js";
import { SmallDisk } from "./small-disk.js";
import { WeirProcess } from "./weir-process.js";

const RATES = [1, 10, 100, 1_000];
const DELAYS_MS = [20, 100, 1_000, 10_000];
/** A few devices with their own times each; the more there are, the more often one comes. */
const DEVICES: Readonly<Record<number, number>> = { 1: 10, 10: 20, 100: 50, 1000: 100 };
const DAY_MS = 86_400_000;
/** Readings of the warm-up: as many as use up the commits that a pause has saved, and a few more. */
const WARM_UP_READINGS = 12;
/** Bytes of tables for each byte of LevelDB's log: 0.7 in the month of test/torture/upkeep.test.ts, more for noise. */
const TABLES_PER_LOG_BYTE = 1;
const CARD_BYTES = 32e9;
/** A card that levels its wear, and one that writes a page of its own for every flush. */
const GOOD_CARD = { cycles: 3_000, flushBytes: 0 };
const POOR_CARD = { cycles: 500, flushBytes: 16_384 };

export interface WearPoint {
  readonly readingsPerSecond: number;
  readonly maxDelayMs: number;
  readonly measuredMs: number;
  readonly syncsPerDay: number;
  readonly flushesPerDay: number;
  readonly bytesPerDay: number;
  readonly ackMsP50: number;
  /** Whether the device was asked, or only the process. */
  readonly ofDevice: boolean;
}

export const WEAR_NOTES = `A sync is one fdatasync; the bytes are LevelDB's log and its tables and, on a device, the file system's journal.
Life of a card of 32 GB: good, ${GOOD_CARD.cycles} cycles and no more written than asked for; poor, ${POOR_CARD.cycles} cycles and
${POOR_CARD.flushBytes / 1_024} KiB of its own for every flush (a sync is about two of them on ext4). Yours is somewhere between.
`;

/** One rate after the other, all delays at a time: bytes and syncs are counted, which do not disturb each other. */
export async function measureWear(quick: boolean): Promise<WearPoint[]> {
  // Each child process and each disk is put away when this process ends.
  process.setMaxListeners(8 * DELAYS_MS.length);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const points: WearPoint[] = [];
  for (const rate of quick ? [100] : RATES) {
    const delays = quick ? [100] : DELAYS_MS;
    points.push(...(await Promise.all(delays.map((delay) => measurePoint(rate, delay, quick)))));
  }
  return points;
}

interface Counts {
  readonly commits: number;
  readonly writtenBytes: number;
  readonly flushes: number;
  readonly logBytes: number;
}

async function measurePoint(rate: number, maxDelayMs: number, quick: boolean): Promise<WearPoint> {
  const disk = SmallDisk.mount();
  const weir = await WeirProcess.start([], {
    maxDelayMs,
    ...(disk === undefined ? {} : { within: disk.folder }),
  });
  try {
    const options: LoadOptions = {
      port: weir.port,
      connections: DEVICES[rate]!,
      qos: 1,
      window: 200,
      ratePerSecond: rate,
      apart: true,
      warmUpMs: quick ? 300 : Math.max(2_000, (1_000 * WARM_UP_READINGS) / rate),
      durationMs: quick ? 1_000 : Math.max(20_000, 4 * maxDelayMs),
    };
    const load = new Child([program("load"), JSON.stringify(options)], "stdout");
    await load.line(/^warm$/);
    // What was written when the agent began is not of every day.
    disk?.settle();
    const before = await countsOf(weir, disk);
    load.tell("go");
    const [line] = await load.line(/^\{.*\}$/);
    const after = await countsOf(weir, disk);
    await load.ended();
    const result = JSON.parse(line) as LoadResult;
    await weir.child.stop();
    return pointOf({ rate, maxDelayMs, before, after, result, ofDevice: disk !== undefined });
  } finally {
    await weir.remove();
    disk?.remove();
  }
}

function pointOf(on: {
  readonly rate: number;
  readonly maxDelayMs: number;
  readonly before: Counts;
  readonly after: Counts;
  readonly result: LoadResult;
  readonly ofDevice: boolean;
}): WearPoint {
  const { before, after, result } = on;
  const perDay = (of: (counts: Counts) => number) =>
    Math.round(((of(after) - of(before)) / result.elapsedMs) * DAY_MS);
  const syncsPerDay = perDay(({ commits }) => commits);
  return {
    readingsPerSecond: on.rate,
    maxDelayMs: on.maxDelayMs,
    measuredMs: Math.round(result.elapsedMs),
    syncsPerDay,
    flushesPerDay: on.ofDevice ? perDay(({ flushes }) => flushes) : 2 * syncsPerDay,
    bytesPerDay: perDay(({ writtenBytes, logBytes }) => writtenBytes + TABLES_PER_LOG_BYTE * logBytes),
    ackMsP50: Number(result.ackMsP50.toPrecision(3)),
    ofDevice: on.ofDevice,
  };
}

async function countsOf(weir: WeirProcess, disk: SmallDisk | undefined): Promise<Counts> {
  const device = disk?.figures();
  const status = await statusOf(join(weir.folder, "store/weir.sock"));
  const logs = readdirSync(weir.databaseFolder).filter((name) => /^\d+\.log$/.test(name));
  return {
    commits: status.store.commits,
    writtenBytes: device?.writtenBytes ?? figuresOf(weir.child.pid).writtenBytes ?? 0,
    flushes: device?.flushes ?? 0,
    logBytes: logs.reduce((sum, name) => sum + statSync(join(weir.databaseFolder, name)).size, 0),
  };
}

async function statusOf(socketPath: string): Promise<{ readonly store: { readonly commits: number } }> {
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath, path: "/status" }, (answer) => {
      answer
        .setEncoding("utf8")
        .toArray()
        .then((parts) => resolve(parts.join("")), reject);
    });
    asked.on("error", reject);
    asked.end();
  });
  return JSON.parse(text) as { readonly store: { readonly commits: number } };
}

/** As it stands in the README. */
export function wearTable(points: readonly WearPoint[]): string {
  const rows = points.map((point) => [
    point.readingsPerSecond.toLocaleString("en-US"),
    point.maxDelayMs < 1_000 ? `${point.maxDelayMs} ms` : `${point.maxDelayMs / 1_000} s`,
    point.ackMsP50 < 1_000 ? `${Math.round(point.ackMsP50)} ms` : `${(point.ackMsP50 / 1_000).toFixed(1)} s`,
    point.syncsPerDay.toLocaleString("en-US"),
    `${(point.bytesPerDay / 1e9).toFixed(2)} GB`,
    years(point, GOOD_CARD),
    years(point, POOR_CARD),
  ]);
  const head = [
    "readings/s",
    "`maxDelay`",
    "median ack",
    "syncs a day",
    "written a day",
    "good card",
    "poor card",
  ];
  return [head, head.map(() => "---:"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function years(point: WearPoint, card: { readonly cycles: number; readonly flushBytes: number }): string {
  const bytesPerDay = point.bytesPerDay + point.flushesPerDay * card.flushBytes;
  const life = (card.cycles * CARD_BYTES) / bytesPerDay / 365;
  return life >= 100
    ? "> 100 years"
    : life < 2
      ? `${Math.round(life * 12)} months`
      : `${life.toFixed(0)} years`;
}
