import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import { ArrivalClock } from "../../src/pipeline/arrival-clock.js";
import { Checkpointer } from "../../src/pipeline/checkpoint.js";
import { Committer } from "../../src/pipeline/committer.js";
import type { LogRoom } from "../../src/pipeline/log-room.js";
import { recover } from "../../src/pipeline/recovery.js";
import type { Store } from "../../src/store/store.js";
import type { TestReading } from "./engine.js";
import { ManualClock } from "./manual-clock.js";
import { openStore } from "./store.js";

/** Store, engine and committer as the agent wires them, on hand-moved clocks, without sources or targets. */
export class Pipeline {
  readonly store: Store;
  readonly committer: Committer;
  readonly engine: Awaited<ReturnType<typeof recover>>["engine"];
  readonly clock: ManualClock;
  readonly checkpointer: Checkpointer;
  readonly profile: EngineProfile;
  /** What the committer gave up for. A test that expects it takes it out. */
  readonly fatal: unknown[] = [];

  private constructor(parts: {
    store: Store;
    recovered: Awaited<ReturnType<typeof recover>>;
    clock: ManualClock;
    profile: EngineProfile;
    journalBytesMax: number;
    logRoom: LogRoom | undefined;
  }) {
    this.store = parts.store;
    this.engine = parts.recovered.engine;
    this.clock = parts.clock;
    this.profile = parts.profile;
    this.checkpointer = new Checkpointer(this.engine, parts.journalBytesMax);
    this.committer = new Committer({
      engine: this.engine,
      store: this.store,
      checkpointer: this.checkpointer,
      ...(parts.logRoom === undefined ? {} : { logRoom: parts.logRoom }),
      clock: this.clock,
      arrivals: new ArrivalClock({ clock: this.clock, observer: { emit: () => {} } }),
      timers: this.clock,
      onFatal: (error) => this.fatal.push(error),
      maxDelayMs: 100,
      maxBytes: 1e6,
      processingMs: parts.recovered.processingMs,
    });
  }

  static async open(
    path: string,
    profile: EngineProfile,
    journalBytesMax = 1e6,
    rest: {
      readonly logBytesMax?: number;
      readonly databaseBytesMax?: number;
      readonly clock?: ManualClock;
      readonly memoryBytesMax?: number;
      readonly devicesMax?: number;
      readonly logRoom?: LogRoom;
    } = {},
  ): Promise<Pipeline> {
    const { clock = new ManualClock(), logRoom, memoryBytesMax = Number.POSITIVE_INFINITY, ...others } = rest;
    const { devicesMax = 100, ...bounds } = others;
    const store = await openStore(path, { clock, ...bounds });
    const residency = { bytesMax: memoryBytesMax };
    const recovered = await recover(store, { gateway: "gw", devicesMax, residency }, () => profile);
    if (recovered.engine.profileState(profile.id) === undefined) {
      recovered.engine.addProfile(profile);
      const records = [store.definitionOperation(profile.hash, "{}")];
      await store.commit({ summaries: [], records });
    }
    return new Pipeline({ store, recovered, clock, profile, journalBytesMax, logRoom });
  }

  put(reading: TestReading, committed: () => void = () => {}): void {
    this.committer.builder.add({
      profile: this.profile.hash,
      device: reading.device ?? "d",
      arrivalMs: reading.arrivalMs ?? 0,
      timeMs: reading.timeMs,
      values: [...reading.values],
      key: reading.key,
      delivery: reading.delivery ?? 0,
    });
    this.committer.builder.waiting.push(committed);
    this.committer.added();
  }

  /** Ends without a checkpoint, as a crash would: what is synced is there, what is in memory is gone. */
  async crash(): Promise<void> {
    this.committer.stop();
    await this.store.close();
    if (this.fatal.length > 0) throw this.fatal[0];
  }

  async summaries(): Promise<Summary[]> {
    const entries = await this.store.log.read(0, { entriesMax: 1e6, bytesMax: 1e9 });
    return entries.map((entry) => JSON.parse(entry.json) as Summary);
  }
}
