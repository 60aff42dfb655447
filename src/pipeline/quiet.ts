import type { Clock, Timer, Timers } from "../model/clock.js";
import type { BlockBuilder } from "./block-builder.js";

/**
 * A block of this many readings is large: what its sync writes beside them is little for each, 32 bytes of a page of
 * 4 KiB, which is no more than at a thousand readings a second with the commits that the default budget allows.
 */
const LARGE_READINGS_MIN = 128;
/** Input is quiet when nothing has come for this part of the time that the block has gathered, and at least for this long. */
const QUIET_SHARE = 1 / 4;
const QUIET_MS_MIN = 1;
/** Of a large block: should its senders not have paused after all, what they send next is worth a sync, too. */
const LARGE_QUIET_MS_MIN = 0.2;

/** Whether a block may be cut when its input goes quiet, whatever the budget of syncs. */
export function isLarge({ readings }: Pick<BlockBuilder, "readings">): boolean {
  return readings >= LARGE_READINGS_MIN;
}

/** Sees that a block that gathers has stopped growing. */
export class QuietWatch {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #next: Timer | undefined;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  get isOn(): boolean {
    return this.#next !== undefined;
  }

  /** @param sinceMs when the block began to gather, on the monotonic clock */
  start(block: Pick<BlockBuilder, "readings">, sinceMs: number, quiet: () => void): void {
    const { readings } = block;
    const ageMs = this.#clock.monotonicMs() - sinceMs;
    const leastMs = isLarge(block) ? LARGE_QUIET_MS_MIN : QUIET_MS_MIN;
    this.#next = this.#timers.after(Math.max(leastMs, ageMs * QUIET_SHARE), () => {
      if (block.readings === readings) quiet();
      else this.start(block, sinceMs, quiet);
    });
  }

  stop(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }
}
