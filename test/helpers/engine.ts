import type { Device } from "../../src/engine/device.js";
import { Engine } from "../../src/engine/engine.js";
import { encodeGroups, restoreGroup } from "../../src/engine/group-codec.js";
import type { ResidencyOptions, StateReader } from "../../src/engine/residency.js";
import { decodeDevice, encodeDevice, encodeSlice } from "../../src/engine/snapshot.js";
import { type Block, newGroup, type ReadingGroup } from "../../src/model/block.js";
import { type KeyedRecord, sealMark } from "../../src/model/bytes.js";
import type { GroupDefinition } from "../../src/model/group.js";
import type { EngineProfile, Field } from "../../src/model/profile.js";
import type { FieldValue } from "../../src/model/reading.js";
import type { Summary } from "../../src/model/summary.js";
import type { WindowDefinition } from "../../src/model/window.js";

/** A field with nothing special about it. */
export function field(name: string, rest: Partial<Field> = {}): Field {
  return {
    name,
    type: "float",
    unit: undefined,
    range: undefined,
    plausible: undefined,
    values: undefined,
    compute: undefined,
    ...rest,
  };
}

export function tumbling(
  name: string,
  sizeMs: number,
  aggregates: WindowDefinition["aggregates"],
  allowedLatenessMs = 0,
): WindowDefinition {
  return { name, kind: { type: "tumbling", sizeMs, offsetMs: 0 }, allowedLatenessMs, aggregates };
}

/** Overlapping windows of `sizeMs`, one every `slideMs`. */
export function hopping(
  name: string,
  [sizeMs, slideMs, offsetMs = 0]: readonly [number, number, number?],
  aggregates: WindowDefinition["aggregates"],
  allowedLatenessMs = 0,
): WindowDefinition {
  return { name, kind: { type: "hopping", sizeMs, slideMs, offsetMs }, allowedLatenessMs, aggregates };
}

/** An engine profile with one float field and a one-minute window unless told otherwise. */
export function engineProfile(rest: Partial<EngineProfile> = {}): EngineProfile {
  return {
    id: "p",
    version: "1.0.0",
    hash: "hash-1",
    fields: [field("x")],
    time: {
      maxPastMs: Number.POSITIVE_INFINITY,
      maxFutureMs: Number.POSITIVE_INFINITY,
      outOfOrdernessMs: 0,
      idleTimeoutMs: Number.POSITIVE_INFINITY,
    },
    duplicates: { by: "time", conflicting: "keep" },
    clean: [],
    windows: [tumbling("1m", 60_000, [{ field: 0, names: ["count", "mean", "min", "max"] }])],
    ...rest,
  };
}

export interface TestReading {
  /** Hash of its profile; that of the maker unless given. */
  readonly profile?: string;
  readonly device?: string;
  readonly timeMs: number;
  readonly arrivalMs?: number;
  readonly values: readonly FieldValue[];
  readonly key?: string;
  readonly delivery?: number;
}

/** Blocks with rising positions. */
export class BlockMaker {
  sequence = 0;
  readonly #hash: string;

  constructor(profile: EngineProfile, from = 0) {
    this.#hash = profile.hash;
    this.sequence = from;
  }

  block(readings: readonly TestReading[], rest: Partial<Block> = {}): Block {
    const groups = new Map<string, ReadingGroup>();
    for (const r of readings) {
      const device = r.device ?? "d";
      const { profile = this.#hash } = r;
      const key = `${profile}/${device}`;
      const group = groups.get(key) ?? newGroup(profile, device, r.key !== undefined);
      groups.set(key, group);
      group.arrivals.push(r.arrivalMs ?? 0);
      group.times.push(r.timeMs);
      group.values.push([...r.values]);
      group.keys?.push(r.key ?? "");
      group.deliveries.push(r.delivery ?? 0);
    }
    this.sequence++;
    return {
      sequence: this.sequence,
      processingMs: 0,
      clockTrusted: true,
      tick: false,
      groups: [...groups.values()],
      ...rest,
    };
  }
}

export function newEngine(profile: EngineProfile, devicesMax = 1000): Engine {
  const engine = new Engine({ gateway: "gw", devicesMax });
  engine.addProfile(profile);
  return engine;
}

/** An engine with several profiles and groups of their devices. */
export function groupedEngine(
  profiles: readonly EngineProfile[],
  groups: readonly GroupDefinition[],
  residency: ResidencyOptions = {},
): Engine {
  const engine = new Engine({ gateway: "gw", devicesMax: 1000, residency });
  engine.redefine({ profiles, groups });
  return engine;
}

/** A device as it is stored. */
export interface DeviceRecords {
  readonly profile: string;
  readonly name: string;
  readonly device: KeyedRecord;
  readonly slices: readonly KeyedRecord[];
}

const sliceKey = (profile: string, device: string, id: number) => `s${profile} ${device} ${id}`;

export function recordsOf(device: Device, sequence: number): DeviceRecords {
  const { plan, profileId, name } = device;
  const slices = [...device.slices, ...device.retired].map((slice) => {
    const key = sliceKey(profileId, name, slice.id);
    const value = encodeSlice(plan.slices.wake(slice), plan, key);
    slice.mark = sealMark(value);
    return { key, value };
  });
  const key = `d${name}`;
  const value = encodeDevice(device, plan, { sequence, key });
  return { profile: profileId, name, device: { key, value }, slices };
}

/** Slices of the devices that `StoredSlices.adopt` takes in, for an engine that reads them from there. */
export class StoredSlices implements StateReader {
  readonly #records = new Map<string, KeyedRecord>();

  device(): undefined {
    return undefined;
  }

  slice(profile: string, device: string, id: number): KeyedRecord | undefined {
    return this.#records.get(sliceKey(profile, device, id));
  }

  adopt(engine: Engine, { profile, name, device, slices }: DeviceRecords): void {
    for (const slice of slices) this.#records.set(slice.key, slice);
    const state = engine.profileState(profile)!;
    engine.adopt(state, decodeDevice(device, engine.planFor(state, name)));
  }
}

/** A new engine with the state of the old one, through stored records. */
export function restored(engine: Engine, profile: EngineProfile): Engine {
  const reader = new StoredSlices();
  const next = new Engine({ gateway: "gw", devicesMax: 1000, residency: { reader } });
  next.addProfile(profile);
  const others = engine.profiles().filter(({ id }) => id !== profile.id);
  next.redefine({ profiles: others, groups: engine.groups.shapes.definitions });
  for (const record of encodeGroups(engine.groups, engine.sequence, (name) => `g${name}`)) {
    restoreGroup(next.groups, record);
  }
  for (const { id } of engine.profiles()) {
    for (const device of engine.profileState(id)!.devices.values()) {
      reader.adopt(next, recordsOf(device, engine.sequence));
    }
  }
  next.resumeAt(engine.sequence);
  return next;
}

/** The bodies of the final summaries, keyed as the oracle keys them; a second final for the same window is an error. */
export function finalBodies(summaries: readonly Summary[]): Map<string, string> {
  const bodies = new Map<string, string>();
  for (const summary of summaries) {
    if (!summary.final) continue;
    const key = `${summary.device}/${summary.window.name}/${Date.parse(summary.window.start!)}`;
    if (bodies.has(key)) throw new Error(`two final summaries for ${key}`);
    bodies.set(key, JSON.stringify(summary.fields));
  }
  return bodies;
}
