/**
 * What the config lets the agent use, added up: the promise that memory and disk are bounded, in numbers that are
 * logged at start-up. Sums are of the worst case, except for Node.js, which is a measured figure.
 */
import { LIMITS } from "../model/limits.js";
import type { Config, SourceConfig, TargetConfig } from "./load.js";

export interface Bound {
  /** The key that sets it, or what it is. */
  readonly name: string;
  readonly of: "disk" | "memory";
  readonly bytes: number;
  /** True where the figure is typical and not a maximum. */
  readonly estimate: boolean;
}

export interface Bounds {
  readonly bounds: readonly Bound[];
  readonly diskBytes: number;
  readonly memoryBytes: number;
}

/** What is kept in memory of a device whose state is in the store only (engine/roster.ts), with a name of some length. */
const ROSTER_BYTES = 64;
/** A device with some ten fields and two windows open, as records: slices, watermark, counters, names. */
const DEVICE_DISK_BYTES = 4_096;
/** What `*` stands for, about. */
const SOME_FIELDS = 10;
/** A window of a group with so many fields: what its members have handed over, without histograms. */
const GROUP_WINDOW_BYTES = 1_024;
/** Of both signs, as full as may be. */
const HISTOGRAM_BYTES = 2 * LIMITS.histogramBucketsMax * 8;
/** A member of a group: who it is and how far it has come, also where its state is in the store only. */
const MEMBER_BYTES = 512;
/** LevelDB's write buffer, of which there may be two. */
const WRITE_BUFFER_BYTES = 4_194_304;
/** The program, its code compiled, tables of its libraries, and the young and the uncollected part of its heap. */
const NODE_BYTES = 134_217_728;
/** Summaries as objects, as records and as a batch. */
const SUMMARY_COPIES = 8;
/** Given up when the disk is full, so that the database can be opened. */
const RESERVE_BYTES = 4_194_304;
/** A checkpoint comes when the journal is full; meanwhile it goes on growing, and the old one is dropped later. */
const JOURNALS = 2;
/** One commit is being synced while the next gathers. */
const COMMITS = 2;
/** What a socket has read and not yet handed on. */
const SOCKET_BYTES = 65_536;
/** What a broker keeps for its clients: retained messages, and the queues of those who are away. */
const BROKER_BYTES = 16_777_216;

export function boundsOf(config: Config): Bounds {
  const { commit, limits } = config;
  const bounds: Bound[] = [
    ...databaseBounds(config),
    disk("database", LIMITS.databaseHeadRoomBytes),
    disk("reserve for a full disk", RESERVE_BYTES),
    { ...memory("limits.memoryBytesMax", limits.memoryBytesMax), estimate: true },
    {
      ...memory("devices of a block", Math.ceil(limits.memoryBytesMax * LIMITS.loadsMemoryShare)),
      estimate: true,
    },
    { ...memory("limits.devices", limits.devices * ROSTER_BYTES), estimate: true },
    memory("readings that wait for the clock", LIMITS.heldBytesMax),
    ...groupBounds(config),
    memory("database", 2 * WRITE_BUFFER_BYTES + LIMITS.databaseCacheBytes),
    memory("commit.maxBytes", COMMITS * commit.maxBytes),
    memory("summaries of a block", SUMMARY_COPIES * LIMITS.blockSummaryBytesMax),
    { ...memory("Node.js", NODE_BYTES), estimate: true },
    ...config.sources.map(sourceBound),
    ...config.targets.flatMap(targetBounds),
  ];
  const sum = (of: Bound["of"]) =>
    bounds.reduce((total, bound) => total + (bound.of === of ? bound.bytes : 0), 0);
  return { bounds, diskBytes: sum("disk"), memoryBytes: sum("memory") };
}

/** The sum as a person reads it: `~ 24.0 MB limits.memoryBytesMax + … = 298.4 MB`, where `~` is an estimate. */
export function sumText({ bounds }: Bounds, of: Bound["of"]): string {
  const rows = bounds.filter((bound) => bound.of === of);
  const texts = rows.map(({ name, bytes, estimate }) => `${estimate ? "~ " : ""}${megabytes(bytes)} ${name}`);
  return `${texts.join(" + ")} = ${megabytes(rows.reduce((sum, { bytes }) => sum + bytes, 0))}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What may be in the database at a time; its files take the head room more at most. */
export function databaseBytesOf(config: Config): number {
  return databaseBounds(config).reduce((total, { bytes }) => total + bytes, 0);
}

/** All that is in the store's folder at most, but databases that were set aside. */
export function storeBytesOf(config: Config): number {
  return databaseBytesOf(config) + LIMITS.databaseHeadRoomBytes + RESERVE_BYTES;
}

function databaseBounds({ store, limits }: Config): Bound[] {
  return [
    disk("store.logBytesMax", store.logBytesMax),
    disk(
      "head room of the log",
      Math.ceil(store.logBytesMax * LIMITS.logHeadRoomShare) + LIMITS.blockSummaryBytesMax,
    ),
    disk("store.journalBytesMax", JOURNALS * store.journalBytesMax),
    disk("readings that wait for the clock", LIMITS.heldBytesMax),
    { ...disk("devices", limits.devices * DEVICE_DISK_BYTES), estimate: true },
  ];
}

function groupBounds({ groups, limits }: Config): Bound[] {
  if (groups.length === 0) return [];
  const windows = groups.map(({ name, windows }): Bound => {
    const histograms = windows.reduce((sum, { fields }) => sum + histogramsIn(fields), 0);
    const bytes = windows.length * GROUP_WINDOW_BYTES + histograms * HISTOGRAM_BYTES;
    return { ...memory(`group ${name}`, LIMITS.groupWindowsMax * bytes), estimate: true };
  });
  const members = memory("members of groups", limits.devices * MEMBER_BYTES);
  return [...windows, { ...members, estimate: true }];
}

/** How many histograms aggregates by field need: one for each field of which quantiles are asked for. */
function histogramsIn(fields: Readonly<Record<string, readonly string[]>>): number {
  let histograms = 0;
  for (const [field, names] of Object.entries(fields)) {
    if (names.some((name) => /^(p\d|histogram$)/.test(name))) histograms += field === "*" ? SOME_FIELDS : 1;
  }
  return histograms;
}

function sourceBound(source: SourceConfig): Bound {
  const name = `source ${source.name}`;
  switch (source.type) {
    case "broker":
      return memory(
        name,
        source.connectionsMax * (SOCKET_BYTES + source.packetBytesMax) +
          source.waitingBytesMax +
          BROKER_BYTES,
      );
    case "mqtt":
      return memory(name, SOCKET_BYTES + source.packetBytesMax + source.waitingBytesMax);
    case "serial":
      return memory(name, SOCKET_BYTES + source.framing.lineBytesMax);
  }
}

function targetBounds(target: TargetConfig): Bound[] {
  const name = `target ${target.name}`;
  const batch = memory(name, target.batch.bytesMax);
  return target.type === "file" ? [batch, disk(name, (target.keep + 1) * target.rotateBytes)] : [batch];
}

function disk(name: string, bytes: number): Bound {
  return { name, of: "disk", bytes, estimate: false };
}

function memory(name: string, bytes: number): Bound {
  return { name, of: "memory", bytes, estimate: false };
}
