import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
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

/** Windows of the recording that are asked for: of two readings, as the profile has them, and of twenty-four. */
const WINDOWS = [
  { name: "5m", sizeMs: 300_000, of: "" },
  { name: "1h", sizeMs: 3_600_000, of: ", windows of an hour" },
] as const;

/**
 * `weir replay`, and the least program that gets the same numbers from clean rows: from start to end, and without what
 * either takes for a recording of one row.
 */
export async function measureReplay(recording: Recording, nodeOptions: readonly string[]): Promise<Sample[]> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bench-"));
  try {
    const oneRow = join(folder, `one.${recording.format}.gz`);
    await pipeline(firstRow(recording), createGzip(), createWriteStream(oneRow));
    const samples: Sample[] = [];
    for (const window of WINDOWS) {
      const profile = await profileOf(recording.format, window.name, folder);
      const weirOn = (path: string) =>
        run([...nodeOptions, "dist/main.js", "replay", "--profile", profile, path]);
      const plainOn = (path: string) =>
        run([program("reference-replay"), path, recording.format, String(window.sizeMs)]);
      const begun = { weir: await weirOn(oneRow), plain: await plainOn(oneRow) };
      const all = { weir: await weirOn(recording.path), plain: await plainOn(recording.path) };
      samples.push(...samplesOf(begun, all, window.of));
    }
    return samples;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Runs {
  readonly weir: Run;
  readonly plain: Run;
}

function samplesOf(begun: Runs, { weir, plain }: Runs, of: string): Sample[] {
  const readings = numberAfter(weir.said, "received");
  if (numberAfter(weir.said, "accepted") !== readings) throw new Error("not every reading was accepted");
  const perSecond = (elapsedMs: number) => (readings / elapsedMs) * 1_000;
  const cpu = ({ cpuMs }: Run) => (cpuMs / readings) * 1_000;
  return [
    {
      metric: `throughput${of}`,
      unit: "readings/s",
      value: perSecond(weir.elapsedMs),
      reference: perSecond(plain.elapsedMs),
    },
    {
      metric: `throughput${of}, without the start`,
      unit: "readings/s",
      value: perSecond(weir.elapsedMs - begun.weir.elapsedMs),
      reference: perSecond(plain.elapsedMs - begun.plain.elapsedMs),
    },
    { metric: `cpu${of}`, unit: "µs/reading", value: cpu(weir), reference: cpu(plain) },
    {
      metric: `resident memory, peak${of}`,
      unit: "MB",
      value: weir.residentPeakBytes / 1e6,
      reference: plain.residentPeakBytes / 1e6,
    },
  ];
}

/** With the header, where the format has one. */
async function* firstRow({ path, format }: Recording): AsyncGenerator<string> {
  let left = format === "csv" ? 2 : 1;
  for await (const line of linesOf(path)) {
    yield line;
    if (--left === 0) return;
  }
}

/** The profile with windows of another size, under its own name. */
async function profileOf(format: Format, window: string, folder: string): Promise<string> {
  const text = await readFile(PROFILES[format], "utf8");
  const path = join(folder, window, basename(PROFILES[format]));
  await mkdir(dirname(path));
  await writeFile(path, text.replace("name: 5m, tumbling: 5m", `name: ${window}, tumbling: ${window}`));
  return path;
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
