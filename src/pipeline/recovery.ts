import type { Before } from "../engine/changeover.js";
import { Engine } from "../engine/engine.js";
import { restoreGroup } from "../engine/group-codec.js";
import type { EngineOptions } from "../engine/options.js";
import type { Redefining } from "../engine/profile-state.js";
import { decodeDevice, decodeDeviceHeader, openSlice, type StoredSlice } from "../engine/snapshot.js";
import { CorruptRecord, sealMark } from "../model/bytes.js";
import type { GroupDefinition } from "../model/group.js";
import type { EngineProfile, Profile } from "../model/profile.js";
import type { Store } from "../store/store.js";
import { Checkpointer } from "./checkpoint.js";
import { makeRoom } from "./room.js";

/**
 * Getting the engine back to where the store says it was: stored devices first, then the journal over them. What
 * the journal's blocks caused is in the summary log already, in the same batches, so replay emits nothing.
 *
 * Of the devices as many are brought into memory as half of the bound has room for; of the others only what the roster
 * wants to know is kept. Every record is looked at, those of slices too: one that is damaged has to be known before
 * anything more is acknowledged on top of it. Where the journal has changed more than memory has room for, records are
 * written in between, each at the position to which the replay has come: a crash then leaves devices at different
 * positions, as one in a checkpoint does.
 *
 * Readings were taken in under the profiles of that time, which may not be those of today; so the definitions are
 * kept with the state (source text and zone, by hash), and recovery runs under those. Changing over to today's is
 * a reload like any other (see profiles.ts); so is going on with one in which the crash came. Then everything is put
 * back to what was in force before it, and it begins again. There is no journal behind the beginning of that one.
 */
export interface Recovered {
  readonly engine: Engine;
  /** Where processing time stood. */
  readonly processingMs: number;
  readonly replayedBlocks: number;
}

/** A profile as it is kept with the state. */
export interface StoredDefinition {
  readonly source: string;
  readonly zone: string;
  readonly file: string;
  /** Whether it was removed and is kept for the counts of its devices only. */
  readonly retired?: boolean;
  /** Whether another has come in its place, and it is there for devices that have yet to change over. */
  readonly replaced?: boolean;
}

export function encodeDefinition(
  { source, zone, file }: Profile,
  { retired = false }: { readonly retired?: boolean } = {},
): string {
  const definition: StoredDefinition = { source, zone, file, ...(retired ? { retired } : {}) };
  return JSON.stringify(definition);
}

/**
 * @param compile turns a kept definition into a profile; undefined when this program cannot read it any more
 * @throws CorruptRecord when the store's records are damaged or do not fit each other
 */
export async function recover(
  store: Store,
  options: EngineOptions,
  compile: (definition: StoredDefinition) => EngineProfile | undefined,
): Promise<Recovered> {
  const engine = new Engine({ ...options, residency: { ...options.residency, reader: store } });
  const change = await store.change();
  const before = change === undefined ? undefined : (JSON.parse(change) as Before);
  const changed = await restoreProfiles(store, { engine, compile, before });
  const groups = await restoreGroups(store, engine, before);
  if (before !== undefined) engine.changeover.begin({ ...changed, groups });
  let processingMs = await restoreDevices(store, engine);
  engine.resumeAt(store.journalFrom - 1);
  let replayedBlocks = 0;
  let last = engine.sequence;
  const checkpointer = new Checkpointer(engine, Number.POSITIVE_INFINITY);
  for await (const block of store.journal()) {
    while (!store.isReadable) await store.readable();
    engine.apply(block);
    await makeRoom({ engine, store, checkpointer, replaying: true });
    processingMs = Math.max(processingMs, block.processingMs);
    last = Math.max(last, block.sequence);
    replayedBlocks++;
  }
  engine.resumeAt(last);
  return { engine, processingMs, replayedBlocks };
}

/** Puts profiles in force that were before a change which is under way. @returns what it changes of them */
async function restoreProfiles(
  store: Store,
  {
    engine,
    compile,
    before,
  }: {
    readonly engine: Engine;
    readonly compile: (definition: StoredDefinition) => EngineProfile | undefined;
    readonly before: Before | undefined;
  },
): Promise<Pick<Redefining, "profiles" | "retired">> {
  const definitions = await store.definitions();
  const replacements = new Map(before?.profiles.map((replacement) => [replacement.to, replacement]));
  const gone = new Set(before?.profiles.flatMap(({ from, to }) => (from === to ? [] : [from])));
  const compiled = (hash: string, rest: Partial<StoredDefinition> = {}): EngineProfile => {
    const text = definitions.get(hash);
    const profile =
      text === undefined ? undefined : compile({ ...(JSON.parse(text) as StoredDefinition), ...rest });
    if (profile?.hash === hash) return profile;
    throw new CorruptRecord(`the stored profile definition ${hash} cannot be read`);
  };
  const add = (profile: EngineProfile, isRetired: boolean): void => {
    engine.addProfile(profile);
    // Its devices were stored without windows.
    if (isRetired) engine.redefine({ retired: [profile.id] });
  };
  const [profiles, retired]: [EngineProfile[], string[]] = [[], []];
  for (const [hash, text] of definitions) {
    if (gone.has(hash)) continue;
    const profile = compiled(hash);
    const isRetired = (JSON.parse(text) as StoredDefinition).retired === true;
    const replacement = replacements.get(hash);
    const isAdded = before?.added.includes(hash) === true;
    if (replacement === undefined && !isAdded) {
      add(profile, isRetired);
      continue;
    }
    if (replacement !== undefined) {
      add(compiled(replacement.from, { replaced: true }), replacement.retired);
      replacements.delete(hash);
    }
    if (isRetired) retired.push(profile.id);
    else profiles.push(profile);
  }
  for (const hash of replacements.keys()) {
    throw new CorruptRecord(`the profile definition ${hash} is missing`);
  }
  return { profiles, retired };
}

/** Puts groups back as they were before a change that is under way. @returns how they are to be */
async function restoreGroups(
  store: Store,
  engine: Engine,
  before: Before | undefined,
): Promise<readonly GroupDefinition[]> {
  const text = await store.groupDefinitions();
  const definitions = text === undefined ? [] : (JSON.parse(text) as GroupDefinition[]);
  engine.redefine({ groups: before?.groups ?? definitions });
  for (const record of await store.groups()) restoreGroup(engine.groups, record);
  engine.resumeAt(engine.groups.replayedThrough);
  return definitions;
}

async function restoreDevices(store: Store, engine: Engine): Promise<number> {
  let processingMs = 0;
  for await (const record of store.devices()) {
    const header = decodeDeviceHeader(record);
    const state = engine.profileState(header.profileId);
    const plan = state === undefined ? undefined : engine.planOfStored(state, header);
    if (state === undefined || plan === undefined) {
      throw new CorruptRecord(`a device refers to an unknown definition of profile ${header.profileId}`);
    }
    await verify(store, header.slices);
    if (
      header.waiting > 0 ||
      // A replay goes on with it, as the blocks did.
      header.wakeMs === Number.NEGATIVE_INFINITY ||
      engine.residency.hasRoom ||
      engine.groups.takes(state.plan.profile.id, header.name)
    ) {
      engine.adopt(state, decodeDevice(record, plan));
      engine.residency.relieve();
    } else {
      const aheadMs = Math.max(header.maxTimeMs, header.idleFloorMs);
      engine.noteAway(state, { ...header, aheadMs, mark: sealMark(record.value) });
    }
    engine.resumeAt(header.sequence);
    processingMs = Math.max(processingMs, header.lastSeenMs);
  }
  return processingMs;
}

async function verify(store: Store, slices: readonly StoredSlice[]): Promise<void> {
  while (!store.isReadable) await store.readable();
  for (const slice of slices) {
    const { owner, id } = slice;
    openSlice(store.slice(owner.profileId, owner.name, id), slice);
  }
}
