import { Child, program } from "./child.js";
import type { LoadOptions, LoadResult } from "./load-contract.js";
import type { Sample } from "./metrics.js";
import { figuresOf, folderBytes, type ProcessFigures } from "./process-figures.js";
import { WeirProcess } from "./weir-process.js";

export type MqttLoad = Omit<LoadOptions, "port">;

/** The measured phase of one load on one broker. */
interface Phase {
  readonly load: LoadResult;
  readonly cpuMs: number;
  readonly residentPeakBytes: number;
  readonly writtenBytes: number | undefined;
  readonly handedBytes: number | undefined;
}

/**
 * Readings over MQTT through to closed windows in the summary log, and the same load on bare aedes. Weir's log is
 * then counted: a reading that is in no window, or in two, fails the bench.
 */
export async function measureMqtt(load: MqttLoad, nodeOptions: readonly string[]): Promise<Sample[]> {
  const weir = await measureWeir(load, nodeOptions);
  const bare = await measureBare(load);
  return [
    {
      metric: "throughput",
      unit: "messages/s",
      value: perSecond(weir.load),
      reference: perSecond(bare.load),
    },
    { metric: "cpu", unit: "µs/message", value: cpuPerMessage(weir), reference: cpuPerMessage(bare) },
    ...(load.qos === 0
      ? []
      : [
          { metric: "ack p50", unit: "ms", value: weir.load.ackMsP50, reference: bare.load.ackMsP50 },
          { metric: "ack p99", unit: "ms", value: weir.load.ackMsP99, reference: bare.load.ackMsP99 },
        ]),
    {
      metric: "resident memory, peak",
      unit: "MB",
      value: weir.residentPeakBytes / 1e6,
      reference: bare.residentPeakBytes / 1e6,
    },
    ...writes(weir, ""),
    ...handedToFiles(weir, bare),
  ];
}

/** What bare aedes hands over goes into sockets, and that is the same for both. */
function handedToFiles(weir: Phase, bare: Phase): Sample[] {
  if (weir.handedBytes === undefined || bare.handedBytes === undefined) return [];
  const value = weir.handedBytes / weir.load.messages - bare.handedBytes / bare.load.messages;
  return [{ metric: "handed to the file system", unit: "bytes/reading", value }];
}

/** As `measureMqtt`, and what is written when commits are further apart than by default. */
export async function measureSlow(load: MqttLoad, nodeOptions: readonly string[]): Promise<Sample[]> {
  const samples = await measureMqtt(load, nodeOptions);
  for (const maxDelayMs of FURTHER_APART_MS) {
    const weir = await measureWeir(load, nodeOptions, maxDelayMs);
    samples.push(...writes(weir, `, commits at most ${maxDelayMs / 1_000} s apart`));
  }
  return samples;
}

const FURTHER_APART_MS = [1_000, 10_000] as const;

/** Every sync writes the last page of 4 KiB of LevelDB's log anew, so the disk is given more than the files grow by. */
function writes(weir: Phase & { readonly storeBytes: number }, when: string): Sample[] {
  const { writtenBytes, storeBytes, load } = weir;
  const folder = { metric: `database folder${when}`, value: storeBytes / load.messagesInAll };
  const disk = { metric: `written to disk${when}`, value: (writtenBytes ?? 0) / load.messages };
  return (writtenBytes === undefined ? [folder] : [disk, folder]).map((of) => ({
    ...of,
    unit: "bytes/reading",
  }));
}

/** Values of `commit.maxDelay`: the default, and one for whoever cannot wait. */
const DELAYS_MS = [100, 5] as const;

/**
 * Time from publish to PUBACK at half of the load that Weir takes at most, which is found out first: in bursts or
 * evenly, no queue builds up then.
 */
export async function measureHalfLoad(load: MqttLoad, nodeOptions: readonly string[]): Promise<Sample[]> {
  const most = perSecond((await measureWeir({ ...load, ratePerSecond: 0 }, nodeOptions)).load);
  const samples: Sample[] = [
    { metric: "load", unit: "messages/s", value: Math.floor(most / 2), reference: most },
  ];
  for (const maxDelayMs of DELAYS_MS) {
    const half = { ...load, ratePerSecond: Math.floor(most / 2) };
    const { ackMsP50, ackMsP99 } = (await measureWeir(half, nodeOptions, maxDelayMs)).load;
    const metric = (share: string) => `ack ${share}, commits at most ${maxDelayMs} ms apart`;
    samples.push({ metric: metric("p50"), unit: "ms", value: ackMsP50 });
    samples.push({ metric: metric("p99"), unit: "ms", value: ackMsP99 });
  }
  return samples;
}

function perSecond({ messages, elapsedMs }: LoadResult): number {
  return (messages / elapsedMs) * 1_000;
}

function cpuPerMessage({ cpuMs, load }: Phase): number {
  return (cpuMs / load.messages) * 1_000;
}

async function measureWeir(
  load: MqttLoad,
  nodeOptions: readonly string[],
  maxDelayMs?: number,
): Promise<Phase & { readonly storeBytes: number }> {
  const weir = await WeirProcess.start(nodeOptions, maxDelayMs === undefined ? {} : { maxDelayMs });
  try {
    const phase = await underLoad({ ...load, port: weir.port }, weir.child);
    const storeBytes = await folderBytes(weir.databaseFolder);
    const counted = await weir.stopAndCount();
    if (counted !== phase.load.messagesInAll) {
      throw new Error(
        `of ${phase.load.messagesInAll} acknowledged readings ${counted} are in closed windows`,
      );
    }
    return { ...phase, storeBytes };
  } finally {
    await weir.remove();
  }
}

async function measureBare(load: MqttLoad): Promise<Phase> {
  const broker = new Child([program("reference-broker")], "stdout");
  const [, port] = await broker.line(/^port=(\d+)$/);
  const phase = await underLoad({ ...load, port: Number(port) }, broker);
  await broker.stop();
  return phase;
}

async function underLoad(options: LoadOptions, broker: Child): Promise<Phase> {
  const generator = new Child([program("load"), JSON.stringify(options)], "stdout");
  await generator.line(/^warm$/);
  const before = figuresOf(broker.pid);
  generator.tell("go");
  const [line] = await generator.line(/^\{.*\}$/);
  const after = figuresOf(broker.pid);
  await generator.ended();
  return {
    load: JSON.parse(line) as LoadResult,
    cpuMs: after.cpuMs - before.cpuMs,
    residentPeakBytes: after.residentPeakBytes,
    writtenBytes: written(before, after),
    handedBytes: difference(before.handedBytes, after.handedBytes),
  };
}

/** A temporary folder in memory writes nothing; that is no figure of a disk. */
function written(before: ProcessFigures, after: ProcessFigures): number | undefined {
  const bytes = difference(before.writtenBytes, after.writtenBytes);
  return bytes === 0 ? undefined : bytes;
}

function difference(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}
