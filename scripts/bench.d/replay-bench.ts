import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { Child, program } from "./child.js";
import type { Sample } from "./metrics.js";

const RECORDED = "../shared/data/luftdaten/dht22_sensor_5332.csv.gz";
const PROFILES = {
  csv: "test/profiles/luftdaten-temperature.yaml",
  json: "scripts/bench.d/luftdaten-json.yaml",
} as const;

type Format = keyof typeof PROFILES;

export interface Recording {
  readonly path: string;
  readonly format: Format;
  readonly recorded: boolean;
  /** Made for this run, to be removed after it. */
  readonly temporary: boolean;
}

/** The recording of sensor 5332 where it is there, else one like it; as it is, or its rows as JSON. */
export async function findRecording(format: Format, quick: boolean): Promise<Recording> {
  const recorded = !quick && existsSync(RECORDED);
  if (recorded && format === "csv") return { path: RECORDED, format, recorded, temporary: false };
  const path = join(tmpdir(), `weir-bench-${process.pid}.${format}.gz`);
  const rows = recorded ? linesOf(RECORDED) : madeUp(quick ? 40_000 : ROWS);
  await pipeline(format === "csv" ? rows : asJson(rows), createGzip({ level: 6 }), createWriteStream(path));
  return { path, format, recorded, temporary: true };
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = createReadStream(path).pipe(createGunzip());
  for await (const line of createInterface({ input })) yield `${line}\n`;
}

/** One object per row, as a sensor's own messages have it. */
async function* asJson(rows: AsyncIterable<string>): AsyncGenerator<string> {
  let names: readonly string[] | undefined;
  for await (const chunk of rows) {
    let lines = "";
    for (const line of chunk.split("\n")) {
      if (line === "") continue;
      const cells = line.split(";");
      if (names === undefined) names = cells;
      else
        lines += `${JSON.stringify(Object.fromEntries(cells.map((cell, i) => [names![i], scalarOf(cell)])))}\n`;
    }
    if (lines !== "") yield lines;
  }
}

function scalarOf(cell: string): string | number {
  return cell !== "" && Number.isFinite(Number(cell)) ? Number(cell) : cell;
}

const ROWS = 343_889;
const STEP_MS = 148_000;
/** Rows that come a day late, all together, as in the recording. */
const LATE_FROM = 20_000;
const LATE_ROWS = 286;

async function* madeUp(rows: number): AsyncGenerator<string> {
  yield "sensor_id;sensor_type;location;lat;lon;timestamp;temperature;humidity\n";
  let lines = "";
  for (let i = 0; i < rows; i++) {
    const late = i >= LATE_FROM && i < LATE_FROM + LATE_ROWS;
    const time = new Date(Date.UTC(2017, 7, 30, 11, 29, 51) + (late ? i - LATE_ROWS * 2 + 0.5 : i) * STEP_MS);
    const temperature = (15 + 10 * Math.sin(i / 93_000) + 4 * Math.sin(i / 93)).toFixed(2);
    const humidity = (60 + 30 * Math.sin(i / 1_234)).toFixed(2);
    lines += `5332;DHT22;2688;57.128;-2.130;${time.toISOString().slice(0, 19)};${temperature};${humidity}\n`;
    if (i % 1_000 < 999 && i < rows - 1) continue;
    yield lines;
    lines = "";
  }
}

interface Run {
  readonly elapsedMs: number;
  readonly cpuMs: number;
  readonly residentPeakBytes: number;
  readonly said: readonly string[];
}

/** `weir replay` from its start to its end, and the least program that gets the same numbers from clean rows. */
export async function measureReplay(recording: Recording, nodeOptions: readonly string[]): Promise<Sample[]> {
  const { path, format } = recording;
  const weir = await run([...nodeOptions, "dist/main.js", "replay", "--profile", PROFILES[format], path]);
  const plain = await run([program("reference-replay"), path, format]);
  const readings = numberAfter(weir.said, "received");
  if (numberAfter(weir.said, "accepted") !== readings) throw new Error("not every reading was accepted");
  const perSecond = ({ elapsedMs }: Run) => (readings / elapsedMs) * 1_000;
  const cpu = ({ cpuMs }: Run) => (cpuMs / readings) * 1_000;
  return [
    { metric: "throughput", unit: "readings/s", value: perSecond(weir), reference: perSecond(plain) },
    { metric: "cpu", unit: "µs/reading", value: cpu(weir), reference: cpu(plain) },
    {
      metric: "resident memory, peak",
      unit: "MB",
      value: weir.residentPeakBytes / 1e6,
      reference: plain.residentPeakBytes / 1e6,
    },
  ];
}

async function run(argv: readonly string[]): Promise<Run> {
  const startMs = performance.now();
  const child = new Child(["--import", program("at-exit"), ...argv], "stderr");
  await child.ended();
  const elapsedMs = performance.now() - startMs;
  const [, figures] = await child.line(/^figures (.*)$/);
  return {
    elapsedMs,
    ...(JSON.parse(figures!) as Pick<Run, "cpuMs" | "residentPeakBytes">),
    said: child.said,
  };
}

/** From the accounting that `weir replay` prints. */
function numberAfter(said: readonly string[], label: string): number {
  const line = said.find((text) => text.startsWith(`${label} `));
  if (line === undefined) throw new Error(`no "${label}" in:\n${said.join("\n")}`);
  return Number(line.slice(label.length).replaceAll(",", ""));
}
