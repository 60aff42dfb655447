/**
 * What a real agent takes in memory with many devices, each with two fields, four aggregates of each and an open window:
 * at the end of rounds in which every device sends, when nothing has come for a while, at most at any time, and after it
 * was killed and has recovered.
 */
import { setTimeout } from "node:timers/promises";
import { Child, program } from "./child.js";
import type { DevicesLoad } from "./devices-load.js";
import type { Sample } from "./metrics.js";
import { figuresOf } from "./process-figures.js";
import { WeirProcess } from "./weir-process.js";

export interface MemoryLoad {
  readonly devices: number;
  readonly rounds: number;
  /** How long nothing is sent behind the rounds. */
  readonly quietMs: number;
}

const MEBIBYTE = 1_048_576;

export async function measureMemory(
  { devices, rounds, quietMs }: MemoryLoad,
  nodeOptions: readonly string[],
): Promise<Sample[]> {
  const first = await WeirProcess.start(nodeOptions, { devicesMax: devices + 1 });
  try {
    const load: DevicesLoad = { port: first.port, devices, rounds };
    const sender = new Child([program("devices-load"), JSON.stringify(load)], "stdout");
    const elapsedMs = Number((await sender.line(/^elapsed (.*)/))[1]);
    await sender.ended();
    const running = figuresOf(first.child.pid);
    await setTimeout(quietMs);
    const quiet = figuresOf(first.child.pid);
    first.child.process.kill("SIGKILL");
    await first.child.ended().catch(() => undefined);
    const startMs = performance.now();
    const second = await WeirProcess.startIn(first.folder, nodeOptions);
    const recoveredMs = performance.now() - startMs;
    const recovered = figuresOf(second.child.pid);
    await second.child.stop();
    const of = (metric: string, value: number, unit: string): Sample => ({ metric, unit, value });
    return [
      of("resident", running.residentBytes / MEBIBYTE, "MiB"),
      of(`resident after ${quietMs / 1_000} s of quiet`, quiet.residentBytes / MEBIBYTE, "MiB"),
      of("resident peak", running.residentPeakBytes / MEBIBYTE, "MiB"),
      of("resident peak of recovery", recovered.residentPeakBytes / MEBIBYTE, "MiB"),
      of("recovery", recoveredMs / 1_000, "s"),
      of("throughput", (devices * rounds) / (elapsedMs / 1_000), "1/s"),
    ];
  } finally {
    await first.remove();
  }
}
