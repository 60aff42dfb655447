import type { Engine } from "../../src/engine/engine.js";
import { encodeGroups, restoreGroup } from "../../src/engine/group-codec.js";
import type { Block } from "../../src/model/block.js";
import type { GroupDefinition } from "../../src/model/group.js";
import type { EngineProfile } from "../../src/model/profile.js";
import { type DeviceRecords, groupedEngine, recordsOf, StoredSlices } from "./engine.js";

/** What shares of checkpoints have written: some devices at a time, and all groups with every one of them. */
export class StoredGroups {
  readonly #profiles: readonly EngineProfile[];
  readonly #definitions: readonly GroupDefinition[];
  readonly #devices = new Map<string, DeviceRecords>();
  #groups: ReturnType<typeof encodeGroups> = [];

  constructor(profiles: readonly EngineProfile[], definitions: readonly GroupDefinition[]) {
    this.#profiles = profiles;
    this.#definitions = definitions;
  }

  share(engine: Engine, which: () => boolean): void {
    const devices = engine.profiles().flatMap(({ id }) => [...engine.profileState(id)!.devices.values()]);
    const chosen = devices.filter(which);
    if (chosen.length === 0) return;
    for (const device of chosen) {
      this.#devices.set(`${device.profileId}/${device.name}`, recordsOf(device, engine.sequence));
    }
    this.#groups = encodeGroups(engine.groups, engine.sequence, (name) => `g${name}`);
  }

  /** The state as recovery finds it: the records, and the whole journal over them. */
  recovered(journal: readonly Block[]): Engine {
    const reader = new StoredSlices();
    const engine = groupedEngine(this.#profiles, this.#definitions, { reader });
    for (const record of this.#groups) restoreGroup(engine.groups, record);
    for (const [, records] of [...this.#devices].sort()) reader.adopt(engine, records);
    for (const block of journal) engine.apply(block);
    return engine;
  }
}
