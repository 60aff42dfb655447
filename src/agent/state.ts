import { mergeSummaries } from "../aggregate/merge.js";
import { databaseBytesOf } from "../config/bounds.js";
import type { Config } from "../config/load.js";
import type { Engine } from "../engine/engine.js";
import { CorruptRecord } from "../model/bytes.js";
import { messageOf } from "../model/errors.js";
import { defineEvent } from "../model/log-event.js";
import type { Profile } from "../model/profile.js";
import { recover, type StoredDefinition } from "../pipeline/recovery.js";
import { loadStoredProfile } from "../profile/load.js";
import { setAside } from "../store/database.js";
import type { Disk } from "../store/disk.js";
import { Store } from "../store/store.js";
import type { World } from "./parts.js";

/** The durable state of an agent, opened and brought up to date. */
export interface OpenState {
  readonly store: Store;
  readonly engine: Engine;
  readonly processingMs: number;
  /** The profiles that were in force, as they are kept with the state, by id. */
  readonly kept: ReadonlyMap<string, Profile>;
}

const recovered = defineEvent<{
  readonly devices: number;
  readonly blocks: number;
  readonly sequence: number;
}>(
  "state-recovered",
  "info",
  "the state is back: devices from the store, and the journal replayed over them",
);

/**
 * Opens the store and recovers the engine from it. A store whose records are damaged is set aside, loudly, and a
 * new one begun: wrong numbers would be worse than none.
 * @param world its profiles are those that are loaded already
 * @throws WeirError `store-locked`, `store-unavailable`, `store-too-new`
 */
export async function openState(
  config: Config,
  world: World & { readonly disk?: Disk; readonly profiles?: readonly Profile[] },
): Promise<OpenState> {
  const { path, logBytesMax, coarsen } = config.store;
  const coarsening = { ladderMs: coarsen, zone: config.gateway.zone, merge: mergeSummaries };
  const options = { ...world, path, logBytesMax, databaseBytesMax: databaseBytesOf(config), coarsening };
  for (;;) {
    const store = await Store.open(options);
    const kept = new Map<string, Profile>();
    try {
      const compile = (definition: StoredDefinition): Profile | undefined => {
        const profile = loadedAs(definition, world.profiles ?? []);
        const isInForce = definition.retired !== true && definition.replaced !== true;
        if (profile !== undefined && isInForce) kept.set(profile.id, profile);
        return profile;
      };
      const engineOptions = {
        gateway: config.gateway.id,
        devicesMax: config.limits.devices,
        mergeable: true,
        losses: store.losses,
        residency: { bytesMax: config.limits.memoryBytesMax },
      };
      const { engine, processingMs, replayedBlocks } = await recover(store, engineOptions, compile);
      const facts = { devices: engine.deviceCount, blocks: replayedBlocks, sequence: engine.sequence };
      world.observer.emit(recovered, facts);
      return { store, engine, processingMs, kept };
    } catch (error) {
      await store.close();
      if (!(error instanceof CorruptRecord)) throw error;
      await setAside(options, messageOf(error));
    }
  }
}

/** Nearly always the definition is the one of today, which is loaded already. */
function loadedAs(definition: StoredDefinition, loaded: readonly Profile[]): Profile | undefined {
  const { source, zone } = definition;
  const same = loaded.find((profile) => profile.source === source && profile.zone === zone);
  return same ?? loadStoredProfile(source, definition);
}
