import type { Disk, DiskUsage, KeyValueIterator, KeyValues, Operation, Range } from "../../src/store/disk.js";

/**
 * A disk in memory: a sorted map that outlives the stores over it. Whatever is asked of it is answered some turns of the
 * microtask queue later, by choice of the test, so that what runs beside each other interleaves differently every
 * time. It can die before or after any batch, as the process over it would: from then on nothing is answered.
 */
export class MemoryDisk implements Disk {
  readonly path = "memory";
  readonly entries = new Map<string, Uint8Array>();
  /** Batches until it dies; the last one is in when `diesAfter`, else it is not. */
  batchesLeft = Number.POSITIVE_INFINITY;
  diesAfter = true;
  dead = false;
  readonly #turns: () => number;
  /** Of the entries; undefined when they have to be sorted again. */
  #sorted: string[] | undefined;
  #stalled: Promise<void> | undefined;
  #goOn = (): void => undefined;

  /** @param turns how long the next answer takes */
  constructor(turns: () => number = () => 1) {
    this.#turns = turns;
  }

  /** No batch gets through any more, until `goOn`. */
  stall(): void {
    this.#stalled ??= new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  goOn(): void {
    this.#stalled = undefined;
    this.#goOn();
  }

  /** For the next life. */
  revive(): void {
    this.dead = false;
    this.goOn();
    this.batchesLeft = Number.POSITIVE_INFINITY;
  }

  async open(): Promise<KeyValues> {
    return {
      batch: (operations) => this.#batch(operations),
      get: (key) => this.#answer(() => this.entries.get(key)),
      getSync: (key) => this.entries.get(key),
      keys: (range) => this.#answer(() => this.#keys(range)),
      iterate: (range) => this.#iterate(range),
      compact: () => this.#answer(() => undefined),
      close: async () => {},
    };
  }

  async #batch(operations: readonly Operation[]): Promise<void> {
    await this.#answer(() => undefined);
    while (this.#stalled !== undefined) await this.#stalled;
    this.batchesLeft--;
    if (this.batchesLeft <= 0 && !this.diesAfter) this.dead = true;
    await this.#answer(() => undefined);
    this.#sorted = undefined;
    for (const operation of operations) {
      if (operation.type === "put") this.entries.set(operation.key, operation.value);
      else this.entries.delete(operation.key);
    }
    if (this.batchesLeft <= 0) this.dead = true;
    await this.#answer(() => undefined);
  }

  async #answer<T>(what: () => T): Promise<T> {
    for (let turns = this.#turns(); turns > 0; turns--) await undefined;
    if (this.dead) await new Promise(() => {});
    return what();
  }

  #keys({ gt, gte, lt, limit, reverse }: Range): string[] {
    this.#sorted ??= [...this.entries.keys()].sort();
    const sorted = this.#sorted;
    const from =
      gte === undefined
        ? firstWhere(sorted, (key) => gt === undefined || key > gt)
        : firstWhere(sorted, (key) => key >= gte);
    const keys = sorted.slice(from, lt === undefined ? undefined : firstWhere(sorted, (key) => key >= lt));
    if (reverse === true) keys.reverse();
    return keys.slice(0, limit);
  }

  #iterate(range: Range): KeyValueIterator {
    let view: [string, Uint8Array][] | undefined;
    return {
      next: (entriesMax) =>
        this.#answer(() => {
          view ??= this.#keys(range).map((key) => [key, this.entries.get(key)!]);
          return view.splice(0, Math.min(entriesMax, 20));
        }),
      close: async () => {},
    };
  }

  async losses(): Promise<readonly []> {
    return [];
  }

  async setAside(): Promise<string> {
    throw new Error("a store in memory was found damaged");
  }

  async leftBehind(): Promise<undefined> {}

  async openLeftBehind(): Promise<KeyValues> {
    throw new Error("nothing was left behind");
  }

  async forgetLeftBehind(): Promise<void> {}

  async usage(): Promise<DiskUsage> {
    return { databaseBytes: 0, notesBytes: 0, setAside: 0, setAsideBytes: 0 };
  }

  async isThere(): Promise<boolean> {
    return true;
  }

  async takesWrites(): Promise<void> {}

  async reserve(): Promise<boolean> {
    return true;
  }

  async giveUpReserve(): Promise<void> {}
}

/** Index of the first key of which it is true; it is of all that follow. */
function firstWhere(keys: readonly string[], isTrue: (key: string) => boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isTrue(keys[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
