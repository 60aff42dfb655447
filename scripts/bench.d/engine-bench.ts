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
  /** Readings in a block; a multiple of the devices, or the other way round. */
  readonly blockReadings: number;
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

/**
 * About as many as a commit takes when readings come as fast as the engine takes them in (`LIMITS.blockReadingsMax`): of a
 * thousand devices some come together then, as in a busy agent.
 */
const FULL_BLOCK = 8_000;
/** And what a quieter one has: of a thousand devices one reading each. */
const SMALL_BLOCK = 1_000;

const USUAL = {
  devices: 1,
  periodMs: 1_000,
  disorder: 0,
  lateMs: 5_000,
  windows: [MINUTE],
  aggregates: FIVE,
  blockReadings: FULL_BLOCK,
};

function readingCases(): Case[] {
  const all: Case[] = [];
  for (const devices of [1, 1_000, 100_000]) {
    for (const disorder of [0, 0.1]) {
      for (const aggregates of [FIVE, [...FIVE, "p95"]]) {
        const order = disorder === 0 ? "in order" : "10 % out of order";
        const what = aggregates === FIVE ? "five aggregates" : "five and p95";
        const of = devices === 1 ? "1 device" : `${devices.toLocaleString("en-US")} devices`;
        const name = `${of}, ${order}, ${what}`;
        const run = { ...USUAL, devices, disorder, aggregates };
        all.push({ name, run });
        if (devices !== SMALL_BLOCK || disorder > 0) continue;
        all.push({
          name: `${name}, one reading of each in a commit`,
          run: { ...run, blockReadings: SMALL_BLOCK },
        });
      }
    }
  }
  return all;
}

/**
 * A firing costs what it costs: what share of it a reading bears depends on how many come between two. A sensor of a
 * building sends one in a second, a meter of power quality ten.
 */
const RATES = [
  { periodMs: 1_000, of: "" },
  { periodMs: 100, of: ", ten per second" },
];

/** Windows that overlap, and what they are beside: windows of a minute, and those that say as many summaries. */
interface Overlap {
  readonly hopping: Case;
  readonly beside: readonly Case[];
}

interface Rate {
  readonly minute: Case;
  readonly overlaps: readonly Overlap[];
}

const WINDOW_CASES: readonly Rate[] = RATES.map(({ periodMs, of }) => {
  const tumbling = (sizeMs: number): Case => ({
    name: `${sizeMs / 1_000} s${of}`,
    run: { ...USUAL, periodMs, windows: [{ type: "tumbling", sizeMs, offsetMs: 0 }] },
  });
  const hopping = (sizeMs: number, slideMs: number): Case => ({
    name: `${sizeMs / 1_000} s every ${slideMs / 1_000} s${of}`,
    run: { ...USUAL, periodMs, windows: [{ type: "hopping", sizeMs, slideMs, offsetMs: 0 }] },
  });
  const minute = tumbling(60_000);
  return {
    minute,
    overlaps: [
      { hopping: hopping(300_000, 10_000), beside: [minute, tumbling(10_000)] },
      { hopping: hopping(3_600_000, 60_000), beside: [minute] },
    ],
  };
});

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

/**
 * Pre-parsed readings through the engine: what one costs, beside a bucket for each window, and what it allocates where
 * nothing fires.
 */
export async function measureEngine({ quick, only, nodeOptions }: EngineBench): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const each of readingCases().filter(({ name }) => name.includes(only))) {
    const { name, run } = each;
    const told = { ...run, ...lengthOf(each, quick), buckets: false };
    const figures = await runEngine(told, nodeOptions);
    // It knows no quantiles.
    const beside =
      run.aggregates === FIVE ? await runEngine({ ...told, buckets: true }, nodeOptions) : undefined;
    const silent = await runEngine({ ...told, windows: [NEVER] }, nodeOptions);
    samples.push(
      {
        metric: name,
        unit: "ns/reading",
        value: figures.nsPerReading,
        ...(beside === undefined ? {} : { reference: beside.nsPerReading }),
      },
      { metric: `${name}, allocated`, unit: "B/reading", value: figures.bytesPerReading },
      { metric: `${name}, allocated without firings`, unit: "B/reading", value: silent.bytesPerReading },
    );
  }
  return samples;
}

/** Windows of several kinds, beside a bucket for each of them; and how much more they cost than those that do not overlap. */
export async function measureWindows(bench: EngineBench): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const rate of WINDOW_CASES) samples.push(...(await measureRate(rate, bench)));
  return samples;
}

async function measureRate(
  { minute, overlaps }: Rate,
  { quick, only, nodeOptions }: EngineBench,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const run = async (each: Case, buckets: boolean) => {
    const { nsPerReading } = await runEngine({ ...each.run, ...lengthOf(each, quick), buckets }, nodeOptions);
    return nsPerReading;
  };
  const measured = new Map<Case, number>();
  const once = async (each: Case) => {
    const value = measured.get(each) ?? (await run(each, false));
    measured.set(each, value);
    return value;
  };
  const sample = async (each: Case, value: number) => {
    samples.push({ metric: each.name, unit: "ns/reading", value, reference: await run(each, true) });
  };
  if (minute.name.includes(only)) await sample(minute, await once(minute));
  for (const { hopping, beside } of overlaps.filter((each) => each.hopping.name.includes(only))) {
    const value = await once(hopping);
    await sample(hopping, value);
    for (const other of beside) {
      const metric = `${hopping.name}, beside ${other.name}`;
      samples.push({ metric, unit: "ns/reading", value, reference: await once(other) });
    }
  }
  return samples;
}
