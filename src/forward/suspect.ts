/**
 * The summary that connections end over. A broker ends a connection at a packet beyond its limit (Mosquitto:
 * `max_packet_size`), and in MQTT 3.1.1 it cannot say why; so the same summary would end the next one, for ever.
 *
 * That a connection ended while a summary was on its way proves nothing: networks reset, brokers restart, and an
 * account that may not publish to a topic is thrown out in the same way. Nothing that an operator can put right, and
 * nothing that passes, may cost a summary. So two witnesses are needed before one is passed over:
 *
 * - Connections have ended `ENDS_TO_ASK` times in a row with this summary as the first one that was not acknowledged,
 *   sent alone, after the retained status had been acknowledged on the same connection.
 * - The broker itself, asked in MQTT 5 (`mqtt/stated-limit.ts`), says that it takes no packets of this length.
 *
 * What the broker said counts for what is sent on the next connection only, and for `LIMIT_MS` at most: it may be
 * configured anew. Without the second witness the summary waits, and all behind it, and that is said loudly.
 */
import type { Timer, Timers } from "../model/clock.js";
import { defineEvent, type Observer } from "../model/log-event.js";

/** A summary as it is sent. */
export interface Suspicious {
  readonly position: number;
  readonly id: string;
  /** Length of the whole packet. */
  readonly bytes: number;
}

export interface SuspectOptions {
  readonly target: string;
  readonly timers: Timers;
  readonly observer: Observer;
  /** Has the broker asked for its limit before the next session; `limitStated` gets the answer. */
  readonly ask: () => void;
}

export const summaryStuck = defineEvent<{
  readonly target: string;
  readonly summary: string;
  readonly bytes: number;
  readonly times: number;
  readonly hint: string;
}>(
  "summary-stuck",
  "error",
  "connections keep ending while the same summary is sent; it is not passed over, so it and all behind it wait",
);

export const packetLimitStated = defineEvent<{
  readonly target: string;
  readonly bytes: number;
}>(
  "packet-limit-stated",
  "warn",
  "the broker ends connections over longer packets, and says that it takes none; longer summaries are passed over",
);

const ENDS_TO_ASK = 3;
/** Twice as many each time, so that the log is not filled. */
const ENDS_TO_TELL = 5;
const LIMIT_MS = 600_000;

export class Suspect {
  readonly #options: SuspectOptions;
  #summary: Suspicious | undefined;
  #times = 0;
  #tellAt = ENDS_TO_TELL;
  #limitBytes: number | undefined;
  #limitTimer: Timer | undefined;

  constructor(options: SuspectOptions) {
    this.#options = options;
  }

  /** Position of the summary that the last connection ended over; undefined where there is none. */
  get position(): number | undefined {
    return this.#summary?.position;
  }

  /** The longest packet that the broker takes, as far as that is proven. */
  get limitBytes(): number {
    return this.#limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** For the status, where it has lasted for a while. */
  get detail(): string | undefined {
    if (this.#summary === undefined || this.#times < ENDS_TO_TELL) return undefined;
    const { id, bytes } = this.#summary;
    return `${this.#times} connections in a row have ended while ${id} (a packet of ${bytes} bytes) was sent`;
  }

  /** What to do about it, as long as the broker's limit is not known. */
  get hint(): string | undefined {
    if (this.#summary === undefined || this.#times < ENDS_TO_TELL) return undefined;
    const { bytes } = this.#summary;
    return `look at the broker's log; where its limit of a packet is below ${bytes} bytes, raise that, or set packetBytesMax of the target to it, and longer summaries are passed over`;
  }

  /** A connection has ended, and this was the first summary that was not acknowledged on it. */
  ended(summary: Suspicious): void {
    if (summary.position !== this.#summary?.position) this.clear();
    this.#summary = summary;
    this.#times++;
    if (this.#times % ENDS_TO_ASK === 0) this.#options.ask();
    if (this.#times < this.#tellAt) return;
    this.#tellAt *= 2;
    const { target, observer } = this.#options;
    const { id, bytes } = summary;
    observer.emit(summaryStuck, { target, summary: id, bytes, times: this.#times, hint: this.hint ?? "" });
  }

  /** It was acknowledged, or is not sent any more. */
  clear(): void {
    this.#summary = undefined;
    this.#times = 0;
    this.#tellAt = ENDS_TO_TELL;
  }

  /** The broker's answer; it is no witness where the summary is within the limit. */
  limitStated(bytes: number | undefined): void {
    if (bytes === undefined || this.#summary === undefined || this.#summary.bytes <= bytes) return;
    const { target, timers, observer } = this.#options;
    this.#limitBytes = bytes;
    this.#limitTimer = timers.after(LIMIT_MS, () => this.forgetLimit());
    observer.emit(packetLimitStated, { target, bytes });
  }

  /** The connection that it was asked for is over: the next one may be to a broker that takes more. */
  forgetLimit(): void {
    this.#limitBytes = undefined;
    this.#limitTimer?.cancel();
  }
}
