import type { Cells } from "../aggregate/cells.js";
import type { FieldValue } from "../model/reading.js";
import { type Backlog, Backlogs, type BatchField, NO_BACKLOG } from "./backlog.js";
import { DoubleHeap, type Row } from "./double-heap.js";
import type { Passing } from "./passing.js";

/**
 * A piece of one device's time line that no window edge cuts: every reading goes into exactly one slice, and a
 * window is the merge of its slices (J. Traub et al., "Efficient Window Aggregation with General Stream Slicing",
 * EDBT 2019).
 *
 * A slice also remembers the readings it holds, in time order, one row of numbers each: event time, a hash of the
 * values, and the values that are needed in order: by windows whose bounds follow from the readings (fold.ts), and by
 * aggregates of an order (ordered.ts). That is the duplicate filter: exact for as long as the slice can change, and it lives and dies with it.
 *
 * What is in a slice may be in the store only (residency.ts), and of what is not some may wait to be added to its cells
 * (backlog.ts). Whatever looks into it sees to both: `SliceMemory` does so in what it is asked, others have the cells from
 * `SliceMemory.cellsOf`.
 */
export interface Slice {
  /** Unique within the device, rising; names the stored record. */
  readonly id: number;
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  /** As the device's when it was cut; windows that opened later have nothing of it. */
  readonly epoch: number;
  /** Watermark from which all of its windows are final, and it is let go. */
  readonly dueMs: number;
  cells: Cells;
  backlog: Backlog;
  /** Readings held, ascending by time, those of one time by hash: see `SliceMemory.width`. */
  rows: Row;
  /** Texts in `rows`, which have a text's place here; undefined until there is one. */
  words: string[] | undefined;
  /** How many `rows` has room for. */
  capacity: number;
  held: number;
  /** How many rows, from the first on, its ordered accumulators have seen (ordered.ts). */
  gathered: number;
  /** Whose it is. */
  readonly owner: SliceOwner;
  /** Whether there is more in it than in its stored record. */
  dirty: boolean;
  /** Whether its contents are in its stored record only. */
  spilled: boolean;
  /** Of its stored record (`sealMark`); undefined when there is none. */
  mark: number | undefined;
  /** Position of the block in which it was brought back, or last changed for the first time since it was stored. */
  usedAt: number;
  /** What `cells.extras` and `words` take, about, as of the last look. */
  extraBytes: number;
}

/** The device of a slice, as far as its stored record goes. */
export interface SliceOwner {
  readonly profileId: string;
  readonly name: string;
}

/** Where the slices of all devices have their memory, and where those come back from that were spilled. */
export interface SliceRoom {
  readonly heap: DoubleHeap;
  /** Reads the stored contents into a slice that is empty. @throws CorruptRecord */
  refill(slice: Slice, memory: SliceMemory): void;
  /** To be told of more beside its cells. */
  measure(slice: Slice): void;
  /** To be told of every slice that begins to differ from its stored record. */
  changed(slice: Slice): void;
  /** And of every one that is let go; its memory is still there. */
  dropped(slice: Slice): void;
}

const NO_CELLS: Cells = { numbers: new Float64Array(0), base: 0, extras: undefined };
const NO_ROWS: Row = { numbers: NO_CELLS.numbers, base: 0 };

/** Cells of a row: event time, hash, then the kept values. */
export const HASH = 1;
export const VALUES = 2;

/**
 * What stands in the place of the hash of a reading that would have other values now: what comes again is known by its
 * time. Hashes are even, so among readings of one time it stays where it was: what follows the order of readings has
 * told of it already.
 */
export function anyValues(hash: number): number {
  return isAnyValues(hash) ? hash : hash + 1;
}

function isAnyValues(hash: number): boolean {
  return hash % 2 === 1;
}

/** A device's slices, as far as reading them goes. */
export interface TimeLine {
  readonly slices: readonly Slice[];
  readonly retired: readonly Slice[];
}

export interface SliceLayout {
  readonly cellCount: number;
  /** Fields whose values are kept in rows, and which of them are texts. */
  readonly kept: readonly number[];
  readonly textual: readonly boolean[];
  /** Fields of whose values some accumulators take many in one go. */
  readonly batched: readonly BatchField[];
  readonly room: SliceRoom;
}

export interface SliceBounds {
  readonly owner: SliceOwner;
  readonly id: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly epoch: number;
  readonly dueMs: number;
}

/** Where slices of one layout get their memory, and where it goes back to. */
export class SliceMemory {
  readonly cellCount: number;
  /** Fields whose values are kept in rows. */
  readonly kept: readonly number[];
  /** Which of them are texts. */
  readonly textual: readonly boolean[];
  /** Numbers in a row. */
  readonly width: number;
  readonly backlogs: Backlogs;
  readonly #heap: DoubleHeap;
  readonly #room: SliceRoom;

  constructor({ cellCount, kept, textual, batched, room }: SliceLayout) {
    this.cellCount = cellCount;
    this.kept = kept;
    this.textual = textual;
    this.width = VALUES + kept.length;
    this.#room = room;
    this.#heap = room.heap;
    this.backlogs = new Backlogs(batched, room.heap);
  }

  make(bounds: SliceBounds): Slice {
    const slice = this.stub(bounds, undefined);
    slice.spilled = false;
    slice.dirty = true;
    this.furnish(slice);
    this.#room.changed(slice);
    return slice;
  }

  /** A slice whose contents are in its stored record. */
  stub({ owner, id, startMs, endMs, epoch, dueMs }: SliceBounds, mark: number | undefined): Slice {
    // What every reading looks at comes first.
    return {
      startMs,
      endMs,
      cells: NO_CELLS,
      backlog: NO_BACKLOG,
      rows: NO_ROWS,
      capacity: 0,
      held: 0,
      dirty: false,
      spilled: true,
      extraBytes: 0,
      usedAt: 0,
      id,
      epoch,
      dueMs,
      words: undefined,
      gathered: 0,
      owner,
      mark,
    };
  }

  /** Gives it empty cells. */
  furnish(slice: Slice): void {
    // An array of its own, if only an empty one, would take longer than all the rest.
    const cells: Cells = { numbers: NO_CELLS.numbers, base: 0, extras: undefined };
    this.#heap.take(this.cellCount, cells);
    cells.numbers.fill(0, cells.base, cells.base + this.cellCount);
    slice.cells = cells;
    slice.rows = { numbers: cells.numbers, base: 0 };
  }

  /** Sees to it that the contents are in memory. */
  wake(slice: Slice): Slice {
    if (slice.spilled) this.#room.refill(slice, this);
    return slice;
  }

  /** Its cells with all that has been gathered. */
  cellsOf(slice: Slice): Cells {
    if (this.wake(slice).backlog.count === 0) return slice.cells;
    this.backlogs.close(slice);
    this.measure(slice);
    return slice.cells;
  }

  /** To be called when there may be more beside the cells of a slice, unless it is its device's newest. */
  measure(slice: Slice): void {
    if (slice.cells.extras !== undefined || slice.words !== undefined) this.#room.measure(slice);
  }

  /** To be called before it is changed. */
  change(slice: Slice): void {
    if (slice.dirty) return;
    this.wake(slice);
    slice.dirty = true;
    this.#room.changed(slice);
  }

  /** Leaves the contents to the stored record, which has all of them. */
  spill(slice: Slice): void {
    this.#giveBack(slice);
    slice.cells = NO_CELLS;
    slice.rows = NO_ROWS;
    slice.words = undefined;
    slice.capacity = 0;
    slice.held = 0;
    slice.gathered = 0;
    slice.spilled = true;
  }

  /** Takes back what a slice has that nobody refers to any more. */
  drop(slice: Slice): void {
    this.#room.dropped(slice);
    if (!slice.spilled) this.#giveBack(slice);
  }

  /** What its cells and rows take, in bytes. */
  bytesOf(slice: Slice): number {
    const { spilled, capacity } = slice;
    if (spilled) return 0;
    const rows = capacity === 0 ? 0 : DoubleHeap.capacity(capacity * this.width);
    return 8 * (DoubleHeap.capacity(this.cellCount) + rows) + this.backlogs.bytesOf(slice);
  }

  #giveBack(slice: Slice): void {
    this.backlogs.drop(slice);
    this.#heap.give(slice.cells, this.cellCount);
    if (slice.capacity > 0) this.#heap.give(slice.rows, slice.capacity * this.width);
  }

  /** Makes room for at least so many readings. */
  reserve(slice: Slice, count: number): void {
    if (count <= slice.capacity) return;
    const { width } = this;
    const { numbers, base } = slice.rows;
    const length = DoubleHeap.capacity(Math.max(count, slice.capacity * 2) * width);
    this.#heap.take(length, slice.rows);
    if (slice.capacity > 0) {
      const { rows, held } = slice;
      // Mostly a few, for which a view of them would take longer.
      for (let i = 0; i < held * width; i++) rows.numbers[rows.base + i] = numbers[base + i]!;
      this.#heap.give({ numbers, base }, slice.capacity * width);
    }
    slice.capacity = Math.floor(length / width);
  }

  /** Remembers a reading that is later than all others, as nearly all are, after `change`. @returns whether this one is */
  append(slice: Slice, reading: Passing): boolean {
    const { held } = slice;
    const { width, kept } = this;
    if (held > 0 && slice.rows.numbers[slice.rows.base + (held - 1) * width]! >= reading.timeMs) return false;
    if (held === slice.capacity) this.reserve(slice, held + 1);
    const { numbers, base } = slice.rows;
    const at = base + held * width;
    numbers[at] = reading.timeMs;
    numbers[at + HASH] = reading.hash;
    if (kept.length > 0) this.#keep(slice, at, reading.values);
    slice.held = held + 1;
    return true;
  }

  #keep(slice: Slice, at: number, values: readonly FieldValue[]): void {
    const { kept } = this;
    const { numbers } = slice.rows;
    for (let i = 0; i < kept.length; i++) {
      const value = values[kept[i]!]!;
      numbers[at + VALUES + i] = typeof value === "number" ? value : placeOf(slice, value);
    }
  }

  /** Remembers a reading, after `change`, keeping time order, whatever the order in which those of one time come. */
  hold(slice: Slice, { timeMs, hash, values }: Passing): void {
    const { held } = slice;
    const { width } = this;
    if (held === slice.capacity) this.reserve(slice, held + 1);
    const { numbers, base } = slice.rows;
    let at = base + held * width;
    if (held > 0 && numbers[at - width]! >= timeMs) {
      const end = at;
      let place = this.#upperBound(slice, timeMs);
      while (place > 0 && numbers[base + (place - 1) * width] === timeMs) {
        if (numbers[base + (place - 1) * width + HASH]! <= hash) break;
        place--;
      }
      at = base + place * width;
      if (place < slice.gathered) slice.gathered = 0;
      numbers.copyWithin(at + width, at, end);
    }
    numbers[at] = timeMs;
    numbers[at + HASH] = hash;
    this.#keep(slice, at, values);
    slice.held = held + 1;
  }

  /** Whether a reading is already held; does not change the slice. */
  sight(slice: Slice, { timeMs, hash }: Passing): Sighting {
    const { held } = this.wake(slice);
    const { width } = this;
    const { numbers, base } = slice.rows;
    if (held === 0 || numbers[base + (held - 1) * width]! < timeMs) return "new";
    let sighting: Sighting = "new";
    for (let i = this.#upperBound(slice, timeMs) - 1; i >= 0 && numbers[base + i * width] === timeMs; i--) {
      const known = numbers[base + i * width + HASH]!;
      if (known === hash || isAnyValues(known)) return "same";
      sighting = "conflict";
    }
    return sighting;
  }

  /** Whether a reading of that time is held. */
  holdsIn(slice: Slice, fromMs: number, toMs: number): boolean {
    const row = this.firstRow(slice, fromMs);
    return row < slice.held && this.timeOf(slice, row) < toMs;
  }

  timeOf({ rows }: Slice, row: number): number {
    return rows.numbers[rows.base + row * this.width]!;
  }

  hashOf({ rows }: Slice, row: number): number {
    return rows.numbers[rows.base + row * this.width + HASH]!;
  }

  /** Index behind the last held reading that is not later than `timeMs`. */
  #upperBound(slice: Slice, timeMs: number): number {
    return this.firstRow(slice, timeMs, true);
  }

  /** Index of the first held reading from `timeMs` on, or behind it. */
  firstRow(slice: Slice, timeMs: number, behind = false): number {
    const { rows, held } = this.wake(slice);
    const { numbers, base } = rows;
    const { width } = this;
    let low = 0;
    let high = held;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = numbers[base + middle * width]!;
      if (at < timeMs || (behind && at === timeMs)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function placeOf(slice: Slice, text: string): number {
  slice.words ??= [];
  const known = slice.words.indexOf(text);
  return known >= 0 ? known : slice.words.push(text) - 1;
}

/** `new`: not seen before. `same`: time and values were here. `conflict`: the time was here with other values. */
export type Sighting = "new" | "same" | "conflict";

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
