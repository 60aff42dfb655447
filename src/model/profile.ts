import type { FieldValue, ReadingSink } from "./reading.js";
import type { WindowDefinition } from "./window.js";

export const FIELD_TYPES = ["float", "int", "decimal", "bool", "enum", "string"] as const;

export type FieldType = (typeof FIELD_TYPES)[number];

/** Of a field that counts up, and starts anew now and then. */
export interface Counter {
  /** What it counts up to before it goes on from 0; undefined where it does not. */
  readonly rollover: number | undefined;
}

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** Unit in which values are kept (SenML), if any. */
  readonly unit: string | undefined;
  /** Impossible outside, inclusive bounds. */
  readonly range: readonly [number, number] | undefined;
  /** What cleaning acts on, inclusive bounds. */
  readonly plausible: readonly [number, number] | undefined;
  /** Smallest step of the values, in the unit kept; undefined where it is not known. */
  readonly resolution?: number | undefined;
  /** Longest time for which a value says what came after it; undefined for no end. */
  readonly maxGapMs?: number | undefined;
  /** Undefined where it is no counter. */
  readonly counter?: Counter | undefined;
  /** Names of an enum's values, by index. */
  readonly values: readonly string[] | undefined;
  /** For a computed field: its value from the cleaned values of the fields before it; NaN where it has none. */
  readonly compute: ((values: readonly FieldValue[]) => FieldValue) | undefined;
}

/** What must be equal for values to mean the same under two definitions. */
export function meaningOf({ name, type, unit, values }: Field): string {
  return JSON.stringify([name, type, unit ?? null, values ?? null]);
}

/** `outside` names the bounds; `action` what happens to a value beyond them. */
export interface CleanRule {
  readonly fields: readonly number[];
  readonly outside: "range" | "plausible";
  /** drop: reject the reading. null: remove the value. clamp: move it to the bound. flag: keep and count it. */
  readonly action: "drop" | "null" | "clamp" | "flag";
}

export type DuplicateRule =
  /** Same event time and same values. `conflicting`: what of the same time with other values. */
  | { readonly by: "time"; readonly conflicting: "keep" | "first" }
  /** Same key within `ttlMs` of its first sighting, by arrival time. */
  | { readonly by: "key"; readonly ttlMs: number };

export interface TimePolicy {
  /** Infinity where there is no bound. */
  readonly maxPastMs: number;
  readonly maxFutureMs: number;
  /** The watermark trails the highest event time by this much. */
  readonly outOfOrdernessMs: number;
  /** Silence after which the device's event time is carried on by the clock; Infinity for never. */
  readonly idleTimeoutMs: number;
  /** Time between two readings of a device where all goes well; undefined where it is not known. */
  readonly periodMs?: number | undefined;
}

/** The part of a profile that the engine acts on; immutable, and a pure function of `source` and `zone`. */
export interface EngineProfile {
  readonly id: string;
  readonly version: string;
  /** Hash of everything below; state and journal refer to a profile by it. */
  readonly hash: string;
  readonly fields: readonly Field[];
  readonly time: TimePolicy;
  readonly duplicates: DuplicateRule;
  readonly clean: readonly CleanRule[];
  readonly windows: readonly WindowDefinition[];
  /** By which groups may take its devices; undefined for none. */
  readonly tags?: readonly string[] | undefined;
}

/** What is known of a payload besides its bytes. */
export interface PayloadContext {
  /** Topic captures such as `device`; empty for other sources. */
  readonly captures: Readonly<Record<string, string>>;
  readonly topic: string | undefined;
  /** Wall clock at arrival, milliseconds since the epoch. */
  readonly arrivalMs: number;
}

/** A topic pattern, and the payloads that mean a device has come or gone (its last will). */
export interface StatusTopic {
  readonly topic: string;
  readonly online: string;
  readonly offline: string;
}

/** A loaded profile: what the engine needs, and how payloads become readings. */
export interface Profile extends EngineProfile {
  /** The YAML text, kept with the state so that recovery uses the definition the readings came in under. */
  readonly source: string;
  readonly zone: string;
  /** Where it was read from, for messages. */
  readonly file: string;
  /** Whether readings carry an event time of their own. */
  readonly hasEventTime: boolean;
  readonly format: "json" | "csv" | "kv";
  /** Encoding of the text its payloads are. */
  readonly encoding: "utf-8" | "latin1";
  /** MQTT topics it claims: patterns with {name} for one level and {name...} for the rest. */
  readonly topics: readonly string[];
  /** Whether its `decode` may decline a payload (it has a `where`). */
  readonly conditional: boolean;
  /** Where devices say themselves whether they are there; undefined where the profile names no such topic. */
  readonly status: StatusTopic | undefined;
  /**
   * Turns one payload into readings; never throws. Text is taken as already decoded (a line of a file).
   * @returns false when the payload is not for this profile (its `where` is false)
   */
  decode(payload: Uint8Array | string, context: PayloadContext, sink: ReadingSink): boolean;
  /** A decoder for consecutive lines of one stream (a file, a serial port), where a header line comes once. */
  openStream(): Pick<Profile, "decode">;
}
