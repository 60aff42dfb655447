import { Engine } from "../../src/engine/engine.js";
import { restoreGroup } from "../../src/engine/group-codec.js";
import type { StateReader } from "../../src/engine/residency.js";
import { decodeDevice, decodeDeviceHeader } from "../../src/engine/snapshot.js";
import type { Block } from "../../src/model/block.js";
import { type KeyedRecord, sealMark } from "../../src/model/bytes.js";
import type { GroupDefinition } from "../../src/model/group.js";
import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import { Checkpointer } from "../../src/pipeline/checkpoint.js";
import { KEYS, keySpace } from "../../src/store/keys.js";

/** An engine whose state leaves memory, over records in a map; its journal is whatever was not checkpointed. */
export class SpillingEngine {
  engine: Engine;
  /** What is stored, by key. */
  readonly records = new Map<string, Uint8Array>();
  readonly #bytesMax: number;
  readonly #groups: readonly GroupDefinition[];
  #profile: EngineProfile;
  #checkpointer: Checkpointer;
  #journal: Block[] = [];

  constructor(profile: EngineProfile, bytesMax: number, groups: readonly GroupDefinition[] = []) {
    this.#profile = profile;
    this.#groups = groups;
    this.#bytesMax = bytesMax;
    this.engine = this.#newEngine();
    this.#checkpointer = new Checkpointer(this.engine, 0);
  }

  #newEngine(profile = this.#profile): Engine {
    const record = (key: string): KeyedRecord | undefined => {
      const value = this.records.get(key);
      return value === undefined ? undefined : { key, value };
    };
    const reader: StateReader = {
      device: (profile, device) => record(KEYS.device(profile, device)),
      slice: (profile, device, id) => record(KEYS.slice(profile, device, id)),
    };
    const residency = { reader, bytesMax: this.#bytesMax };
    const engine = new Engine({ gateway: "gw", devicesMax: 10_000, residency });
    engine.redefine({ profiles: [profile], groups: this.#groups });
    return engine;
  }

  apply(block: Block): Summary[] {
    this.#journal.push(block);
    return this.engine.apply(block);
  }

  /** Changes the definition in portions that are stored, as a reload does. @param diesAfter so many of them */
  reconfigure(profile: EngineProfile, diesAfter = Number.POSITIVE_INFINITY): Summary[] {
    this.store();
    const before = this.#profile;
    const summaries: Summary[] = [];
    this.engine.changeover.begin({ profiles: [profile] });
    this.#profile = profile;
    this.store();
    for (let left = diesAfter; this.engine.changeover.isUnderWay; left--) {
      if (left === 0) this.restart(before);
      summaries.push(...this.engine.changeover.portion().summaries);
      this.store();
    }
    return summaries;
  }

  /** Writes what has changed; it may go now. */
  store(): void {
    const { commit, written } = this.#checkpointer.everything();
    for (const operation of commit.records) {
      if (operation.type === "put") this.records.set(operation.key, operation.value);
      else this.records.delete(operation.key);
    }
    this.#journal = [];
    written();
    this.engine.residency.relieve();
  }

  /** Dies, and comes back from what is stored and the journal behind it. @param before the definition that is replaced */
  restart(before?: EngineProfile): void {
    const { sequence } = this.engine;
    this.engine = this.#newEngine(before);
    this.#checkpointer = new Checkpointer(this.engine, 0);
    for (const [key, value] of this.records) {
      if (key.startsWith(keySpace("g").gte)) restoreGroup(this.engine.groups, { key, value });
    }
    if (before !== undefined) this.engine.changeover.begin({ profiles: [this.#profile] });
    const state = this.engine.profileState(this.#profile.id)!;
    for (const [key, value] of this.records) {
      if (!key.startsWith(keySpace("d").gte)) continue;
      const header = decodeDeviceHeader({ key, value });
      if (this.engine.groups.takes(header.profileId, header.name)) {
        this.engine.adopt(state, decodeDevice({ key, value }, this.engine.planOfStored(state, header)!));
        this.engine.residency.relieve();
        continue;
      }
      const aheadMs = Math.max(header.maxTimeMs, header.idleFloorMs);
      this.engine.noteAway(state, { ...header, aheadMs, mark: sealMark(value) });
    }
    this.engine.resumeAt(sequence - this.#journal.length);
    for (const block of this.#journal) this.engine.apply(block);
  }
}
