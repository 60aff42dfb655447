import type { Clock } from "../model/clock.js";

/**
 * Processing time, by which devices are silent: milliseconds that the agent has been running and listening, summed over
 * all its lives.
 *
 * It stands still while commits keep readings waiting, and while the whole process does: stopped by a signal, frozen with its
 * container, or starved of the processor. What was sent meanwhile lies in the sockets, and is read only after the timer
 * that would take it for silence.
 */

/** What a commit takes on a card in good health. Only longer ones push back so that devices may seem silent. */
const COMMIT_MS_NORMAL = 50;

export class ProcessingClock {
  readonly #clock: Clock;
  readonly #everyMs: number;
  #ms: number;
  #lookedMs: number;

  /**
   * @param from where it stood when the last life of the agent ended
   * @param everyMs how often `advance` is called at least, by a timer
   */
  constructor(clock: Clock, options: { readonly from: number; readonly everyMs: number }) {
    this.#clock = clock;
    this.#everyMs = options.everyMs;
    this.#ms = options.from;
    this.#lookedMs = clock.monotonicMs();
  }

  /** @returns the time by now */
  advance(): number {
    const nowMs = this.#clock.monotonicMs();
    const passedMs = Math.max(0, Math.round(nowMs - this.#lookedMs));
    this.#ms += passedMs > 2 * this.#everyMs ? this.#everyMs : passedMs;
    this.#lookedMs = nowMs;
    return this.#ms;
  }

  /** That what has passed since `advance` was time in which something kept the readings waiting. */
  leaveOutWait(): void {
    const tookMs = this.#clock.monotonicMs() - this.#lookedMs;
    this.#lookedMs += Math.max(0, tookMs - COMMIT_MS_NORMAL);
  }
}
