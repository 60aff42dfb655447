import { counted, countsOf, type DeviceCounts } from "../engine/counts.js";
import type { Engine } from "../engine/engine.js";
import type { RefusedDevice } from "../engine/refused.js";
import type { ResidencyWatch } from "../engine/residency.js";
import type { Clock, Timer, Timers } from "../model/clock.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { RejectReason } from "../model/reasons.js";

/**
 * Says in the log what is acknowledged and not kept: the first of each kind at once, or within `LOOK_EVERY_MS` where the
 * engine refuses it, and no more than one line of a kind in `SAY_EVERY_MS`, with the number of those since the last.
 *
 * A kind is a topic that no profile claims, or a reason for which readings of a device are refused. Both come from
 * outside, so no more than `KINDS_MAX` are told apart; others are not said until one of those is an hour old. What is
 * not said is counted all the same: readings by device and reason for ever, payloads that nobody claims by source since
 * the start of the process.
 */
const payloadUnmatched = defineEvent<{ readonly source: string }>(
  "payload-unmatched",
  "debug",
  "no profile claims a payload; it is acknowledged and not kept",
);
const topicUnclaimed = defineEvent<{
  readonly source: string;
  readonly topic: string;
  readonly count: number;
}>("topic-unclaimed", "warn", "no profile claims what comes on this topic; it is acknowledged and not kept");
const readingRejected = defineEvent<{
  readonly profile: string;
  readonly device: string;
  readonly reason: string;
  readonly detail: string;
}>("reading-rejected", "debug", "a reading could not be decoded");
const readingsRefused = defineEvent<{
  readonly profile: string;
  readonly device: string;
  readonly reason: string;
  readonly detail?: string;
  readonly count: number;
}>("readings-refused", "warn", "readings are acknowledged and counted under this reason, and not kept");
const deviceRefused = defineEvent<{
  readonly profile: string;
  readonly device: string;
  readonly count: number;
}>(
  "device-refused",
  "warn",
  "there are as many devices as limits.devices allows; this one is refused, its readings acknowledged and not kept",
);

const SAY_EVERY_MS = 3_600_000;
const LOOK_EVERY_MS = 10_000;
const KINDS_MAX = 1_024;
const TOPIC_CHARACTERS_MAX = 256;

/** For these the engine refuses. Duplicates, stored copies and what a rule of the profile drops are as it should be. */
const TOLD_OF_ENGINE = ["future", "past", "late", "empty", "outOfRange", "overLimit", "clockUnset"] as const;

export interface RefusalsOptions {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timers: Timers;
  readonly observer: Observer;
}

/** Of the engine, what is looked at here. */
export type Refusing = Pick<Engine, "counts"> & {
  readonly refused: { all(): readonly RefusedDevice[] };
  readonly residency: { watch: ResidencyWatch | undefined };
};

interface Kind {
  saidMs: number;
  /** Since it was said. */
  count: number;
}

export class Refusals {
  readonly #options: RefusalsOptions;
  /** The one that was said longest ago comes first. */
  readonly #kinds = new Map<string, Kind>();
  /** What of each device has been looked at, by reason. */
  readonly #seen = new Map<string, readonly number[]>();
  /** Readings of devices for which there was no room, as of the last look. */
  readonly #refused = new Map<string, number>();
  #timer: Timer | undefined;
  #lookAtAll: () => void = () => undefined;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** Looks at what the engine refuses, from now on. */
  start(engine: Refusing): void {
    const present = () => engine.counts(0);
    this.#note(present());
    // What a device brings along from the store was looked at when it left, or by an earlier process.
    engine.residency.watch = {
      left: (device) => {
        const counts = countsOf(counted(device));
        this.#look([counts]);
        this.#seen.delete(seenKey(counts));
      },
      cameBack: (device) => this.#note([countsOf(counted(device))]),
    };
    this.#lookAtAll = () => {
      this.#look(present());
      // Also of devices that the journal tells of: a crash may have come before their names were said, and nothing keeps them.
      for (const of of engine.refused.all()) this.#lookAtRefused(of);
    };
    this.#timer = this.#options.timers.every(LOOK_EVERY_MS, this.#lookAtAll);
  }

  /** Says what there is to say yet. */
  stop(): void {
    this.#timer?.cancel();
    this.#lookAtAll();
  }

  unclaimed(source: string, topic: string | undefined): void {
    const { observer } = this.#options;
    observer.emit(payloadUnmatched, { source });
    if (topic === undefined) return;
    const shown = topic.slice(0, TOPIC_CHARACTERS_MAX);
    this.#say(`t ${source} ${shown}`, 1, (count) =>
      observer.emit(topicUnclaimed, { source, topic: shown, count }),
    );
  }

  undecoded(of: {
    readonly profile: string;
    readonly device: string;
    readonly reason: RejectReason;
    readonly detail: string;
  }): void {
    const { observer } = this.#options;
    observer.emit(readingRejected, of);
    if (of.reason === "retained") return;
    this.#say(keyOf(of), 1, (count) => observer.emit(readingsRefused, { ...of, count }));
  }

  #look(counts: readonly DeviceCounts[]): void {
    const { observer } = this.#options;
    for (const each of counts) {
      const { profile, device, rejected } = each;
      const seen = this.#seen.get(seenKey(each));
      TOLD_OF_ENGINE.forEach((reason, index) => {
        const more = (rejected[reason] ?? 0) - (seen?.[index] ?? 0);
        if (more <= 0) return;
        const of = { profile, device, reason };
        this.#say(keyOf(of), more, (count) => observer.emit(readingsRefused, { ...of, count }));
      });
    }
    this.#note(counts);
  }

  /** Only of those devices of which something was refused. */
  #note(counts: readonly DeviceCounts[]): void {
    for (const of of counts) {
      const each = TOLD_OF_ENGINE.map((reason) => of.rejected[reason] ?? 0);
      if (each.some((count) => count > 0)) this.#seen.set(seenKey(of), each);
    }
  }

  #lookAtRefused({ profile, device, readings }: RefusedDevice): void {
    const key = `${profile} ${device}`;
    const more = readings - (this.#refused.get(key) ?? 0);
    this.#refused.set(key, readings);
    if (more <= 0) return;
    this.#say(`d ${key}`, more, (count) =>
      this.#options.observer.emit(deviceRefused, { profile, device, count }),
    );
  }

  #say(key: string, more: number, say: (count: number) => void): void {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#kinds.get(key);
    if (known !== undefined && nowMs - known.saidMs < SAY_EVERY_MS) {
      known.count += more;
      return;
    }
    if (known === undefined && !this.#makeRoom(nowMs)) return;
    this.#kinds.delete(key);
    this.#kinds.set(key, { saidMs: nowMs, count: 0 });
    say((known?.count ?? 0) + more);
  }

  #makeRoom(nowMs: number): boolean {
    if (this.#kinds.size < KINDS_MAX) return true;
    const [key, { saidMs }] = this.#kinds.entries().next().value!;
    if (nowMs - saidMs < SAY_EVERY_MS) return false;
    return this.#kinds.delete(key);
  }
}

function keyOf({ profile, device, reason }: { readonly [K in "profile" | "device" | "reason"]: string }) {
  return `r ${profile} ${reason} ${device}`;
}

function seenKey({ profile, device }: DeviceCounts): string {
  return `${profile} ${device}`;
}
