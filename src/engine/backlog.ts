import { type Accumulator, BATCH_MAX, type Cells } from "../aggregate/cells.js";
import type { FieldValue } from "../model/reading.js";
import { DoubleHeap, type Row } from "./double-heap.js";

/**
 * Values of a slice that wait to be added to its accumulators in one go (`Accumulator.addAll`), a row for each reading.
 *
 * What an accumulator has beside its cells lies elsewhere in memory, and for a thousand devices in turn it is never in
 * the cache. So readings leave their values here, one behind the other, and only what looks at the cells, or a backlog
 * that is full, has them added. A slice of few readings needs no more than that until its window fires.
 */
export interface Backlog extends Row {
  /** Readings in it. */
  count: number;
  /** How many it has room for. */
  capacity: number;
}

export const NO_BACKLOG: Backlog = Object.freeze({
  numbers: new Float64Array(0),
  base: 0,
  count: 0,
  capacity: 0,
});

/** A field of whose values some accumulators take many in one go. */
export interface BatchField {
  readonly field: number;
  readonly slots: readonly BatchSlot[];
}

export interface BatchSlot {
  readonly accumulator: Accumulator & Required<Pick<Accumulator, "addAll">>;
  /** First cell. */
  readonly at: number;
}

export function takesMany(slot: { readonly accumulator: Accumulator }): slot is BatchSlot {
  return slot.accumulator.addAll !== undefined;
}

/** A slice, as far as its backlog goes. */
interface Lagging {
  readonly cells: Cells;
  backlog: Backlog;
}

/** Where slices of one layout have their backlogs. */
export class Backlogs {
  readonly #fields: readonly BatchField[];
  readonly #heap: DoubleHeap;
  /** Readings that the last one had: the next one is likely to have as many. */
  #usual = 0;

  constructor(fields: readonly BatchField[], heap: DoubleHeap) {
    this.#fields = fields;
    this.#heap = heap;
  }

  /** Leaves the values of a reading. */
  put(slice: Lagging, values: readonly FieldValue[]): void {
    const fields = this.#fields;
    if (fields.length === 0) return;
    if (slice.backlog.count === slice.backlog.capacity) this.#makeRoom(slice);
    const { backlog } = slice;
    const { numbers } = backlog;
    const at = backlog.base + backlog.count * fields.length;
    for (let i = 0; i < fields.length; i++) numbers[at + i] = values[fields[i]!.field] as number;
    backlog.count++;
  }

  /** Adds what waits. */
  settle({ cells, backlog }: Lagging): void {
    if (backlog.count === 0) return;
    const { numbers, base, count } = backlog;
    const stride = this.#fields.length;
    for (let i = 0; i < stride; i++) {
      const column = { numbers, first: base + i, stride, count };
      for (const { accumulator, at } of this.#fields[i]!.slots) accumulator.addAll(cells, at, column);
    }
    this.#usual = count;
    backlog.count = 0;
  }

  /** Adds what waits where it is looked at. Mostly a window has ended then, and few readings come any more. */
  close(slice: Lagging): void {
    this.settle(slice);
    this.drop(slice);
  }

  /** Forgets a backlog. */
  drop(slice: Lagging): void {
    const { backlog } = slice;
    if (backlog.capacity > 0) this.#heap.give(backlog, backlog.capacity * this.#fields.length);
    slice.backlog = NO_BACKLOG;
  }

  /** What it takes, in bytes. */
  bytesOf({ backlog: { capacity } }: Pick<Lagging, "backlog">): number {
    return capacity === 0 ? 0 : 8 * DoubleHeap.capacity(capacity * this.#fields.length);
  }

  #makeRoom(slice: Lagging): void {
    const { numbers, base, count, capacity } = slice.backlog;
    if (capacity >= BATCH_MAX) {
      this.settle(slice);
      return;
    }
    const width = this.#fields.length;
    const isFresh = capacity === 0 && slice.cells.extras === undefined;
    const wanted = Math.min(BATCH_MAX, Math.max(FIRST, 2 * capacity, isFresh ? this.#usual : 0));
    const length = DoubleHeap.capacity(wanted * width);
    const backlog = { numbers, base, count, capacity: Math.min(BATCH_MAX, Math.floor(length / width)) };
    this.#heap.take(length, backlog);
    for (let i = 0; i < count * width; i++) backlog.numbers[backlog.base + i] = numbers[base + i]!;
    this.drop(slice);
    slice.backlog = backlog;
  }
}

/** Readings that it has room for at first. */
const FIRST = 8;
