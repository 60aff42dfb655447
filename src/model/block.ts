import type { FieldValue } from "./reading.js";

/** The readings of one device within a block, in arrival order, column by column. */
export interface ReadingGroup {
  /** Hash of the profile the readings were decoded with. */
  readonly profile: string;
  readonly device: string;
  /** Wall clock at arrival, whole milliseconds since the epoch. */
  readonly arrivals: number[];
  /** Event times in milliseconds since the epoch; NaN stands for the arrival time. */
  readonly times: number[];
  /** One row per reading, one value per field of the profile. */
  readonly values: FieldValue[][];
  /** Duplicate keys; undefined where the profile has none. */
  readonly keys: string[] | undefined;
  /**
   * Identity of the MQTT packet that carried the reading, a whole number below 2^53, negative when the packet came with
   * DUP set, so that it may be a redelivery; 0 where there is none. Of a reading with an event time, by which it is known
   * again, only `REPEATED` or 0.
   */
  readonly deliveries: number[];
  /** Readings that failed before the engine: count by reason code. */
  readonly rejected: number[];
}

/** In the place of an identity: see `ReadingGroup.deliveries`. */
export const REPEATED = -1;

/** Where the wall clock stands against the clock that counts on from the start of the machine. */
export interface BootClock {
  /** As `Clock.boot`. */
  readonly boot: number;
  /** Wall time at which the machine's own clock stood at 0, as far as the wall clock can be believed. */
  readonly offsetMs: number;
}

/** Of all devices one part of so many, by a hash of their names. */
export interface TickPart {
  /** From 0. */
  readonly part: number;
  /** A power of two. */
  readonly parts: number;
}

/** What the engine is given in one commit, and all that recovery needs to repeat it. */
export interface Block {
  /** Position in the journal: 1, 2, 3, … without holes. */
  readonly sequence: number;
  /** Milliseconds the agent has been running and not pushing back, summed over all its lives. */
  readonly processingMs: number;
  /** Whether the wall clock is plausible: without it `maxPast` and `maxFuture` mean nothing. */
  readonly clockTrusted: boolean;
  /** There while the clock is not trusted, and in the block in which the readings that waited for it get their time. */
  readonly bootClock?: BootClock;
  /** Whether silence is to be looked at after the readings: about once a second, not in every block. */
  readonly tick: boolean;
  /**
   * Which devices it is looked at for: where so many fall silent at once that one block cannot bring back all. And whose
   * readings get their time, where so many have waited for the clock.
   */
  readonly tickPart?: TickPart;
  /** How much of what is due with a device is done (engine/share.ts); all of it unless given, as before there were shares. */
  readonly shareMax?: number;
  /**
   * Devices with more to say than one share is for (engine/behind.ts) go on up to this one, of which it has profile and
   * name with a zero between them, and nothing else is in the block. All of them go on unless it is given, and none where it
   * is empty: then their readings do not wait for them.
   */
  readonly behindThrough?: string;
  readonly groups: readonly ReadingGroup[];
}

/** A block that ends before a reading of one of its groups, and has no tick then, and what is left of its groups. */
export function splitBlock(
  block: Block,
  { group, reading }: { readonly group: number; readonly reading: number },
): { readonly begun: Block; readonly left: readonly ReadingGroup[] } {
  const [part, rest] = splitGroup(block.groups[group]!, reading);
  const whole = block.groups.slice(0, group);
  const groups = reading === 0 ? whole : [...whole, part];
  return { begun: { ...block, tick: false, groups }, left: [rest, ...block.groups.slice(group + 1)] };
}

function splitGroup(group: ReadingGroup, at: number): readonly [ReadingGroup, ReadingGroup] {
  const { arrivals, times, values, keys, deliveries } = group;
  const part = (from: number, to: number) => ({
    ...group,
    arrivals: arrivals.slice(from, to),
    times: times.slice(from, to),
    values: values.slice(from, to),
    keys: keys?.slice(from, to),
    deliveries: deliveries.slice(from, to),
  });
  const rest = part(at, arrivals.length);
  return [part(0, at), at === 0 ? rest : { ...rest, rejected: [] }];
}

export function newGroup(profile: string, device: string, keyed: boolean): ReadingGroup {
  return {
    profile,
    device,
    arrivals: [],
    times: [],
    values: [],
    keys: keyed ? [] : undefined,
    deliveries: [],
    rejected: [],
  };
}
