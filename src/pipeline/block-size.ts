import { LIMITS } from "../model/limits.js";

/**
 * How many readings a block takes, so that the summaries which it causes are no more than about
 * `blockSummaryBytesMax`: they are in memory all at once, and the log has to have room for them. How many summaries a
 * reading causes is only known afterwards, from a few hundred readings for one to several for each; so the size grows
 * slowly, by blocks that were full, and shrinks at once.
 */
const FIRST = 1_024;
/** Syncing less at a time costs more than it bounds. */
const LEAST = 64;
const GROWTH = 1.25;

export class BlockSize {
  #readingsMax = FIRST;

  /** A block that has as many is full. */
  get readingsMax(): number {
    return this.#readingsMax;
  }

  /** @param summaryBytes what the summaries of a block with so many readings take of the log */
  learn(readings: number, summaryBytes: number): void {
    const fitting = (LIMITS.blockSummaryBytesMax / Math.max(1, summaryBytes)) * readings;
    // What few readings cause says little: they may have closed the windows of many others.
    if (readings < Math.min(LEAST, this.#readingsMax)) return;
    const full = readings >= this.#readingsMax;
    const next = Math.min(fitting, full ? this.#readingsMax * GROWTH : this.#readingsMax);
    this.#readingsMax = Math.round(Math.min(LIMITS.blockReadingsMax, Math.max(LEAST, next)));
  }
}
