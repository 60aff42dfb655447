import { Child, program } from "./child.js";
import type { Sample } from "./metrics.js";

/** What a process of `engine-run` is told. */
export interface EngineRun {
  readonly devices: number;
  /** Of one device, between readings. */
  readonly periodMs: number;
  /** Share of readings that come late, by up to `lateMs`. */
  readonly disorder: number;
  /** The watermark waits for them. */
  readonly lateMs: number;
  /** Window kinds as the engine has them. */
  readonly windows: readonly WindowKind[];
  readonly aggregates: readonly string[];
  /** Whether to measure what the engine is compared with. */
  readonly buckets: boolean;
  readonly warmUpReadings: number;
  readonly readings: number;
}

interface WindowKind {
  readonly type: "tumbling" | "hopping";
  readonly sizeMs: number;
  readonly slideMs?: number;
  readonly offsetMs: 0;
}

export interface EngineRunFigures {
  readonly nsPerReading: number;
  readonly bytesPerReading: number;
  readonly summariesPerReading: number;
}

async function runEngine(run: EngineRun, nodeOptions: readonly string[]): Promise<EngineRunFigures> {
  const child = new Child([...nodeOptions, program("engine-run"), JSON.stringify(run)], "stdout");
  const [, figures] = await child.line(/^figures (.*)$/);
  await child.ended();
  return JSON.parse(figures!) as EngineRunFigures;
}

const FIVE = ["count", "mean", "min", "max", "stddev"];
const MINUTE: WindowKind = { type: "tumbling", sizeMs: 60_000, offsetMs: 0 };
/** No window of it ends while the clock runs. */
const NEVER: WindowKind = { type: "tumbling", sizeMs: 1e12, offsetMs: 0 };

interface Case {
  readonly name: string;
  readonly run: Omit<EngineRun, "warmUpReadings" | "readings" | "buckets">;
}

const USUAL = {
  devices: 1,
  periodMs: 1_000,
  disorder: 0,
  lateMs: 5_000,
  windows: [MINUTE],
  aggregates: FIVE,
};

function readingCases(): Case[] {
  const all: Case[] = [];
  for (const devices of [1, 1_000, 100_000]) {
    for (const disorder of [0, 0.1]) {
      for (const aggregates of [FIVE, [...FIVE, "p95"]]) {
        const order = disorder === 0 ? "in order" : "10 % out of order";
        const what = aggregates === FIVE ? "five aggregates" : "five and p95";
        const of = devices === 1 ? "1 device" : `${devices.toLocaleString("en-US")} devices`;
        all.push({ name: `${of}, ${order}, ${what}`, run: { ...USUAL, devices, disorder, aggregates } });
      }
    }
  }
  return all;
}

const WINDOW_CASES: readonly Case[] = [
  { name: "60 s", run: USUAL },
  {
    name: "300 s every 10 s",
    run: { ...USUAL, windows: [{ type: "hopping", sizeMs: 300_000, slideMs: 10_000, offsetMs: 0 }] },
  },
  {
    name: "3600 s every 60 s",
    run: { ...USUAL, windows: [{ type: "hopping", sizeMs: 3_600_000, slideMs: 60_000, offsetMs: 0 }] },
  },
];

export interface EngineBench {
  readonly quick: boolean;
  /** What a case's name must contain to be measured. */
  readonly only: string;
  readonly nodeOptions: readonly string[];
}

/** So many that every device has had its first windows, unless it is to be quick. */
function lengthOf({ run }: Case, quick: boolean): Pick<EngineRun, "warmUpReadings" | "readings"> {
  if (quick) return { warmUpReadings: 100_000, readings: 100_000 };
  return { warmUpReadings: Math.max(500_000, 65 * run.devices), readings: 1_000_000 };
}

/** Pre-parsed readings through the engine: what one costs, and what it allocates where nothing fires. */
export async function measureEngine({ quick, only, nodeOptions }: EngineBench): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const each of readingCases().filter(({ name }) => name.includes(only))) {
    const { name, run } = each;
    const told = { ...run, ...lengthOf(each, quick), buckets: false };
    const figures = await runEngine(told, nodeOptions);
    const silent = await runEngine({ ...told, windows: [NEVER] }, nodeOptions);
    samples.push(
      { metric: name, unit: "ns/reading", value: figures.nsPerReading },
      { metric: `${name}, allocated`, unit: "B/reading", value: figures.bytesPerReading },
      { metric: `${name}, allocated without firings`, unit: "B/reading", value: silent.bytesPerReading },
    );
  }
  return samples;
}

/** Windows of several kinds, beside a bucket for each of them; and how much more they cost than those of a minute. */
export async function measureWindows({ quick, only, nodeOptions }: EngineBench): Promise<Sample[]> {
  const samples: Sample[] = [];
  const cases = WINDOW_CASES.filter(({ name }) => name.includes(only));
  const measured = new Map<string, number>();
  for (const each of [WINDOW_CASES[0]!, ...cases.filter((other) => other !== WINDOW_CASES[0])]) {
    const told = { ...each.run, ...lengthOf(each, quick) };
    const { nsPerReading: value } = await runEngine({ ...told, buckets: false }, nodeOptions);
    measured.set(each.name, value);
    if (!cases.includes(each)) continue;
    const { nsPerReading: reference } = await runEngine({ ...told, buckets: true }, nodeOptions);
    samples.push({ metric: each.name, unit: "ns/reading", value, reference });
  }
  const minute = measured.get(WINDOW_CASES[0]!.name)!;
  for (const { name } of cases) {
    if (name === WINDOW_CASES[0]!.name) continue;
    samples.push({
      metric: `${name}, beside 60 s`,
      unit: "ns/reading",
      value: measured.get(name)!,
      reference: minute,
    });
  }
  return samples;
}
