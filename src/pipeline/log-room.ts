import type { Clock } from "../model/clock.js";
import { LIMITS } from "../model/limits.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { StoredSummaryLog } from "../store/summary-log.js";

/**
 * Room in the summary log, before a block causes more summaries. Making room (store/trim.ts) begins when the log is
 * over its bound and goes on beside the commits, who notice nothing of it as long as it keeps up. Under a flood it does
 * not; so behind a head room the next block waits until the log is within its bound again. Then nothing is
 * acknowledged, and the sources are pushed back.
 *
 * Nobody waits for ever: a round of making room that has ended without success, because the store cannot be read for
 * example, lets the next block through, and a write that cannot be done waits by itself.
 */
export interface LogRoomOptions {
  readonly log: Pick<StoredSummaryLog, "bytes" | "bytesMax" | "onAppend" | "onRewrite">;
  /** Makes room, and drops the oldest where nothing else helps. */
  readonly trim: () => Promise<void>;
  readonly onFailed: (error: unknown) => void;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** No wait for so long is the end of the flood. */
const QUIET_MS = 60_000;

const logRoomWait = defineEvent<{ readonly logBytes: number; readonly logBytesMax: number }>(
  "log-room-wait",
  "warn",
  "the summary log is full, and room in it is made more slowly than summaries come; acknowledgements wait for it, and sources are held back",
);

/** What the log takes at most, but for the summaries of one block. @param bytesMax `store.logBytesMax` */
export function logBytesWithHeadRoom(bytesMax: number): number {
  return bytesMax * (1 + LIMITS.logHeadRoomShare);
}

export class LogRoom {
  readonly #options: LogRoomOptions;
  #trimming: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #beganMs: number | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #waitedMs = 0;

  constructor(options: LogRoomOptions) {
    this.#options = options;
  }

  start(): void {
    const { log } = this.#options;
    log.onAppend(() => this.#look());
    log.onRewrite(() => {
      if (log.bytes <= log.bytesMax) this.release();
    });
    this.#look();
  }

  /** Whether a block has to wait. */
  get lacking(): boolean {
    const { bytes, bytesMax } = this.#options.log;
    return bytes > logBytesWithHeadRoom(bytesMax);
  }

  /** How long the block that waits has waited; 0 when none does. */
  get waitingMs(): number {
    return this.#beganMs === undefined ? 0 : this.#options.clock.monotonicMs() - this.#beganMs;
  }

  /** How long blocks have waited in all, in this life. */
  get waitedMs(): number {
    return this.#waitedMs + this.waitingMs;
  }

  /** Resolves when there is room, when there will be none, or when nobody is to wait any more. One caller at a time. */
  async made(): Promise<void> {
    const { clock, log, observer } = this.#options;
    this.#beganMs = clock.monotonicMs();
    if (this.#beganMs - this.#endedMs > QUIET_MS) {
      observer.emit(logRoomWait, { logBytes: log.bytes, logBytesMax: log.bytesMax });
    }
    const released = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([this.#trim(), released]);
    this.#wake = undefined;
    this.#waitedMs += this.waitingMs;
    this.#beganMs = undefined;
    this.#endedMs = clock.monotonicMs();
  }

  /** Lets whoever waits go on. */
  release(): void {
    this.#wake?.();
  }

  #look(): void {
    const { bytes, bytesMax } = this.#options.log;
    if (bytes > bytesMax) void this.#trim();
  }

  #trim(): Promise<void> {
    this.#trimming ??= this.#options
      .trim()
      .catch(this.#options.onFailed)
      .finally(() => {
        this.#trimming = undefined;
      });
    return this.#trimming;
  }
}
