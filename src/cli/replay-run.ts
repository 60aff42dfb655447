import { compilePointer } from "../decode/json-pointer.js";
import type { DeviceCounts } from "../engine/counts.js";
import { Engine } from "../engine/engine.js";
import type { Block } from "../model/block.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import type { Profile } from "../model/profile.js";
import type { FieldValue, ReadingSink } from "../model/reading.js";
import { REJECT_REASONS, type RejectReason } from "../model/reasons.js";
import type { Summary } from "../model/summary.js";
import { BlockBuilder } from "../pipeline/block-builder.js";

/**
 * Recorded payloads through the very engine that `weir run` uses, without store and clock: a block per so many
 * readings, a flush at the end. A recording says little of when its payloads arrived, so the event time stands in
 * for arrival unless each payload carries one, and `maxPast` and `maxFuture` are not applied.
 */
export interface ReplayOptions {
  /** Name of the gateway in the summaries. */
  readonly gateway: string;
  readonly profile: Profile;
  /** For payloads that do not name their device. */
  readonly device: string | undefined;
  /** JSON Pointer to the arrival time in each payload, in milliseconds since the epoch. */
  readonly arrivalPointer: string | undefined;
  /** Whether `onSummary` hears of every revision, or only of final ones. */
  readonly allRevisions: boolean;
  readonly onSummary: (summary: Summary) => void;
}

/** A file whose payloads are taken: a header line may come again in the next one. */
export interface RecordedFile {
  readonly path: string;
  readonly decoder: Pick<Profile, "decode">;
  /** How many of its payloads have been seen. */
  payloads: number;
}

/** What became of everything that was read. */
export interface ReplayTotals {
  readonly received: number;
  readonly accepted: number;
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  /** Of what could not be read, by reason, the first and why. */
  readonly unread: ReadonlyMap<RejectReason, string>;
  /** Values that are not of their field's type, in readings that were kept for their others. */
  readonly unreadableValues: number;
  /** The first of them, where there is one. */
  readonly unreadableValue: string | undefined;
  readonly partlyLate: number;
  readonly conflicting: number;
  readonly devices: number;
  readonly revisions: number;
  readonly windows: number;
}

/**
 * Late readings revise a window once per block. So that the revisions of a recording do not depend on how it was
 * compressed, blocks are of so many readings; larger ones would only keep more of them in memory.
 */
const BLOCK_READINGS = 1000;

export class Replay implements ReadingSink {
  readonly #options: ReplayOptions;
  readonly #engine: Engine;
  readonly #arrivalOf: ((line: string | Uint8Array) => number) | undefined;
  readonly #captures: Readonly<Record<string, string>>;
  #builder = new BlockBuilder();
  #arrivalMs = Number.NaN;
  readonly #unread = new Map<RejectReason, string>();
  #unreadableValues = 0;
  #unreadableValue: string | undefined;
  /** Where the payload is from that is being decoded. */
  #path = "";
  #number = 0;
  #sequence = 0;
  #revisions = 0;
  #finals = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const finalOnly = !options.allRevisions;
    this.#engine = new Engine({ gateway: options.gateway, devicesMax: Number.POSITIVE_INFINITY, finalOnly });
    this.#engine.addProfile(options.profile);
    this.#captures = options.device === undefined ? {} : { device: options.device };
    this.#arrivalOf =
      options.arrivalPointer === undefined ? undefined : arrivalReader(options.arrivalPointer);
  }

  begin(path: string): RecordedFile {
    return { path, decoder: this.#options.profile.openStream(), payloads: 0 };
  }

  /** Works through consecutive payloads of a file. */
  take(file: RecordedFile, payloads: readonly (string | Uint8Array)[]): void {
    for (const payload of payloads) this.takeOne(file, ++file.payloads, payload);
  }

  /** Takes a payload of a file. @param number which one it is in there, from 1 on */
  takeOne({ path, decoder }: RecordedFile, number: number, payload: string | Uint8Array): void {
    this.#path = path;
    this.#number = number;
    this.#arrivalMs = this.#arrivalOf === undefined ? Number.NaN : this.#arrivalOf(payload);
    const context = { captures: this.#captures, topic: undefined, arrivalMs: Number.NaN };
    decoder.decode(payload, context, this);
    if (this.#builder.readings >= BLOCK_READINGS) this.#apply();
  }

  reading(device: string, timeMs: number, values: FieldValue[], key: string | undefined): void {
    const arrivalMs = Number.isNaN(this.#arrivalMs) ? timeMs : this.#arrivalMs;
    if (Number.isNaN(arrivalMs)) {
      this.reject(device, "invalidTime", "there is no time in it, and no --arrival says when it came");
      return;
    }
    const profile = this.#options.profile.hash;
    this.#builder.add({ profile, device, arrivalMs, timeMs, values, key, delivery: 0 });
  }

  reject(device: string | undefined, reason: RejectReason, detail: string): void {
    if (!this.#unread.has(reason)) {
      this.#unread.set(reason, this.#placed(detail));
    }
    this.#builder.reject(this.#options.profile.hash, device ?? UNKNOWN_DEVICE, reason);
  }

  unreadable(_device: string, _field: number, detail: string): void {
    this.#unreadableValues++;
    this.#unreadableValue ??= this.#placed(detail);
  }

  #placed(detail: string): string {
    return `${this.#path}, payload ${this.#number}: ${detail}`;
  }

  /** In as many parts as it takes: after a hole each device may have thousands of summaries to say. */
  #apply(): void {
    let groups: Block["groups"] = this.#builder.groups();
    this.#builder = new BlockBuilder();
    do {
      const block: Block = {
        sequence: ++this.#sequence,
        processingMs: 0,
        clockTrusted: this.#arrivalOf !== undefined,
        tick: false,
        shareMax: LIMITS.deviceShareMax,
        groups,
      };
      const { summaries, left } = this.#engine.applyPart(block, LIMITS.blockSummariesMax);
      this.#emit(summaries);
      groups = left;
    } while (groups.length > 0 || this.#engine.isBehind);
  }

  /** Fires what is still open. */
  finish(): ReplayTotals {
    this.#apply();
    this.#emit(this.#engine.flush((summaries) => this.#emit(summaries.splice(0))));
    const counts = this.#engine.counts();
    return {
      ...totalsOf(counts),
      unread: this.#unread,
      unreadableValues: this.#unreadableValues,
      unreadableValue: this.#unreadableValue,
      revisions: this.#revisions,
      windows: this.#finals,
    };
  }

  #emit(summaries: readonly Summary[]): void {
    for (const summary of summaries) {
      // Where only final revisions are emitted, their number tells how many there were before.
      this.#revisions += this.#options.allRevisions ? 1 : summary.revision + 1;
      if (summary.final) this.#finals++;
      this.#options.onSummary(summary);
    }
  }
}

/** What the engine counts of the totals. */
type Counted = Pick<
  ReplayTotals,
  "received" | "accepted" | "rejected" | "partlyLate" | "conflicting" | "devices"
>;

function totalsOf(counts: readonly DeviceCounts[]): Counted {
  const rejected: Partial<Record<RejectReason, number>> = {};
  for (const reason of REJECT_REASONS) {
    const count = counts.reduce((sum, device) => sum + (device.rejected[reason] ?? 0), 0);
    if (count > 0) rejected[reason] = count;
  }
  const sum = (pick: (device: DeviceCounts) => number) =>
    counts.reduce((total, device) => total + pick(device), 0);
  return {
    received: sum((device) => device.received),
    accepted: sum((device) => device.accepted),
    rejected,
    partlyLate: sum((device) => device.partlyLate),
    conflicting: sum((device) => device.conflicting),
    devices: counts.filter((device) => device.device !== UNKNOWN_DEVICE).length,
  };
}

/** Reads the arrival time out of a JSON payload; NaN where it has none. */
function arrivalReader(pointer: string): (line: string | Uint8Array) => number {
  const find = compilePointer(pointer);
  return (line) => {
    if (typeof line !== "string") return Number.NaN;
    try {
      const value = find(JSON.parse(line));
      return typeof value === "number" ? Math.floor(value) : Number.NaN;
    } catch {
      return Number.NaN;
    }
  };
}

/** The event time of a payload's first reading, for sorting; the lowest there is when it has none. */
export function timeReader(profile: Profile, device: string | undefined): (line: string) => number {
  const decoder = profile.openStream();
  const captures = device === undefined ? {} : { device };
  let found = Number.NEGATIVE_INFINITY;
  const sink: ReadingSink = {
    reading(_device, timeMs) {
      if (found === Number.NEGATIVE_INFINITY && !Number.isNaN(timeMs)) found = timeMs;
    },
    reject() {},
  };
  return (line) => {
    found = Number.NEGATIVE_INFINITY;
    decoder.decode(line, { captures, topic: undefined, arrivalMs: Number.NaN }, sink);
    return found;
  };
}

/** @throws WeirError `bad-usage` when the profile cannot be replayed as asked */
export function checkReplayable(profile: Profile, arrivalPointer: string | undefined): void {
  if (arrivalPointer !== undefined) {
    if (profile.format !== "json") {
      throw new WeirError(
        "bad-usage",
        `--arrival is for JSON; the payloads of the profile ${profile.id} are ${profile.format}`,
        { hint: "leave it out, or name the column as the event time: time.from in a copy of the profile" },
      );
    }
    try {
      compilePointer(arrivalPointer);
    } catch (error) {
      throw new WeirError("bad-usage", `--arrival: ${messageOf(error)}`, {
        hint: "write it as /received",
        cause: error,
      });
    }
    return;
  }
  if (profile.hasEventTime) return;
  throw new WeirError(
    "bad-usage",
    `the profile ${profile.id} takes the arrival time, which a recording does not have`,
    {
      hint:
        profile.format === "json"
          ? "say where each payload carries it: --arrival /received --arrival-format epoch-ms"
          : "name the column or key that has the time: time.from in a copy of the profile",
    },
  );
}
