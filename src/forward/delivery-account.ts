import { Backoff, type BackoffOptions } from "../model/backoff.js";
import type { Clock, Random } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import type { Observer } from "../model/log-event.js";
import type { LogEntry } from "../model/summary.js";
import {
  forwardDropped,
  forwardFailed,
  forwardRecovered,
  forwardRetry,
  forwardSetAside,
  TARGET_AWAY,
} from "./events.js";

/** What became of the summaries of one target since the start of the process, and how it goes at present. */
export interface DeliveryCounts {
  readonly deliveredEntries: number;
  /** Given up or lost by the log before this target confirmed them. */
  readonly droppedEntries: number;
  /** Passed over as undeliverable. */
  readonly setAsideEntries: number;
  /** Failures since the last success. */
  readonly failures: number;
  /** Wall clock in milliseconds since the epoch. */
  readonly lastSuccessMs?: number;
  readonly lastError?: { readonly code: string; readonly message: string; readonly atMs: number };
}

export interface DeliveryAccountOptions {
  readonly target: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  readonly backoff: BackoffOptions;
}

/** Counts and tells what the forwarder of one target comes upon, and says how long a failure has to wait. */
export class DeliveryAccount {
  readonly #options: DeliveryAccountOptions;
  readonly #backoff: Backoff;
  /** `forwardFailed` was said, and `forwardRecovered` not yet. */
  #warned = false;
  #delivered = 0;
  #dropped = 0;
  #setAside = 0;
  #lastSuccessMs: number | undefined;
  #lastError: DeliveryCounts["lastError"];

  constructor(options: DeliveryAccountOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff, options.random);
  }

  get counts(): DeliveryCounts {
    return {
      deliveredEntries: this.#delivered,
      droppedEntries: this.#dropped,
      setAsideEntries: this.#setAside,
      failures: this.#backoff.failures,
      ...(this.#lastSuccessMs === undefined ? {} : { lastSuccessMs: this.#lastSuccessMs }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  delivered(entries: number): void {
    this.#delivered += entries;
    this.#lastSuccessMs = this.#options.clock.wallMs();
  }

  /** Entries that cannot be read, among those that were delivered; the log has told of each. */
  damaged(entries: number): void {
    this.#dropped += entries;
  }

  /** @param entries lost among the positions from `first` to `last` */
  dropped(first: number, last: number, entries: number): void {
    if (entries === 0) return;
    this.#dropped += entries;
    this.#options.observer.emit(forwardDropped, { target: this.#options.target, first, last, entries });
  }

  setAside(entry: LogEntry, error: WeirError): void {
    this.#setAside++;
    this.#remember(error.code, error.message);
    this.#options.observer.emit(forwardSetAside, {
      target: this.#options.target,
      position: entry.position,
      code: error.code,
      error: error.message,
      hint: error.hint,
    });
  }

  recovered(): void {
    const { failures } = this.#backoff;
    this.#backoff.reset();
    if (!this.#warned) return;
    this.#warned = false;
    this.#options.observer.emit(forwardRecovered, { target: this.#options.target, failures });
  }

  /** @returns how long to wait, milliseconds */
  failed(thrown: unknown): number {
    const { observer, target } = this.#options;
    const code = thrown instanceof WeirError ? thrown.code : "unexpected";
    const error = messageOf(thrown);
    const delayMs = this.#backoff.nextMs();
    const { failures } = this.#backoff;
    this.#remember(code, error);
    if (!this.#warned && code !== TARGET_AWAY) {
      this.#warned = true;
      const hint = thrown instanceof WeirError ? thrown.hint : undefined;
      observer.emit(forwardFailed, { target, code, error, hint, delayMs });
    } else {
      observer.emit(forwardRetry, { target, code, error, failures, delayMs });
    }
    return delayMs;
  }

  #remember(code: string, message: string): void {
    this.#lastError = { code, message, atMs: this.#options.clock.wallMs() };
  }
}
