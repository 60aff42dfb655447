/**
 * The engine alone, in a process of its own: readings that are parsed already, in blocks as a commit has them. Prints
 * `figures` with nanoseconds and bytes allocated per reading. What blocks are made of is reused, so that nothing but
 * the engine allocates while the clock runs.
 */
import type { EngineRun, EngineRunFigures } from "./engine-bench.js";

interface Group {
  readonly times: number[];
}

interface Built {
  readonly Engine: new (
    options: object,
  ) => {
    addProfile(profile: object): void;
    apply(block: object): readonly unknown[];
  };
}

const BLOCK_READINGS = 1_000;
/** Readings made once; each round they come again, later. */
const ROUND_READINGS = 200_000;

async function main(run: EngineRun): Promise<EngineRunFigures> {
  const { Engine } = (await import(new URL("../../../dist/engine/engine.js", import.meta.url).href)) as Built;
  const engine = new Engine({ gateway: "gw", devicesMax: run.devices + 1 });
  engine.addProfile(profileOf(run));
  const blocks = blocksOf(run);
  const roundMs = Math.ceil(ROUND_READINGS / run.devices) * run.periodMs;
  let sequence = 0;
  let emitted = 0;
  const round = () => {
    let tookNs = 0n;
    for (const groups of blocks) {
      const block = { sequence: ++sequence, processingMs: 0, clockTrusted: false, tick: false, groups };
      const start = process.hrtime.bigint();
      emitted += engine.apply(block).length;
      tookNs += process.hrtime.bigint() - start;
      for (const { times } of groups) for (let i = 0; i < times.length; i++) times[i]! += roundMs;
    }
    return Number(tookNs);
  };
  for (let i = 0; i < run.warmUpRounds; i++) round();
  emitted = 0;
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed;
  let tookNs = 0;
  for (let i = 0; i < run.rounds; i++) tookNs += round();
  const allocated = process.memoryUsage().heapUsed - heapBytes;
  const readings = run.rounds * ROUND_READINGS;
  return {
    nsPerReading: tookNs / readings,
    bytesPerReading: allocated / readings,
    summariesPerReading: emitted / readings,
  };
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

/** Devices take turns; every one sends once in a period. */
function blocksOf({ devices, periodMs, disorder, lateMs }: EngineRun): Group[][] {
  const random = dice(1);
  const blocks: Group[][] = [];
  let sent = 0;
  while (sent < ROUND_READINGS) {
    const groups = new Map<number, Group & { readonly values: number[][] }>();
    for (let i = 0; i < BLOCK_READINGS; i++, sent++) {
      const device = sent % devices;
      let group = groups.get(device);
      if (group === undefined) {
        group = newGroup(device);
        groups.set(device, group);
      }
      const behindMs = random() < disorder ? Math.floor(random() * lateMs) : 0;
      group.times.push(1_750_000_000_000 + Math.floor(sent / devices) * periodMs - behindMs);
      group.values.push([Math.round(200 + 50 * random()) / 10]);
    }
    for (const group of groups.values()) fill(group);
    blocks.push([...groups.values()]);
  }
  return blocks;
}

function newGroup(device: number) {
  return {
    profile: "bench",
    device: `device-${device}`,
    arrivals: [] as number[],
    times: [] as number[],
    values: [] as number[][],
    keys: undefined,
    deliveries: [] as number[],
    rejected: [],
  };
}

function fill(group: Group & { readonly values: number[][] }): void {
  const { arrivals, deliveries } = group as ReturnType<typeof newGroup>;
  for (const time of group.times) {
    arrivals.push(time);
    deliveries.push(0);
  }
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
