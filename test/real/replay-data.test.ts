import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";

/**
 * Recorded data with answers that were computed by other programs. The recordings may not be passed on, so they
 * lie beside the project, and where they do not, these tests are skipped by name.
 */
const DATA = fileURLToPath(new URL("../../../shared/data/", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const PROFILES = fileURLToPath(new URL("../profiles/", import.meta.url));
const there = existsSync(`${DATA}answers.json`);
const suite = there ? describe : describe.skip;
const name = (what: string) => (there ? what : `${what} (skipped: ../shared/data is not there)`);

/** As far as these tests look at them; each kind of data has its own numbers. */
interface Answer {
  readonly [number: string]: number;
}

interface LuftdatenAnswer {
  readonly value: string;
  readonly w5: {
    readonly windows: number;
    readonly in_range: number;
    readonly sum_of_means: number;
    readonly max_of_max: number;
    readonly first: readonly (readonly [string, number, number])[];
  };
  readonly late: readonly {
    readonly allowed_lateness: number;
    readonly dropped_late: number;
    readonly windows: number;
  }[];
}

const answers: Readonly<Record<string, unknown>> = there
  ? JSON.parse(readFileSync(`${DATA}answers.json`, "utf8"))
  : {};
const answer = (key: string) => answers[key] as Answer;

interface Outcome {
  /** Summaries with a value of the field. */
  readonly windows: number;
  readonly first: readonly [string, number, number][];
  readonly sumOfMeans: number;
  readonly sumOfCounts: number;
  readonly maxOfMax: number;
  readonly summaries: readonly { readonly count: number; readonly mean: number }[];
  /** What stderr says: label to number. */
  readonly totals: ReadonlyMap<string, number>;
}

async function replay(
  profile: string,
  file: string,
  field: string,
  more: readonly string[] = [],
): Promise<Outcome> {
  const args = [PROGRAM, "replay", "--profile", `${PROFILES}${profile}.yaml`, ...more, `${DATA}${file}`];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const first: [string, number, number][] = [];
  const summaries: { count: number; mean: number }[] = [];
  let [sumOfMeans, sumOfCounts, maxOfMax] = [0, 0, Number.NEGATIVE_INFINITY];
  let revisable = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const summary = JSON.parse(line) as Summary;
    // There are some hundred thousand of them, too many to expect one by one.
    if (!summary.final) revisable++;
    const value = summary.fields[field] as { count: number; mean: number; max?: number } | undefined;
    if (value === undefined) continue;
    if (first.length < 2) first.push([summary.window.start!, value.count, value.mean]);
    summaries.push({ count: value.count, mean: value.mean });
    sumOfMeans += value.mean;
    sumOfCounts += value.count;
    maxOfMax = Math.max(maxOfMax, value.max ?? maxOfMax);
  }
  expect([await ended, stderr]).toEqual([0, stderr]);
  expect(revisable).toBe(0);
  const rows = [...stderr.matchAll(/^ *([A-Za-z][A-Za-z /]*?) +([\d.,]+)(?: s)?$/gm)];
  const totals = new Map(rows.map((row) => [row[1]!, Number(row[2]!.replaceAll(",", ""))]));
  const rejected = [...totals].slice([...totals.keys()].indexOf("accepted") + 1);
  const reasons = rejected.filter(
    ([label]) => !/^(of them|devices|windows|revisions|elapsed|readings)/.test(label),
  );
  const sumRejected = reasons.reduce((sum, [, n]) => sum + n, 0);
  expect(totals.get("received")).toBe(totals.get("accepted")! + sumRejected);
  return { windows: summaries.length, first, sumOfMeans, sumOfCounts, maxOfMax, summaries, totals };
}

/** Within 1e-6 of the expected value, relatively. */
function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.abs(expected) * 1e-6);
}

suite(name("recorded data: sensor.community"), () => {
  const files = Object.keys(answers).filter((key) => key.startsWith("luft_"));
  it.each(files)("%s in five-minute windows", { timeout: 120_000 }, async (key) => {
    const { value, w5 } = answers[key] as LuftdatenAnswer;
    const profile = value === "P1" ? "luftdaten-p1" : "luftdaten-temperature";
    const outcome = await replay(profile, `luftdaten/${key.slice(5)}.csv.gz`, value);
    expect(outcome.windows).toBe(w5.windows);
    expect(outcome.sumOfCounts).toBe(w5.in_range);
    expectClose(outcome.sumOfMeans, w5.sum_of_means);
    expect(outcome.maxOfMax).toBe(w5.max_of_max);
    outcome.first.forEach(([start, count, mean], i) => {
      const [expectedStart, expectedCount, expectedMean] = w5.first[i]!;
      const [day, time] = expectedStart.split(" ");
      expect([start, count]).toEqual([`${day}T${time}Z`, expectedCount]);
      expectClose(mean, expectedMean);
    });
  });

  const late = [
    [0, "0s"],
    [3_600, "1h"],
    [46_800, "13h"],
    [90_000, "25h"],
  ] as const;
  it.each(late)(
    "dht22 5332, a day of it out of order, with a watermark %d s behind",
    { timeout: 120_000 },
    async (seconds, label) => {
      const expected = (answers.luft_dht22_sensor_5332 as LuftdatenAnswer).late.find(
        (row) => row.allowed_lateness === seconds,
      )!;
      const outcome = await replay(
        `luftdaten-late-${label}`,
        "luftdaten/dht22_sensor_5332.csv.gz",
        "temperature",
      );
      expect(outcome.totals.get("late") ?? 0).toBe(expected.dropped_late);
      expect(outcome.windows).toBe(expected.windows);
    },
  );
});

suite(name("recorded data: motes of the ULB"), () => {
  it.each(["lib1_R1", "lib1_R2", "lib1_R3", "no5_odd_nodes"])(
    "%s: latin1, decimal comma, failing nodes",
    async (file) => {
      const expected = answer(`ulb_${file}.txt`);
      const outcome = await replay("ulb-wsn", `ulb_wsn/${file}.txt`, "temperature");
      // An empty line is no reading; the answers count it as a line of the wrong length.
      const lines = readFileSync(`${DATA}ulb_wsn/${file}.txt`, "latin1").trimEnd().split("\n");
      const empty = expected.lines! - lines.length;
      expect(outcome.totals.get("received")).toBe(lines.length);
      expect(outcome.totals.get("invalid") ?? 0).toBe(expected.rejected_fieldcount! - empty);
      expect(outcome.totals.get("duplicate") ?? 0).toBe(expected.exact_dups);
      expect(outcome.totals.get("outOfRange") ?? 0).toBe(expected.out_of_range);
      expect(outcome.windows).toBe(expected.node_15min_windows);
      expectClose(outcome.sumOfMeans, expected.sum_of_means!);
    },
  );
});

suite(name("recorded data: air of Beijing"), () => {
  it.each(["Aotizhongxin", "Changping", "Dongsi", "Gucheng"])(
    "%s: NA, time in four columns, local days",
    async (station) => {
      const file = `PRSA_Data_${station}_20130301-20170228.csv.gz`;
      const expected = answer(`bj_${file}`);
      const outcome = await replay("beijing-pm25", `beijing/${file}`, "pm2_5");
      expect(outcome.totals.get("received")).toBe(expected.rows);
      expect(outcome.totals.get("empty")).toBe(expected.missing);
      const days = outcome.summaries.filter(({ count }) => count >= 18);
      expect(days.length).toBe(expected.days_ge18);
      expectClose(
        days.reduce((sum, { mean }) => sum + mean, 0),
        expected.sum_daily_means!,
      );
      expect(days.filter(({ mean }) => mean > 75).length).toBe(expected.days_mean_gt75);
    },
  );
});

suite(name("recorded data: LoRaWAN uplinks"), () => {
  it("FTD: copies of one uplink within 300 s of the first count once", async () => {
    const expected = answer("lora_FTD_dev.ndjson.gz");
    const arrival = ["--arrival", "/_timestamp", "--arrival-format", "epoch-ms"];
    const outcome = await replay("lora-ftd", "lorawan_campusiot/FTD_dev.ndjson.gz", "temperature", arrival);
    expect(outcome.totals.get("received")).toBe(expected.rows);
    expect(outcome.totals.get("duplicate")).toBe(expected.rows! - expected.kept_TTL300s!);
    expect(outcome.sumOfCounts).toBe(expected.ttl300_temp_rows);
    expect(outcome.windows).toBe(expected.dev_hours);
    expectClose(outcome.sumOfMeans, expected.sum_hourly_mean_temp!);
  });
});
