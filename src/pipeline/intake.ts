import { REPEATED } from "../model/block.js";
import type { Delivery } from "../model/delivery.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { PayloadContext, Profile } from "../model/profile.js";
import type { FieldValue, ReadingSink } from "../model/reading.js";
import type { RejectReason } from "../model/reasons.js";
import type { ArrivalClock } from "./arrival-clock.js";
import type { Committer } from "./committer.js";
import type { Refusals } from "./refusals.js";

/** Which profiles claim a topic, most specific first. */
export interface TopicRouter {
  route(topic: string): { readonly candidates: readonly Candidate[] } | undefined;
  /** Set where a device says on this topic whether it is there. */
  routeStatus(topic: string, payload: string): StatusNews | undefined;
}

export interface StatusNews {
  readonly profile: Profile;
  readonly captures: Readonly<Record<string, string>>;
  readonly status: string;
}

export interface Candidate {
  readonly profile: Profile;
  readonly captures: Readonly<Record<string, string>>;
}

export interface IntakeOptions {
  readonly committer: Committer;
  readonly arrivals: ArrivalClock;
  readonly observer: Observer;
  readonly refusals: Refusals;
}

const valueUnreadable = defineEvent<{
  readonly profile: string;
  readonly device: string;
  readonly field: string;
  readonly detail: string;
}>(
  "value-unreadable",
  "debug",
  "a value is not of its field's type; it counts as missing, the reading is kept",
);
const deviceStatus = defineEvent<{
  readonly profile: string;
  readonly device: string;
  readonly state: string;
}>("device-status", "info", "a device says whether it is there");

/** A status word is short; anything longer on such a topic is something else. */
const STATUS_BYTES_MAX = 64;
const NO_CAPTURES: Readonly<Record<string, string>> = {};
const IDENTITIES = 2 ** 53;

/**
 * Where payloads become readings of the block that is gathering. One call per payload, synchronous: route, decode,
 * put in, and remember to tell the source when the block is durable. A payload that nobody claims is confirmed at
 * once; one that cannot be decoded is counted and confirmed with the block, because sending it again would not help.
 */
export class IntakeStage {
  readonly #options: IntakeOptions;
  readonly #sink: BlockSink;
  /** One object serves all payloads that are routed: nobody keeps it. */
  readonly #context: Writable<PayloadContext> = { captures: NO_CAPTURES, topic: undefined, arrivalMs: 0 };
  #router: TopicRouter | undefined;
  #hashes: ReadonlySet<string> = new Set();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#sink = new BlockSink(options);
  }

  /** Changes over to other profiles; the engine has to know them from this moment on, and only them. */
  use(router: TopicRouter, profiles: readonly Profile[]): void {
    this.#router = router;
    this.#hashes = new Set(profiles.map(({ hash }) => hash));
  }

  readonly take = (delivery: Delivery): void => {
    const { arrivals, committer } = this.#options;
    // With nothing gathered there is nothing that a step could be late for.
    if (committer.isEmpty) arrivals.look();
    const arrivalMs = arrivals.stamp();
    const taken =
      delivery.stream === undefined ? this.#routed(delivery, arrivalMs) : this.#streamed(delivery, arrivalMs);
    if (!taken) {
      if (!this.#isStatus(delivery)) this.#options.refusals.unclaimed(delivery.source, delivery.topic);
      delivery.committed();
      return;
    }
    committer.builder.waiting.push(delivery.committed);
    committer.builder.bytes += delivery.payload.length;
    committer.added();
  };

  #routed(delivery: Delivery, arrivalMs: number): boolean {
    const { topic } = delivery;
    if (topic === undefined || this.#router === undefined) return false;
    const route = this.#router.route(topic);
    if (route === undefined) return false;
    const context = this.#context;
    context.topic = topic;
    context.arrivalMs = arrivalMs;
    for (const { profile, captures } of route.candidates) {
      this.#sink.begin(profile, delivery, arrivalMs);
      context.captures = captures;
      if (profile.decode(delivery.payload, context, this.#sink)) return true;
    }
    return false;
  }

  /** Whether a device says on this topic that it is there or not, and no reading. */
  #isStatus({ topic, payload }: Delivery): boolean {
    if (topic === undefined || payload.length > STATUS_BYTES_MAX) return false;
    const hit = this.#router?.routeStatus(topic, Buffer.from(payload).toString("latin1"));
    if (hit === undefined) return false;
    const device = hit.captures.device ?? topic;
    this.#options.observer.emit(deviceStatus, { profile: hit.profile.id, device, state: hit.status });
    return true;
  }

  #streamed(delivery: Delivery, arrivalMs: number): boolean {
    const stream = delivery.stream!;
    // A port that was opened under a definition that is no longer in force is about to be opened anew.
    if (!this.#hashes.has(stream.profile.hash)) return false;
    const context: PayloadContext = {
      captures: stream.device === "" ? NO_CAPTURES : { device: stream.device },
      topic: undefined,
      arrivalMs,
    };
    this.#sink.begin(stream.profile, delivery, arrivalMs);
    if (delivery.tooLarge === true) {
      this.#sink.reject(stream.device, "tooLarge", "a message longer than the framing allows");
      return true;
    }
    return stream.decoder.decode(delivery.payload, context, this.#sink);
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Puts decoded readings into the current block; one object serves all payloads, one after the other. */
class BlockSink implements ReadingSink {
  readonly #options: IntakeOptions;
  #profile: Profile | undefined;
  #retained = false;
  #delivery: Delivery | undefined;
  #row = 0;
  #arrivalMs = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  begin(profile: Profile, delivery: Delivery, arrivalMs: number): void {
    this.#profile = profile;
    this.#retained = delivery.retained;
    this.#delivery = delivery;
    this.#row = 0;
    this.#arrivalMs = arrivalMs;
  }

  reading(device: string, timeMs: number, values: FieldValue[], key: string | undefined): void {
    if (this.#retained && Number.isNaN(timeMs)) {
      this.reject(device, "retained", "a stored copy without an event time of its own");
      return;
    }
    const row = this.#row++;
    this.#options.committer.builder.add({
      profile: this.#profile!.hash,
      device,
      arrivalMs: this.#arrivalMs,
      timeMs,
      values,
      key,
      delivery: Number.isNaN(timeMs) ? this.#identityOf(row) : this.#delivery!.repeated ? REPEATED : 0,
    });
  }

  /** Every reading of a packet needs an identity of its own, the same one when the packet comes again. */
  #identityOf(row: number): number {
    const { identity } = this.#delivery!;
    if (identity === 0) return 0;
    const plain = (Math.abs(identity) + row) % IDENTITIES || 1;
    return identity < 0 ? -plain : plain;
  }

  unreadable(device: string, field: number, detail: string): void {
    const { id, fields } = this.#profile!;
    this.#options.observer.emit(valueUnreadable, { profile: id, device, field: fields[field]!.name, detail });
  }

  reject(device: string | undefined, reason: RejectReason, detail: string): void {
    const name = device ?? UNKNOWN_DEVICE;
    const profile = this.#profile!;
    this.#options.refusals.undecoded({ profile: profile.id, device: name, reason, detail });
    this.#options.committer.builder.reject(profile.hash, name, reason);
  }
}
