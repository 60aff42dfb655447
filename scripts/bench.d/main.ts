import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { measureEngine, measureWindows } from "./engine-bench.js";
import { type MemoryLoad, measureMemory } from "./memory-bench.js";
import { jsonLine, type Metric, type Sample, summarise, table } from "./metrics.js";
import { type MqttLoad, measureHalfLoad, measureMqtt, measureSlow } from "./mqtt-bench.js";
import { PROC_AVAILABLE } from "./process-figures.js";
import { findRecording, measureReplay } from "./replay-bench.js";
import { measureWear, WEAR_NOTES, wearTable } from "./wear-bench.js";

const USAGE = `Usage: scripts/bench [OPTIONS] [BENCH...]

Benches: engine (pre-parsed readings), engine-windows (of several kinds), replay (CSV), replay-json, mqtt-qos0 and
mqtt-qos1 (as fast as it goes, over 1, 8 and 100 connections), mqtt-half (acknowledgements at half of the full load, with
commits at most 100 and 5 ms apart), mqtt-1k (QoS 1 at a thousand messages a second over two minutes, and what is written
with commits at most 1 and 10 s apart); without a name all of them.
Only by its name: wear, what reaches the disk in a day by rate and commit.maxDelay, as a table; needs the rights to
mount a small loop device, or counts less without them; and memory, what ten thousand and a million series (two to a device) take of it.

  --json               one object per line: bench, metric, value, unit, reference, ratio
  --quick              short and once: to see that it works, not for figures
  --repetitions N      of each bench, 5 by default; figures are medians
  --only TEXT          of engine and engine-windows: cases whose name has this in it, such as "1 device, in order"
  --connections N      publishers, a device each; 8 by default where not said otherwise above
  --window N           publishes of a connection that wait for their PUBACK; 200 by default, and 1,600 of one alone, too
  --node-options LIST  for Weir's process, separated by blanks, such as --node-options="--cpu-prof --cpu-prof-dir=profiles"

engine and engine-windows count CPU time, the collector's too, so that they are of use on a machine that does other
things. Their reference is a bucket per window, without exactness, duplicates and accounts, and, "beside 60 s", windows
of a minute, or, "beside 10 s", those that do not overlap and say as many summaries. That of replay is the least program
that cuts, counts, adds up and takes the maximum of the same rows. That of the others is bare aedes under
the same load. The ratio is the median of the repetitions' ratios.
`;

interface Settings {
  readonly json: boolean;
  readonly quick: boolean;
  readonly repetitions: number;
  readonly only: string;
  /** Undefined for those that each bench has by default. */
  readonly connections: number | undefined;
  /** As with connections. */
  readonly window: number | undefined;
  readonly nodeOptions: readonly string[];
  readonly benches: readonly string[];
}

const BENCHES = [
  "engine",
  "engine-windows",
  "replay",
  "replay-json",
  "mqtt-qos0",
  "mqtt-qos1",
  "mqtt-half",
  "mqtt-1k",
] as const;
const BY_NAME = ["wear", "memory"] as const;
const CONNECTIONS = 8;
const WINDOW = 200;
/**
 * One busy client, that may have a few publishes on their way or as many as eight clients have together (a sync takes as
 * long for few as for many); a gateway's few devices; a hall of them.
 */
const CROWDS: readonly Crowd[] = [
  { connections: 1, window: WINDOW },
  { connections: 1, window: 8 * WINDOW },
  { connections: 8, window: WINDOW },
  { connections: 100, window: WINDOW },
];
/** A gateway runs for years: what compiling the program's code takes in its first seconds is not to be in the figures. */
const PORTIONS_MS = {
  full: { warmUpMs: 5_000, durationMs: 3_000 },
  quick: { warmUpMs: 100, durationMs: 300 },
};
/** At a thousand messages a second a commit's costs are spread over few; what counts is how they add up. */
const SLOW_MS = { full: { warmUpMs: 1_000, durationMs: 120_000 }, quick: { warmUpMs: 100, durationMs: 500 } };

function readSettings(): Settings {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      repetitions: { type: "string" },
      only: { type: "string", default: "" },
      connections: { type: "string" },
      window: { type: "string" },
      "node-options": { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const unknown = positionals.find((name) => !([...BENCHES, ...BY_NAME] as readonly string[]).includes(name));
  if (unknown !== undefined) throw new TypeError(`there is no bench "${unknown}"`);
  return {
    json: values.json,
    quick: values.quick,
    repetitions: wholeNumber(values.repetitions ?? (values.quick ? "1" : "5"), "--repetitions"),
    only: values.only,
    connections: given(values.connections, "--connections"),
    window: given(values.window, "--window"),
    nodeOptions: values["node-options"].split(" ").filter((option) => option !== ""),
    benches: positionals.length === 0 ? BENCHES : positionals,
  };
}

function given(text: string | undefined, option: string): number | undefined {
  return text === undefined ? undefined : wholeNumber(text, option);
}

function wholeNumber(text: string, option: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65_000) {
    throw new TypeError(`${option} is a whole number from 1 to 65000, not "${text}"`);
  }
  return number;
}

async function repeat(settings: Settings, bench: string, once: () => Promise<Sample[]>): Promise<Metric[]> {
  const repetitions: Sample[][] = [];
  for (let i = 0; i < settings.repetitions; i++) repetitions.push(await once());
  const metrics = summarise(bench, repetitions);
  if (settings.json) for (const metric of metrics) console.log(jsonLine(metric));
  return metrics;
}

async function replay(settings: Settings, bench: string): Promise<Metric[]> {
  const recording = await findRecording(bench === "replay-json" ? "json" : "csv", settings.quick);
  if (!recording.recorded) {
    const why = settings.quick ? "a quick run" : "../shared/data/luftdaten is not there";
    console.error(
      `${why}: the replayed recording is made up, with as many rows out of order as the real one has`,
    );
  }
  try {
    const name = recording.recorded ? bench : `${bench}-made-up`;
    return await repeat(settings, name, () => measureReplay(recording, settings.nodeOptions));
  } finally {
    if (recording.temporary) await rm(recording.path, { force: true });
  }
}

async function mqtt(settings: Settings, bench: string): Promise<Metric[]> {
  const { connections = CONNECTIONS, window = WINDOW, nodeOptions, quick } = settings;
  const slow = bench === "mqtt-1k";
  const load: MqttLoad = {
    qos: bench === "mqtt-qos0" ? 0 : 1,
    connections,
    window,
    ratePerSecond: slow ? 1_000 : 0,
    // Windows are then closed as often as time passes, and not as often as messages come.
    apart: slow,
    ...(slow ? SLOW_MS : PORTIONS_MS)[quick ? "quick" : "full"],
  };
  if (slow) return await repeat({ ...settings, repetitions: 1 }, bench, () => measureSlow(load, nodeOptions));
  if (bench === "mqtt-half") return await repeat(settings, bench, () => measureHalfLoad(load, nodeOptions));
  const metrics: Metric[] = [];
  for (const crowd of crowdsOf(settings, load)) {
    const once = () => measureMqtt({ ...load, ...crowd }, nodeOptions);
    metrics.push(...(await repeat(settings, `${bench}, ${crowdName(crowd, load.qos)}`, once)));
  }
  return metrics;
}

type Crowd = Pick<MqttLoad, "connections" | "window">;

/** Publishes with QoS 0 wait for nothing: their number is no matter. */
function crowdsOf({ quick, ...given }: Settings, { connections, window, qos }: MqttLoad): readonly Crowd[] {
  if (quick || given.connections !== undefined) return [{ connections, window }];
  const crowds = CROWDS.filter((each) => qos === 1 || each.window === WINDOW);
  if (given.window === undefined) return crowds;
  return [...new Set(crowds.map((each) => each.connections))].map((each) => ({ connections: each, window }));
}

function crowdName({ connections, window }: Crowd, qos: 0 | 1): string {
  const name = `${connections} connection${connections === 1 ? "" : "s"}`;
  return qos === 0 ? name : `${name}, ${window.toLocaleString("en-US")} waiting`;
}

async function wear(settings: Settings): Promise<void> {
  const points = await measureWear(settings.quick);
  if (settings.json) for (const point of points) console.log(JSON.stringify({ bench: "wear", ...point }));
  else process.stdout.write(`${wearTable(points)}\n${WEAR_NOTES}`);
}

/** By the name of the bench. Once is enough: it takes minutes, and hardly differs. */
const SERIES: Readonly<Record<string, MemoryLoad>> = {
  "memory, 10,000 series": { devices: 5_000, rounds: 30, quietMs: 20_000 },
  "memory, 1,000,000 series": { devices: 500_000, rounds: 3, quietMs: 20_000 },
};

async function memory(settings: Settings): Promise<Metric[]> {
  const once = { ...settings, repetitions: 1 };
  const loads = settings.quick
    ? { "memory, 2,000 series": { devices: 1_000, rounds: 3, quietMs: 100 } }
    : SERIES;
  const metrics: Metric[] = [];
  for (const [bench, load] of Object.entries(loads)) {
    metrics.push(...(await repeat(once, bench, () => measureMemory(load, settings.nodeOptions))));
  }
  return metrics;
}

async function main(): Promise<void> {
  const settings = readSettings();
  if (!PROC_AVAILABLE) throw new TypeError("the figures come from /proc, which only Linux has");
  const metrics: Metric[] = [];
  for (const bench of settings.benches) {
    if (bench === "wear") {
      await wear(settings);
      continue;
    }
    if (bench === "memory") {
      metrics.push(...(await memory(settings)));
      continue;
    }
    if (bench === "engine" || bench === "engine-windows") {
      const measure = bench === "engine" ? measureEngine : measureWindows;
      const once = () => measure(settings);
      metrics.push(...(await repeat(settings, bench, once)));
      continue;
    }
    metrics.push(
      ...(bench.startsWith("replay") ? await replay(settings, bench) : await mqtt(settings, bench)),
    );
  }
  if (!settings.json && metrics.length > 0) process.stdout.write(table(metrics));
}

await main().catch((error: unknown) => {
  const wrongUse = error instanceof TypeError;
  console.error(wrongUse ? `${error.message}\nscripts/bench --help tells more` : error);
  process.exit(wrongUse ? 2 : 1);
});
