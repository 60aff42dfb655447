import type { Firing } from "./summarise.js";

/**
 * How much of what is due with a device is done at a time. After a long silence, or when its definition changes, all
 * windows that wait for late readings may close at once, each with a summary and with slices that are to be read back.
 * What one share does depends on the device alone, so a replay, which passes over other devices, does the same.
 */
export class Share {
  readonly #on: Pick<Firing, "summaries" | "shareMax">;
  readonly #saidBefore: number;
  #steps = 0;

  constructor(on: Pick<Firing, "summaries" | "shareMax">) {
    this.#on = on;
    this.#saidBefore = on.summaries.length;
  }

  /** Notes that a window has fired, or that a slice has been let go. */
  spend(): void {
    this.#steps++;
  }

  /** How many summaries it has room for, at least one. */
  get room(): number {
    const { shareMax, summaries } = this.#on;
    return Math.max(1, shareMax - (summaries.length - this.#saidBefore));
  }

  /** By steps or, since a window says what is missing before it too, by summaries. */
  get isSpent(): boolean {
    const { shareMax, summaries } = this.#on;
    return this.#steps >= shareMax || summaries.length - this.#saidBefore >= shareMax;
  }
}
