import type { Engine } from "../../src/engine/engine.js";
import type { Part } from "../../src/engine/options.js";
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

/** What makes the state leave memory, and work be done in pieces; nothing does unless told. */
export interface Narrow {
  readonly bytesMax?: number;
  /** See `EngineOptions` and `Block`. */
  readonly shareMax?: number;
  /** See `Engine.applyPart`. */
  readonly summariesMax?: number;
  /** A checkpoint begins with every block unless there is room for more. */
  readonly journalBytesMax?: number;
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
  readonly #narrow: Required<Narrow>;
  #store!: Store;
  #checkpointer!: Checkpointer;
  #setting: Setting = { profiles: [], groups: [] };
  #inForce = new Map<string, Profile>();

  constructor(narrow: Narrow = {}) {
    const most = Number.POSITIVE_INFINITY;
    this.#narrow = { bytesMax: most, shareMax: most, summariesMax: most, journalBytesMax: 1e6, ...narrow };
  }

  /** Comes up over what is on the disk, and takes on a setting. @returns whether it lived to see the end of it */
  async start(setting: Setting): Promise<boolean> {
    this.disk.revive();
    const { bytesMax, shareMax, journalBytesMax } = this.#narrow;
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
    const options = { gateway: "gw", devicesMax: 1e6, shareMax, residency: { bytesMax } };
    const { engine } = await recover(this.#store, options, (definition: StoredDefinition) => {
      const { profile } = loadProfile(definition.source, definition);
      const isInForce = definition.retired !== true && definition.replaced !== true;
      if (profile !== undefined && isInForce) kept.set(profile.id, profile);
      return profile;
    });
    this.engine = engine;
    this.#inForce = kept;
    this.#checkpointer = new Checkpointer(engine, journalBytesMax);
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
  async change(setting: Setting): Promise<boolean> {
    const { profiles, groups } = setting;
    this.#setting = setting;
    const changed = await this.#survives(
      changeProfiles({
        engine: this.engine,
        store: this.#store,
        checkpointer: this.#checkpointer,
        present: this.#inForce,
        profiles,
        groups,
      }),
    );
    if (changed) this.#inForce = new Map(profiles.map((profile) => [profile.id, profile]));
    return changed;
  }

  /** Takes in what comes, as the committer does; where it dies meanwhile, what was not stored comes again. */
  async apply(block: Omit<Block, "sequence">): Promise<void> {
    const { shareMax, summariesMax } = this.#narrow;
    const shares = Number.isFinite(shareMax) ? { shareMax } : {};
    let { groups, tick } = block;
    for (;;) {
      const sequence = this.engine.sequence + 1;
      const part = this.engine.applyPart({ ...block, ...shares, groups, tick, sequence }, summariesMax);
      if (!(await this.#survives(this.#write(part)))) {
        await this.start(this.#setting);
        if (this.engine.sequence < sequence) continue;
      }
      groups = part.left;
      tick &&= !part.begun.tick;
      if (groups.length === 0 && !tick && !this.engine.isBehind) return;
    }
  }

  async #write({ begun, summaries }: Part): Promise<void> {
    const on = { engine: this.engine, store: this.#store, checkpointer: this.#checkpointer };
    const share = on.checkpointer.nextShare(on.store);
    await on.store.commit({ block: begun, summaries, ...share.commit });
    share.written();
    await makeRoom(on);
  }

  /** @returns whether it lived to see the end of it */
  async #survives(doing: Promise<unknown>): Promise<boolean> {
    let done = false;
    const whole = doing.then(() => {
      done = true;
    });
    while (!done && !this.disk.dead) await Promise.race([whole, settle()]);
    return done;
  }

  async log(): Promise<Summary[]> {
    const entries = await this.#store.log.read(0, { entriesMax: 1e6, bytesMax: 1e9 });
    return entries.map(({ json }) => JSON.parse(json) as Summary);
  }
}
