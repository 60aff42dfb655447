import type { EngineRun } from "./engine-bench.js";

/**
 * What the engine's windows are compared with: a bucket per window that is open, to each of which a reading is added.
 * Count, sum, extremes and Welford's moments in plain doubles: no exactness, no duplicates, no cleaning, no accounts.
 */
export class BucketWindows {
  readonly #run: EngineRun;
  readonly #devices = new Map<string, BucketDevice>();

  constructor(run: EngineRun) {
    this.#run = run;
  }

  apply({ groups }: { readonly groups?: readonly BucketGroup[] }): readonly unknown[] {
    const fired: unknown[] = [];
    for (const { device, times, values } of groups ?? []) {
      let known = this.#devices.get(device);
      if (known === undefined) {
        known = { open: new Map(), maxMs: Number.NEGATIVE_INFINITY, nextEndMs: Number.POSITIVE_INFINITY };
        this.#devices.set(device, known);
      }
      for (let i = 0; i < times.length; i++) this.#add(known, times[i]!, values[i]![0]!, fired);
    }
    return fired;
  }

  #add(device: BucketDevice, timeMs: number, value: number, fired: unknown[]): void {
    const { lateMs, windows } = this.#run;
    for (const { sizeMs, slideMs = sizeMs } of windows) {
      const last = Math.floor(timeMs / slideMs) * slideMs;
      for (let startMs = last; startMs > timeMs - sizeMs; startMs -= slideMs) {
        if (startMs + sizeMs > device.maxMs - lateMs) add(device, startMs, startMs + sizeMs, value);
      }
    }
    if (timeMs <= device.maxMs) return;
    device.maxMs = timeMs;
    if (timeMs - lateMs >= device.nextEndMs) fire(device, timeMs - lateMs, fired);
  }
}

interface BucketGroup {
  readonly device: string;
  readonly times: readonly number[];
  readonly values: readonly (readonly number[])[];
}

interface BucketDevice {
  /** By start; there is one definition. */
  readonly open: Map<number, Bucket>;
  maxMs: number;
  nextEndMs: number;
}

interface Bucket {
  readonly startMs: number;
  readonly endMs: number;
  count: number;
  mean: number;
  squares: number;
  min: number;
  max: number;
}

function add(device: BucketDevice, startMs: number, endMs: number, value: number): void {
  const bucket = device.open.get(startMs);
  if (bucket === undefined) {
    device.open.set(startMs, { startMs, endMs, count: 1, mean: value, squares: 0, min: value, max: value });
    device.nextEndMs = Math.min(device.nextEndMs, endMs);
    return;
  }
  const off = value - bucket.mean;
  bucket.count++;
  bucket.mean += off / bucket.count;
  bucket.squares += off * (value - bucket.mean);
  if (value < bucket.min) bucket.min = value;
  if (value > bucket.max) bucket.max = value;
}

function fire(device: BucketDevice, watermarkMs: number, fired: unknown[]): void {
  device.nextEndMs = Number.POSITIVE_INFINITY;
  for (const [start, { startMs, endMs, count, mean, squares, min, max }] of device.open) {
    if (endMs > watermarkMs) {
      device.nextEndMs = Math.min(device.nextEndMs, endMs);
      continue;
    }
    device.open.delete(start);
    const stddev = count > 1 ? Math.sqrt(squares / (count - 1)) : null;
    fired.push({
      start: new Date(startMs).toISOString(),
      end: new Date(endMs).toISOString(),
      count,
      mean,
      min,
      max,
      stddev,
    });
  }
}
