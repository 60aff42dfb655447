import type { Dice } from "./dice.js";
import type { DiskFaults } from "./disk.js";
import { type GroupSpec, makeGroups } from "./groups.js";
import type { NetworkFaults } from "./network.js";
import { makeProfile, type ProfileSpec } from "./profiles.js";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Everything that a seed decides before time begins: who is there, and what they will meet. */
export interface Scenario {
  readonly horizonMs: number;
  readonly profiles: readonly ProfileSpec[];
  readonly groups: readonly GroupSpec[];
  readonly devices: readonly DeviceSpec[];
  readonly targets: readonly TargetSpec[];
  readonly store: { readonly journalBytesMax: number; readonly logBytesMax: number };
  readonly commitDelayMs: number;
  readonly devicesMax: number;
  /** For devices and slices; with the least of them everything leaves memory that is stored. */
  readonly memoryBytesMax: number;
  readonly disk: DiskFaults;
  /** Between devices and gateway, and between gateway and upstream. */
  readonly local: NetworkFaults;
  readonly remote: NetworkFaults;
  /** Mean time between two of each; infinite where it does not happen. */
  readonly every: Readonly<Record<Misfortune, number>>;
  readonly clock: "good" | "stepped" | "unset";
}

export type Misfortune =
  | "crash"
  | "restart"
  | "reload"
  | "diskFull"
  | "upstreamAway"
  | "upstreamMute"
  | "clockStep"
  | "rot"
  | "hostile";

export interface DeviceSpec {
  readonly name: string;
  readonly profile: ProfileSpec;
  readonly qos: 0 | 1 | 2;
  readonly everyMs: number;
  /** How its own clock is wrong. */
  readonly clockOffsetMs: number;
  /** Chance that a reading is sent a second time as another message. */
  readonly repeats: number;
  /** Chance that it falls silent for a while, or sends many at once. */
  readonly silences: number;
  readonly bursts: number;
}

export interface TargetSpec {
  readonly name: string;
  readonly schedule: string;
  readonly entriesMax: number;
}

export function makeScenario(dice: Dice, horizonMs: number): Scenario {
  const profiles = Array.from({ length: dice.whole(1, 3) }, (_, i) =>
    makeProfile(`p${i}`, dice.fork(`p${i}`)),
  );
  const devices = Array.from({ length: dice.whole(2, 6) }, (_, i) =>
    makeDevice(`d${i}`, dice.pick(profiles), dice.fork(`d${i}`), horizonMs),
  );
  const targets = Array.from({ length: dice.whole(1, 3) }, (_, i) => ({
    name: `t${i}`,
    schedule: dice.pick(["immediate", "immediate", "*/5 * * * *", "0 * * * *", "*/20 * * * * *"]),
    entriesMax: dice.pick([1, 10, 500]),
  }));
  const sometimes = (probability: number, meanMs: number) =>
    dice.chance(probability) ? meanMs * (0.5 + dice.next()) : Number.POSITIVE_INFINITY;
  return {
    horizonMs,
    profiles,
    groups: makeGroups(profiles, dice.fork("groups")),
    devices,
    targets,
    store: {
      journalBytesMax: dice.pick([2_000, 12_000, 1_000_000]),
      logBytesMax: dice.pick([45_000, 70_000, 180_000, 10_000_000]),
    },
    commitDelayMs: dice.pick([0, 100, 100, 1_000, 10_000]),
    devicesMax: dice.chance(0.2) ? Math.max(1, devices.length - 1) : 100,
    memoryBytesMax: dice.fork("memory").pick([0, 4_000, 15_000, 32_000_000]),
    disk: {
      syncMs: dice.pick([1, 10, 50]),
      slow: dice.pick([0, 0.01, 0.2]),
      slowMs: dice.pick([300, 3_000]),
      tornWrites: dice.pick([0, 0, 0.002, 0.02]),
      failedSyncs: dice.pick([0, 0, 0.002, 0.02]),
    },
    local: makeNetwork(dice),
    remote: makeNetwork(dice),
    every: {
      crash: sometimes(0.7, horizonMs / 6),
      restart: sometimes(0.4, horizonMs / 3),
      reload: sometimes(0.3, horizonMs / 2),
      diskFull: sometimes(0.2, horizonMs / 3),
      upstreamAway: sometimes(0.4, horizonMs / 3),
      upstreamMute: sometimes(0.3, horizonMs / 4),
      clockStep: sometimes(0.3, horizonMs / 4),
      rot: sometimes(0.05, horizonMs / 2),
      hostile: sometimes(0.4, horizonMs / 20),
    },
    clock: dice.pick(["good", "good", "good", "stepped", "unset"]),
  };
}

function makeNetwork(dice: Dice): NetworkFaults {
  return {
    latencyMs: dice.pick([1, 20, 200]),
    breaks: dice.pick([0, 0.3, 1]),
    breaksAfterBytes: dice.pick([200, 2_000, 20_000]),
    silently: dice.pick([0, 0.5]),
  };
}

function makeDevice(name: string, profile: ProfileSpec, dice: Dice, horizonMs: number): DeviceSpec {
  const wrong = !profile.strict && profile.timed && dice.chance(0.3);
  return {
    name,
    profile,
    qos: dice.pick([0, 1, 1, 2] as const),
    everyMs: Math.max(dice.pick([2 * SECOND, 10 * SECOND, MINUTE]), horizonMs / dice.pick([40, 90, 150])),
    clockOffsetMs: wrong ? dice.pick([-30, -1, 1, 30]) * dice.pick([MINUTE, HOUR]) : 0,
    repeats: dice.pick([0, 0, 0.1]),
    silences: dice.pick([0, 0, 0.02]),
    bursts: dice.pick([0, 0, 0.05]),
  };
}
