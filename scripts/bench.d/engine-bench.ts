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
  readonly windows: readonly object[];
  readonly aggregates: readonly string[];
  readonly warmUpRounds: number;
  readonly rounds: number;
}

export interface EngineRunFigures {
  readonly nsPerReading: number;
  readonly bytesPerReading: number;
  readonly summariesPerReading: number;
}

/** No collection comes between: what was allocated is all there at the end. */
const HEAP_OPTIONS = ["--expose-gc", "--max-semi-space-size=2048", "--max-old-space-size=8192"];

export async function runEngine(run: EngineRun, nodeOptions: readonly string[]): Promise<EngineRunFigures> {
  const child = new Child(
    [...HEAP_OPTIONS, ...nodeOptions, program("engine-run"), JSON.stringify(run)],
    "stdout",
  );
  const [, figures] = await child.line(/^figures (.*)$/);
  await child.ended();
  return JSON.parse(figures!) as EngineRunFigures;
}

const FIVE = ["count", "mean", "min", "max", "stddev"];
const TUMBLING = { type: "tumbling", sizeMs: 60_000, offsetMs: 0 };

interface Case {
  readonly name: string;
  readonly run: Omit<EngineRun, "warmUpRounds" | "rounds">;
}

function cases(): Case[] {
  const all: Case[] = [];
  for (const devices of [1, 1_000, 100_000]) {
    for (const disorder of [0, 0.1]) {
      const order = disorder === 0 ? "in order" : "10 % out of order";
      all.push({
        name: `${devices} devices, ${order}`,
        run: { devices, periodMs: 1_000, disorder, lateMs: 5_000, windows: [TUMBLING], aggregates: FIVE },
      });
    }
  }
  return all;
}

/** Pre-parsed readings through the engine, in this process's children. */
export async function measureEngine(quick: boolean, nodeOptions: readonly string[]): Promise<Sample[]> {
  const samples: Sample[] = [];
  const rounds = quick ? { warmUpRounds: 1, rounds: 1 } : { warmUpRounds: 5, rounds: 5 };
  for (const { name, run } of cases()) {
    const figures = await runEngine({ ...run, ...rounds }, nodeOptions);
    samples.push(
      { metric: name, unit: "ns/reading", value: figures.nsPerReading },
      { metric: `${name}, allocated`, unit: "B/reading", value: figures.bytesPerReading },
    );
  }
  return samples;
}
