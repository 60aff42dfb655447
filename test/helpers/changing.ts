import type { Engine } from "../../src/engine/engine.js";
import type { Block } from "../../src/model/block.js";
import type { GroupDefinition } from "../../src/model/group.js";
import type { Profile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import { Checkpointer } from "../../src/pipeline/checkpoint.js";
import { changeProfiles } from "../../src/pipeline/profiles.js";
import { recover, type StoredDefinition } from "../../src/pipeline/recovery.js";
import { makeRoom } from "../../src/pipeline/room.js";
import { loadProfile } from "../../src/profile/load.js";
import { Store } from "../../src/store/store.js";
import { ManualClock, settle } from "./manual-clock.js";
import { MemoryDisk } from "./memory-disk.js";
import { EventNames } from "./store.js";

/** Profiles and groups of one moment. */
export interface Setting {
  readonly profiles: readonly Profile[];
  readonly groups: readonly GroupDefinition[];
}

/** @throws Error with what is wrong with it */
export function profileOf(source: string): Profile {
  const { profile, diagnostics } = loadProfile(source, { file: "test", zone: "UTC" });
  if (profile === undefined) throw new Error(JSON.stringify(diagnostics));
  return profile;
}

/** A store and an engine in the lives of an agent that changes its profiles and dies now and then, over a disk in memory. */
export class ChangingGateway {
  readonly disk = new MemoryDisk();
  engine!: Engine;
  /** What the state in memory took at most since it was last asked for. */
  bytesPeak = 0;
  /** And how many devices there were. */
  devicesPeak = 0;
  batches = 0;
  /** And most summaries that one batch had. */
  summariesPeak = 0;
  readonly #bytesMax: number;
  readonly #shareMax: number;
  #store!: Store;
  #checkpointer!: Checkpointer;
  #inForce = new Map<string, Profile>();

  /** @param shareMax see `EngineOptions` */
  constructor(bytesMax: number, shareMax: number = Number.POSITIVE_INFINITY) {
    this.#bytesMax = bytesMax;
    this.#shareMax = shareMax;
  }

  /** Comes up over what is on the disk, and takes on a setting. @returns whether it lived to see the end of it */
  async start(setting: Setting): Promise<boolean> {
    this.disk.revive();
    const clock = new ManualClock();
    this.#store = await Store.open({
      path: "memory",
      disk: this.disk,
      clock,
      timers: clock,
      observer: new EventNames(),
      logBytesMax: 1e9,
    });
    const kept = new Map<string, Profile>();
    const residency = { bytesMax: this.#bytesMax };
    const options = { gateway: "gw", devicesMax: 1e6, shareMax: this.#shareMax, residency };
    const { engine } = await recover(this.#store, options, (definition: StoredDefinition) => {
      const { profile } = loadProfile(definition.source, definition);
      const isInForce = definition.retired !== true && definition.replaced !== true;
      if (profile !== undefined && isInForce) kept.set(profile.id, profile);
      return profile;
    });
    this.engine = engine;
    this.#inForce = kept;
    this.#checkpointer = new Checkpointer(engine, 1e6);
    this.#watch();
    return await this.change(setting);
  }

  /** Looks at memory whenever something is to be written, which is when there is most in it. */
  #watch(): void {
    const commit = this.#store.commit.bind(this.#store);
    this.#store.commit = (what) => {
      this.bytesPeak = Math.max(this.bytesPeak, this.engine.residency.bytes);
      this.devicesPeak = Math.max(this.devicesPeak, this.engine.counts(0).length);
      this.batches++;
      this.summariesPeak = Math.max(this.summariesPeak, what.summaries?.length ?? 0);
      return commit(what);
    };
  }

  /** @returns whether it lived to see the end of it */
  async change({ profiles, groups }: Setting): Promise<boolean> {
    let done = false;
    const changing = changeProfiles({
      engine: this.engine,
      store: this.#store,
      checkpointer: this.#checkpointer,
      present: this.#inForce,
      profiles,
      groups,
    }).then(() => {
      this.#inForce = new Map(profiles.map((profile) => [profile.id, profile]));
      done = true;
    });
    while (!done && !this.disk.dead) await Promise.race([changing, settle()]);
    return done;
  }

  async apply(block: Omit<Block, "sequence">): Promise<void> {
    await this.#write(block);
    while (this.engine.isBehind) await this.#write({ ...block, groups: [], tick: false });
  }

  async #write(block: Omit<Block, "sequence">): Promise<void> {
    const shares = Number.isFinite(this.#shareMax) ? { shareMax: this.#shareMax } : {};
    const whole = { ...block, ...shares, sequence: this.engine.sequence + 1 };
    const summaries = this.engine.apply(whole);
    const share = this.#checkpointer.nextShare(this.#store);
    await this.#store.commit({ block: whole, summaries, ...share.commit });
    share.written();
    await makeRoom({ engine: this.engine, store: this.#store, checkpointer: this.#checkpointer });
  }

  async log(): Promise<Summary[]> {
    const entries = await this.#store.log.read(0, { entriesMax: 1e6, bytesMax: 1e9 });
    return entries.map(({ json }) => JSON.parse(json) as Summary);
  }
}
