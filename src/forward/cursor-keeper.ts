import type { Timers } from "../model/clock.js";
import type { Cursor, Cursors } from "../model/summary-log.js";

/**
 * The cursor of one target as it is in the store, and the saves of it. A store that cannot be written answers no save
 * until it can; so a save may be left to itself after a while. Then no other is begun before it is through.
 */
export class CursorKeeper {
  readonly #options: CursorKeeperOptions;
  #saved: Cursor = { confirmed: 0, reserved: 0 };
  /** Saves that were begun, oldest first, and are not known to be durable: the log counts on them all the same. */
  #begun: readonly Cursor[] = [];
  #late = false;

  constructor(options: CursorKeeperOptions) {
    this.#options = options;
  }

  /** What is durable. */
  get saved(): Cursor {
    return this.#saved;
  }

  /** Up to where entries may be handed to the target. */
  get reserved(): number {
    return Math.min(this.#saved.reserved, ...this.#begun.map(({ reserved }) => reserved));
  }

  /** Whether a save that was left to itself is not through yet. */
  get late(): boolean {
    return this.#late;
  }

  async load(): Promise<Cursor | undefined> {
    const { cursors, target } = this.#options;
    const found = await cursors.load(target);
    if (found !== undefined) this.#saved = found;
    return found;
  }

  /** Durable when it resolves; what it gives back is given back at once. */
  async save(cursor: Cursor): Promise<void> {
    // The log may merge what is no longer reserved from here on, however long the save takes.
    const { confirmed, reserved } = this.#saved;
    this.#saved = { confirmed, reserved: Math.min(reserved, cursor.reserved) };
    this.#begun = [...this.#begun, cursor];
    await this.#options.cursors.save(this.#options.target, cursor);
    // One that failed before is overtaken.
    this.#begun = this.#begun.slice(this.#begun.indexOf(cursor) + 1);
    this.#saved = cursor;
  }

  /** Waits for it no longer than a moment; does nothing while an earlier one is late. */
  async saveInTime(cursor: Cursor): Promise<void> {
    if (this.#late) return;
    const saving = this.save(cursor);
    if (await endsWithin(saving, SAVE_MS_MAX, this.#options.timers)) return;
    this.#late = true;
    // One that fails after all is made up for by the next: `saved` has not moved.
    void saving
      .catch(() => {})
      .then(() => {
        this.#late = false;
        this.#options.onLateEnd();
      });
  }
}

export interface CursorKeeperOptions {
  readonly target: string;
  readonly cursors: Cursors;
  readonly timers: Timers;
  /** A late save is through, or has failed. */
  readonly onLateEnd: () => void;
}

/** How long a delivery waits for its cursor to be written. */
const SAVE_MS_MAX = 1_000;

/** @returns false when the work has not ended by then; rejects when it does */
export function endsWithin(work: Promise<void>, ms: number, timers: Timers): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(ms, () => resolve(false));
    work
      .finally(() => timer.cancel())
      .then(
        () => resolve(true),
        (error: unknown) => reject(error),
      );
  });
}
