import { type Cells, newCells } from "../aggregate/cells.js";
import { DoubleHeap, type Row } from "./double-heap.js";

/**
 * A piece of one device's time line that no window edge cuts: every reading goes into exactly one slice, and a
 * window is the merge of its slices (J. Traub et al., "Efficient Window Aggregation with General Stream Slicing",
 * EDBT 2019).
 *
 * A slice also remembers the readings it holds (event time and a 53-bit hash of the values), in time order. That
 * is the duplicate filter: exact for as long as the slice can change, and it lives and dies with it.
 */
export interface Slice {
  /** Unique within the device, rising; names the stored record. */
  readonly id: number;
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  /** As the device's when it was cut; windows that opened later have nothing of it. */
  readonly epoch: number;
  /** Watermark from which one of its windows is final, so that readings are too late for that one. */
  readonly lateFromMs: number;
  /** Watermark from which all of them are, and the slice is let go. */
  readonly dueMs: number;
  readonly cells: Cells;
  /** Readings held, ascending by time: `ROW` numbers each. */
  readonly rows: Row;
  /** How many `rows` has room for. */
  capacity: number;
  held: number;
}

/** Event time and hash. */
export const ROW = 2;
const FIRST_CAPACITY = DoubleHeap.capacity(1) / ROW;

export interface SliceBounds {
  readonly id: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly epoch: number;
  readonly lateFromMs: number;
  readonly dueMs: number;
}

/** Where slices of one layout get their memory, and where it goes back to. */
export class SliceMemory {
  readonly cellCount: number;
  readonly #heap: DoubleHeap;

  constructor(cellCount: number, heap: DoubleHeap) {
    this.cellCount = cellCount;
    this.#heap = heap;
  }

  make({ id, startMs, endMs, epoch, lateFromMs, dueMs }: SliceBounds): Slice {
    const cells = newCells(0);
    this.#heap.take(this.cellCount, cells);
    cells.numbers.fill(0, cells.base, cells.base + this.cellCount);
    const rows: Row = { numbers: cells.numbers, base: 0 };
    return { id, startMs, endMs, epoch, lateFromMs, dueMs, cells, rows, capacity: 0, held: 0 };
  }

  /** A slice of another layout with the same readings. @param fill its cells, which are empty */
  translated(slice: Slice, fill: (cells: Cells) => void): Slice {
    const copy = this.make(slice);
    fill(copy.cells);
    this.reserve(copy, slice.held);
    const { numbers, base } = slice.rows;
    copy.rows.numbers.set(numbers.subarray(base, base + slice.held * ROW), copy.rows.base);
    copy.held = slice.held;
    return copy;
  }

  /** Takes back what a slice has that nobody refers to any more. */
  drop(slice: Slice): void {
    this.#heap.give(slice.cells, this.cellCount);
    if (slice.capacity > 0) this.#heap.give(slice.rows, slice.capacity * ROW);
  }

  /** Makes room for at least so many readings. */
  reserve(slice: Slice, count: number): void {
    if (count <= slice.capacity) return;
    const { numbers, base } = slice.rows;
    const length = Math.max(count, slice.capacity * 2, FIRST_CAPACITY) * ROW;
    this.#heap.take(length, slice.rows);
    if (slice.capacity > 0) {
      slice.rows.numbers.set(numbers.subarray(base, base + slice.held * ROW), slice.rows.base);
      this.#heap.give({ numbers, base }, slice.capacity * ROW);
    }
    slice.capacity = DoubleHeap.capacity(length) / ROW;
  }

  /** Remembers a reading, keeping time order. */
  hold(slice: Slice, timeMs: number, hash: number): void {
    const { held } = slice;
    if (held === slice.capacity) this.reserve(slice, held + 1);
    const { numbers, base } = slice.rows;
    let at = base + held * ROW;
    if (held > 0 && numbers[at - ROW]! > timeMs) {
      const end = at;
      at = base + upperBound(slice, timeMs) * ROW;
      numbers.copyWithin(at + ROW, at, end);
    }
    numbers[at] = timeMs;
    numbers[at + 1] = hash;
    slice.held = held + 1;
  }
}

/** `new`: not seen before. `same`: time and values were here. `conflict`: the time was here with other values. */
export type Sighting = "new" | "same" | "conflict";

/** Index behind the last held reading that is not later than `timeMs`. */
function upperBound({ rows, held }: Slice, timeMs: number): number {
  const { numbers, base } = rows;
  let low = 0;
  let high = held;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[base + middle * ROW]! <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a reading is already held; does not change the slice. */
export function sight(slice: Slice, timeMs: number, hash: number): Sighting {
  const { held } = slice;
  const { numbers, base } = slice.rows;
  if (held === 0 || numbers[base + (held - 1) * ROW]! < timeMs) return "new";
  let sighting: Sighting = "new";
  for (let i = upperBound(slice, timeMs) - 1; i >= 0 && numbers[base + i * ROW] === timeMs; i--) {
    if (numbers[base + i * ROW + 1] === hash) return "same";
    sighting = "conflict";
  }
  return sighting;
}

/** Index of the first slice that begins at or after `timeMs`, or of the list's end. */
export function firstFrom(slices: readonly Slice[], timeMs: number): number {
  let low = 0;
  let high = slices.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slices[middle]!.startMs < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
