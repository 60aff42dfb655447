import type { Timers } from "../model/clock.js";

export type Reason =
  | { readonly failed: false; readonly signal: string }
  | { readonly failed: true; readonly error: unknown };

/**
 * Work under way may wait for a disk that is full or slow; an end must not: the whole of it has five seconds, and what
 * is left of them is for committing. Right after a start that is little.
 */
const RELOAD_MS_MAX = 1_000;
const START_MS_MAX = 3_000;

/**
 * Why the agent ends, and the order of what comes before: the start, then reloads, one after the other, none after the
 * end has begun. So a signal that comes while the agent starts is heeded when it has.
 */
export class Ending {
  #end: (reason: Reason) => void = () => {};
  readonly reason = new Promise<Reason>((resolve) => {
    this.#end = resolve;
  });
  readonly #timers: Timers;
  #turn: Promise<void> = Promise.resolve();
  #starting = true;
  #ended = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Asking again changes nothing: the end is complete within five seconds anyway. */
  stop(signal: string): void {
    this.#ended = true;
    const end = () => this.#end({ failed: false, signal });
    this.#timers.after(this.#starting ? START_MS_MAX : RELOAD_MS_MAX, end);
    void this.#turn.then(end);
  }

  fail(error: unknown): void {
    this.#ended = true;
    this.#end({ failed: true, error });
  }

  start(work: () => Promise<void>): void {
    this.inTurn(async () => {
      await work();
      this.#starting = false;
    });
  }

  inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => {
      if (!this.#ended) await work();
    });
    this.#turn.catch((error: unknown) => this.fail(error));
  }
}
