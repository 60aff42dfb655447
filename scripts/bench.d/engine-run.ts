/**
 * The engine alone, in a process of its own: readings that are parsed already, in blocks as a commit has them. Prints
 * `figures` with nanoseconds of CPU time, the collector's too, and bytes allocated per reading. Blocks are filled
 * right before they are applied, as decoding does, from objects that are used again, so that nothing but the engine
 * allocates.
 */
import { GCProfiler } from "node:v8";
import { BucketWindows } from "./bucket-windows.js";
import type { EngineRun, EngineRunFigures } from "./engine-bench.js";

interface Group {
  readonly profile: string;
  device: string;
  readonly arrivals: number[];
  readonly times: number[];
  readonly values: number[][];
  readonly keys: undefined;
  readonly deliveries: number[];
  readonly rejected: number[];
}

/** What is measured: the engine, or what it is compared with. */
interface Windower {
  apply(block: object): readonly unknown[];
}

interface Built {
  readonly Engine: new (options: object) => Windower & { addProfile(profile: object): void };
}

const START_MS = 1_750_000_000_000;

async function main(run: EngineRun): Promise<EngineRunFigures> {
  const windower = run.buckets ? new BucketWindows(run) : await engineOf(run);
  const source = new Source(run);
  let sequence = 0;
  let emitted = 0;
  /** @returns microseconds of CPU time */
  const apply = (readings: number) => {
    let tookUs = 0;
    for (let done = 0; done < readings; done += run.blockReadings) {
      const groups = source.next();
      const block = { sequence: ++sequence, processingMs: 0, clockTrusted: false, tick: false, groups };
      const before = process.cpuUsage();
      emitted += windower.apply(block).length;
      const { user, system } = process.cpuUsage(before);
      tookUs += user + system;
    }
    return tookUs;
  };
  apply(run.warmUpReadings);
  emitted = 0;
  let tookUs = 0;
  const allocated = allocatedBy(() => {
    tookUs = apply(run.readings);
  });
  return {
    nsPerReading: (tookUs * 1_000) / run.readings,
    bytesPerReading: Math.max(0, allocated - source.bytesOf(run.readings)) / run.readings,
    summariesPerReading: emitted / run.readings,
  };
}

/** Bytes allocated meanwhile: what each collection found beyond what the one before had left. */
function allocatedBy(work: () => void): number {
  const profiler = new GCProfiler();
  profiler.start();
  let left = process.memoryUsage().heapUsed;
  work();
  const end = process.memoryUsage().heapUsed;
  let bytes = 0;
  for (const { beforeGC, afterGC } of profiler.stop().statistics) {
    bytes += beforeGC.heapStatistics.usedHeapSize - left;
    left = afterGC.heapStatistics.usedHeapSize;
  }
  return bytes + end - left;
}

async function engineOf(run: EngineRun): Promise<Windower> {
  const { Engine } = (await import(new URL("../../../dist/engine/engine.js", import.meta.url).href)) as Built;
  const engine = new Engine({ gateway: "gw", devicesMax: run.devices + 1 });
  engine.addProfile(profileOf(run));
  return engine;
}

function profileOf({ windows, aggregates, lateMs }: EngineRun): object {
  return {
    id: "bench",
    version: "1.0.0",
    hash: "bench",
    fields: [{ name: "x", type: "float" }],
    time: {
      maxPastMs: Number.POSITIVE_INFINITY,
      maxFutureMs: Number.POSITIVE_INFINITY,
      outOfOrdernessMs: lateMs,
      idleTimeoutMs: Number.POSITIVE_INFINITY,
    },
    duplicates: { by: "time", conflicting: "keep" },
    clean: [],
    windows: windows.map((kind, i) => ({
      name: `w${i}`,
      kind,
      allowedLatenessMs: 0,
      aggregates: [{ field: 0, names: aggregates }],
    })),
  };
}

/** Devices take turns; every one sends once in a period. Their minutes end at different readings, as in the field. */
class Source {
  readonly #run: EngineRun;
  readonly #names: readonly string[];
  readonly #groups: readonly Group[];
  /** Lateness and values, made once; a length that has no factor in common with the numbers of devices. */
  readonly #behindMs = new Float64Array(199_999);
  readonly #values = new Float64Array(199_999);
  #sent = 0;

  constructor(run: EngineRun) {
    this.#run = run;
    this.#names = Array.from({ length: run.devices }, (_, i) => `device-${i}`);
    const random = dice(1);
    for (let i = 0; i < this.#values.length; i++) {
      this.#behindMs[i] = random() < run.disorder ? Math.floor(random() * run.lateMs) : 0;
      this.#values[i] = Math.round(200 + 50 * random()) / 10;
    }
    const perBlock = Math.min(run.devices, run.blockReadings);
    const perGroup = run.blockReadings / perBlock;
    this.#groups = Array.from({ length: perBlock }, () => newGroup(perGroup));
  }

  /** The readings of the next block, in the groups of the one before. */
  next(): readonly Group[] {
    const groups = this.#groups;
    const { devices, periodMs, blockReadings } = this.#run;
    for (let i = 0; i < blockReadings; i++) {
      const at = this.#sent % this.#values.length;
      const device = this.#sent % devices;
      const group = groups[i % groups.length]!;
      const row = Math.floor(i / groups.length);
      const timeMs = START_MS + Math.floor(this.#sent / devices) * periodMs + (device % 60) * 1_000;
      group.device = this.#names[device]!;
      group.arrivals[row] = timeMs;
      group.times[row] = timeMs - this.#behindMs[at]!;
      group.values[row]![0] = this.#values[at]!;
      this.#sent++;
    }
    return groups;
  }

  /** What the measuring itself allocates: blocks, and the objects of `process.cpuUsage`. */
  bytesOf(readings: number): number {
    return (readings / this.#run.blockReadings) * 480;
  }
}

function newGroup(readings: number): Group {
  // Times are doubles from the start, so that no array changes its kind; and arrays grow, as those of a block being made
  // do, because one that is made with its length may have holes for all that the engine's machine code knows.
  const grown = (value: number) => {
    const numbers: number[] = [];
    for (let i = 0; i < readings; i++) numbers.push(value);
    return numbers;
  };
  const values = Array.from({ length: readings }, () => [Number.NaN]);
  return {
    profile: "bench",
    device: "",
    arrivals: grown(Number.NaN),
    times: grown(Number.NaN),
    values,
    keys: undefined,
    deliveries: grown(0),
    rejected: [],
  };
}

function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const figures = await main(JSON.parse(process.argv[2]!) as EngineRun);
console.log(`figures ${JSON.stringify(figures)}`);
