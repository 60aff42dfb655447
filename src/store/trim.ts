import { defineEvent, type Observer } from "../model/log-event.js";
import { Coarsener, type Coarsening } from "./coarsen.js";
import type { StoredCursors } from "./cursors.js";
import type { Loss } from "./log-book.js";
import { entryBytes, type StoredSummaryLog } from "./summary-log.js";

/**
 * Keeping the log within its bound. When it has grown over: the oldest entries that every configured target has
 * confirmed go; if that is not enough, unsent ones are brought together (coarsen.ts); only if that is not enough
 * either, the oldest go, counted and with an alarm.
 */
export interface TrimmerOptions {
  readonly log: StoredSummaryLog;
  readonly cursors: StoredCursors;
  readonly observer: Observer;
  /** Without it nothing is brought together. */
  readonly coarsening: Coarsening | undefined;
}

const logUnsentDropped = defineEvent<{ readonly entries: number; readonly through: number }>(
  "log-unsent-dropped",
  "error",
  "the summary log is full, and nothing in it can be made coarser; the oldest summaries were dropped before every target had them",
);

/** How far below the bound making room goes, so that not every commit has to. */
const TRIM_TO = 0.9;
/** Where it costs summaries it goes no further than it must. */
const DROP_TO = 0.95;
const DROP_ENTRIES_MAX = 2_000;
/** Merging may be slower than what comes, and the log has to stay within bounds all the same. */
const PASSES_MAX = 10;

export class LogTrimmer {
  readonly #log: StoredSummaryLog;
  readonly #cursors: StoredCursors;
  readonly #observer: Observer;
  readonly #coarsener: Coarsener | undefined;

  constructor({ log, cursors, observer, coarsening }: TrimmerOptions) {
    this.#log = log;
    this.#cursors = cursors;
    this.#observer = observer;
    if (coarsening !== undefined) this.#coarsener = new Coarsener({ log, cursors, observer, coarsening });
  }

  /**
   * Makes room when the log is over its bound; one call at a time.
   * @param targets those that are configured, whose confirmation counts
   */
  async trim(targets: () => readonly string[]): Promise<void> {
    const { bytesMax } = this.#log;
    if (this.#log.bytes <= bytesMax) return;
    const confirmed = () => this.#cursors.confirmedBy(targets()) ?? this.#log.head();
    await this.#drop(confirmed, bytesMax * TRIM_TO, () => []);
    if (this.#log.bytes <= bytesMax) return;
    // A pass does not look at what comes while it runs: that has its turn before anything is dropped.
    let looked = -1;
    for (let pass = 0; pass < PASSES_MAX && looked < this.#log.head(); pass++) {
      looked = this.#log.head();
      await this.#coarsener?.coarsen(bytesMax * TRIM_TO);
      if (this.#log.bytes <= bytesMax) return;
    }
    await this.#drop(
      () => this.#log.head(),
      bytesMax * DROP_TO,
      (positions) => this.#lossesOf(positions, targets()),
    );
  }

  /** Drops the oldest, up to `through`, until the log is down to `goalBytes`. */
  async #drop(
    through: () => number,
    goalBytes: number,
    lossesOf: (positions: readonly number[]) => readonly Loss[],
  ): Promise<void> {
    while (this.#log.bytes > goalBytes) {
      const excess = this.#log.bytes - goalBytes;
      const removed: { readonly position: number; readonly bytes: number }[] = [];
      const limit = through();
      let freed = 0;
      for await (const [position, value] of this.#log.records(this.#log.tail() - 1)) {
        if (position > limit || removed.length >= DROP_ENTRIES_MAX || freed >= excess) break;
        const bytes = entryBytes(value);
        removed.push({ position, bytes });
        freed += bytes;
      }
      const last = removed.at(-1)?.position;
      if (last === undefined) return;
      const losses = lossesOf(removed.map(({ position }) => position));
      await this.#log.rewrite({ removed, put: [], tail: last + 1, losses });
      const entries = losses.reduce((sum, loss) => sum + loss.entries, 0);
      if (entries > 0) this.#observer.emit(logUnsentDropped, { entries, through: last });
    }
  }

  /** Divided where a target's cursor stands, so that each can tell what it has lost. */
  #lossesOf(positions: readonly number[], targets: readonly string[]): readonly Loss[] {
    const cursors = targets.map((target) => this.#cursors.confirmedBy([target])!).sort((a, b) => a - b);
    const [least] = cursors;
    if (least === undefined) return [];
    const losses: { first: number; last: number; entries: number; cursors: number }[] = [];
    for (const position of positions) {
      if (position <= least) continue;
      const passed = cursors.filter((cursor) => cursor < position).length;
      const loss = losses.at(-1);
      if (loss === undefined || loss.cursors !== passed) {
        losses.push({ first: position, last: position, entries: 1, cursors: passed });
      } else {
        loss.last = position;
        loss.entries++;
      }
    }
    return losses.map(({ first, last, entries }) => ({ first, last, entries }));
  }
}
