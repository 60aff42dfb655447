import { type Cells, newCells } from "../aggregate/cells.js";

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
  cells: Cells;
  /** Number of open windows that merge it; at 0 it is dropped. */
  windows: number;
  /** Event times, ascending, the first `held` entries. */
  times: Float64Array;
  hashes: Float64Array;
  held: number;
}

const FIRST_CAPACITY = 8;
/** Slices of more readings than this give their memory back. */
const POOLED_CAPACITY_MAX = 256;
const POOLED_SLICES_MAX = 512;

export function newSlice(id: number, startMs: number, endMs: number, cellCount: number): Slice {
  return {
    id,
    startMs,
    endMs,
    cells: newCells(cellCount),
    windows: 0,
    times: new Float64Array(FIRST_CAPACITY),
    hashes: new Float64Array(FIRST_CAPACITY),
    held: 0,
  };
}

/**
 * Makes slices of one layout out of the memory of those that were dropped: short windows come and go, and typed
 * arrays cost more to make and to collect than everything else that firing does.
 */
export class SlicePool {
  readonly #cellCount: number;
  readonly #dropped: Slice[] = [];

  constructor(cellCount: number) {
    this.#cellCount = cellCount;
  }

  make(id: number, startMs: number, endMs: number): Slice {
    const old = this.#dropped.pop();
    if (old === undefined) return newSlice(id, startMs, endMs, this.#cellCount);
    const { cells, times, hashes } = old;
    cells.numbers.fill(0);
    cells.texts = undefined;
    cells.wide = undefined;
    return { id, startMs, endMs, cells, windows: 0, times, hashes, held: 0 };
  }

  /** Takes over a slice that nobody refers to any more. */
  drop(slice: Slice): void {
    if (this.#dropped.length >= POOLED_SLICES_MAX || slice.times.length > POOLED_CAPACITY_MAX) return;
    if (slice.cells.numbers.length === this.#cellCount) this.#dropped.push(slice);
  }
}

/** `new`: not seen before. `same`: time and values were here. `conflict`: the time was here with other values. */
export type Sighting = "new" | "same" | "conflict";

/** Index behind the last held reading that is not later than `timeMs`. */
function upperBound(slice: Slice, timeMs: number): number {
  let low = 0;
  let high = slice.held;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slice.times[middle]! <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a reading is already held; does not change the slice. */
export function sight(slice: Slice, timeMs: number, hash: number): Sighting {
  const held = slice.held;
  if (held === 0 || slice.times[held - 1]! < timeMs) return "new";
  let sighting: Sighting = "new";
  for (let i = upperBound(slice, timeMs) - 1; i >= 0 && slice.times[i] === timeMs; i--) {
    if (slice.hashes[i] === hash) return "same";
    sighting = "conflict";
  }
  return sighting;
}

/** Remembers a reading, keeping time order. */
export function hold(slice: Slice, timeMs: number, hash: number): void {
  const held = slice.held;
  if (held === slice.times.length) grow(slice);
  const at = held === 0 || slice.times[held - 1]! <= timeMs ? held : upperBound(slice, timeMs);
  if (at < held) {
    slice.times.copyWithin(at + 1, at, held);
    slice.hashes.copyWithin(at + 1, at, held);
  }
  slice.times[at] = timeMs;
  slice.hashes[at] = hash;
  slice.held = held + 1;
}

function grow(slice: Slice): void {
  const times = new Float64Array(slice.times.length * 2);
  const hashes = new Float64Array(slice.times.length * 2);
  times.set(slice.times);
  hashes.set(slice.hashes);
  slice.times = times;
  slice.hashes = hashes;
}
