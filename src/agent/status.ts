import type { Config } from "../config/load.js";
import type { DeviceCounts, TotalCounts } from "../engine/counts.js";
import type { Engine } from "../engine/engine.js";
import type { GroupCounts } from "../engine/groups.js";
import type { RefusedDevice } from "../engine/refused.js";
import type { ResidencyStats } from "../engine/residency.js";
import type { Forwarder, ForwarderStatus } from "../forward/forwarder.js";
import type { Source } from "../model/delivery.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import type { RejectReason } from "../model/reasons.js";
import type { CounterSample, Counters } from "../observe/counters.js";
import type { LogRoom } from "../pipeline/log-room.js";
import type { Store } from "../store/store.js";

/** What a running agent says of itself: plain values, no secrets. */
export interface AgentStatus {
  readonly gateway: string;
  readonly site: string;
  readonly uptimeMs: number;
  /** Devices known, without the ones that readings of unknown origin are booked under. */
  readonly devices: number;
  readonly received: number;
  readonly accepted: number;
  /** Waiting for the clock to be set; counted as received once they are accepted or rejected. */
  readonly waiting: number;
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  readonly store: {
    /** Why nothing can be written at present. */
    readonly failing?: string;
    /** Milliseconds that a synced write takes at present; acknowledgements wait for it. */
    readonly writeMs: number;
    /** Synced commits, over all lives of this store: what wears flash. */
    readonly commits: number;
    readonly journalBytes: number;
    readonly logBytes: number;
    readonly logHead: number;
    readonly logTail: number;
    readonly logEntries: number;
    /** Revisions that a later one replaced before they were sent, to make room, ever. */
    readonly logSuperseded: number;
    /** Windows that were merged into coarser ones before they were sent, to make room, ever. */
    readonly logCoarsened: number;
    /** Summaries that were dropped unsent, because nothing could be made coarser any more, ever. */
    readonly logDropped: number;
    /** Whether acknowledgements wait at this moment for room in the log. */
    readonly logRoomLacking: boolean;
    /** Milliseconds that they have waited for it in all since the start of the process. */
    readonly logRoomWaitedMs: number;
    /** Files of the database, as of the last look within a minute. */
    readonly databaseBytes: number;
    /** Damaged databases that were set aside, and are nobody's but the operator's to delete. */
    readonly setAside: number;
    readonly setAsideBytes: number;
  };
  /** What of the state is in memory, by estimate, and what is in the store only. */
  readonly memory: ResidencyStats;
  readonly sources: readonly { readonly name: string; readonly state: string; readonly detail?: string }[];
  readonly targets: readonly ForwarderStatus[];
  /** For each device: received = accepted + Σ rejected. */
  readonly byDevice: readonly DeviceCounts[];
  /** Devices that are not in `byDevice`: too many are in the store only, or their records there cannot be read. */
  readonly notListed: number;
  /** Devices that were refused because there are too many, since the start of the process. */
  readonly refused: readonly RefusedDevice[];
  /** What groups have done so far. */
  readonly groups: readonly GroupCounts[];
  /** How often each event happened since the start of the process. */
  readonly events: readonly CounterSample[];
}

/** What takes no look at single devices, of which there may be a million. */
export function totalsOf(engine: Engine): Pick<AgentStatus, "devices" | keyof TotalCounts> {
  return { devices: engine.deviceCount, ...engine.totals() };
}

export function statusOf(from: {
  readonly gateway: Config["gateway"];
  readonly uptimeMs: number;
  readonly engine: Engine;
  readonly store: Store;
  readonly logRoom: LogRoom;
  readonly sources: readonly Source[];
  readonly forwarders: readonly Forwarder[];
  readonly counters: Counters;
}): AgentStatus {
  const { engine, store } = from;
  const byDevice = listed(from);
  const memory = engine.residency.stats();
  const known = byDevice.filter(({ device }) => device !== UNKNOWN_DEVICE).length;
  return {
    gateway: from.gateway.id,
    site: from.gateway.site,
    uptimeMs: Math.round(from.uptimeMs),
    ...totalsOf(engine),
    store: {
      ...(store.failing === undefined ? {} : { failing: store.failing }),
      writeMs: store.writeMs,
      commits: engine.sequence,
      journalBytes: store.journalBytes,
      logBytes: store.log.bytes,
      logHead: store.log.head(),
      logTail: store.log.tail(),
      logEntries: store.log.count(),
      logSuperseded: store.log.superseded,
      logCoarsened: store.log.coarsened,
      logDropped: store.log.dropped,
      logRoomLacking: from.logRoom.waitingMs > 0,
      logRoomWaitedMs: Math.round(from.logRoom.waitedMs),
      databaseBytes: store.upkeep.usage.databaseBytes,
      setAside: store.upkeep.usage.setAside,
      setAsideBytes: store.upkeep.usage.setAsideBytes,
    },
    sources: from.sources.map((source) => ({ name: source.name, ...source.status() })),
    targets: from.forwarders.map((forwarder) => forwarder.status()),
    memory,
    byDevice,
    notListed: engine.deviceCount - known,
    refused: engine.refused.all(),
    groups: engine.groups.counts(),
    events: from.counters.snapshot(),
  };
}

/** Those in memory, and as many of the others as a status may read, unless the store is being mended. */
function listed({ engine, store }: { readonly engine: Engine; readonly store: Store }): DeviceCounts[] {
  if (!store.isReadable) return engine.counts(0);
  try {
    return engine.counts(LIMITS.statusDevicesMax);
  } catch (error) {
    // Whoever needs the record for more than this ends the process.
    if (!(error instanceof WeirError)) throw error;
    return engine.counts(0);
  }
}
