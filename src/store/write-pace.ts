import type { Clock, Timer, Timers } from "../model/clock.js";
import { defineEvent, type Observer } from "../model/log-event.js";

/**
 * How long the disk takes for a synced write, and a word when that has become so long that sources are held back.
 * A card that is busy with itself for a moment is no news: the figure is smoothed over some writes; but one write
 * that does not end is told while it lasts.
 */
export interface WritePaceOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observer: Observer;
}

const SLOW_MS = 200;
const WELL_MS = 100;
const STUCK_MS = 5_000;
/** What the newest write counts for. */
const SHARE = 1 / 4;

const storeSlow = defineEvent<{ readonly writeMs: number }>(
  "store-slow",
  "warn",
  "the disk is slow; acknowledgements wait for it, and sources are held back",
);
const storeFast = defineEvent<{ readonly writeMs: number }>(
  "store-fast",
  "info",
  "the disk is as fast again as it should be",
);

export class WritePace {
  readonly #options: WritePaceOptions;
  #smoothedMs = 0;
  #beganMs: number | undefined;
  #stuck: Timer | undefined;
  #slow = false;

  constructor(options: WritePaceOptions) {
    this.#options = options;
  }

  /** Milliseconds that a synced write takes at present: the smoothed figure, or what the one under way takes already. */
  get writeMs(): number {
    const { clock } = this.#options;
    const underWayMs = this.#beganMs === undefined ? 0 : clock.monotonicMs() - this.#beganMs;
    return Math.round(Math.max(this.#smoothedMs, underWayMs));
  }

  began(): void {
    this.#beganMs = this.#options.clock.monotonicMs();
    this.#stuck = this.#options.timers.after(STUCK_MS, () => this.#tell());
  }

  /** @param plain one that failed, or began with mending, says nothing about speed */
  ended({ plain }: { readonly plain: boolean }): void {
    this.#stuck?.cancel();
    const tookMs = this.#options.clock.monotonicMs() - this.#beganMs!;
    this.#beganMs = undefined;
    if (!plain) return;
    this.#smoothedMs += (tookMs - this.#smoothedMs) * SHARE;
    this.#tell();
  }

  #tell(): void {
    const { writeMs } = this;
    if (writeMs < (this.#slow ? WELL_MS : SLOW_MS)) {
      if (this.#slow) this.#options.observer.emit(storeFast, { writeMs });
      this.#slow = false;
    } else if (!this.#slow) {
      this.#slow = true;
      this.#options.observer.emit(storeSlow, { writeMs });
    }
  }
}
