/**
 * Memory for rows of doubles, in a few large arrays: a gateway has hundreds of thousands of small rows that come and go,
 * and as arrays of their own each would cost more than what is in it, and the collector's time.
 *
 * Rows have sizes of a few classes, two in each power of two, and a list of free ones per class. Rows that are larger
 * than a page get pages of their own.
 */
export interface Row {
  numbers: Float64Array;
  /** Where the row begins in `numbers`. */
  base: number;
}

const PAGE = 16_384;
const SMALLEST = 8;

export class DoubleHeap {
  readonly #free: Row[][] = [];
  #page = new Float64Array(0);
  #at = 0;
  #bytes = 0;
  /** Doubles that were handed out of each page that is full. */
  readonly #full = new Map<Float64Array, number>();

  /** What rows in use take, in bytes; free ones that wait to be used again are not counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What pages take, in bytes, with the rows in them that are free. */
  get pagesBytes(): number {
    return 8 * PAGE * (this.#full.size + 1);
  }

  /** Gives up the pages in which every row is free. */
  trim(): void {
    const free = new Map<Float64Array, number>();
    for (const [size, rows] of this.#free.entries()) {
      for (const { numbers } of rows ?? []) free.set(numbers, (free.get(numbers) ?? 0) + capacityOf(size));
    }
    const gone = new Set(
      [...this.#full].filter(([page, doubles]) => free.get(page) === doubles).map(([page]) => page),
    );
    if (gone.size === 0) return;
    for (const page of gone) this.#full.delete(page);
    for (const [size, rows] of this.#free.entries()) {
      if (rows !== undefined) this.#free[size] = rows.filter(({ numbers }) => !gone.has(numbers));
    }
  }

  /** Doubles that a row of this length has room for. */
  static capacity(length: number): number {
    return capacityOf(classOf(length));
  }

  /** Its contents are whatever was there before. @param into where to say where it is */
  take(length: number, into: Row): void {
    const size = classOf(length);
    const capacity = capacityOf(size);
    this.#bytes += 8 * capacity;
    const free = this.#free[size]?.pop();
    if (free !== undefined) {
      into.numbers = free.numbers;
      into.base = free.base;
      return;
    }
    if (capacity > PAGE / 4) {
      into.numbers = new Float64Array(capacity);
      into.base = 0;
      return;
    }
    if (this.#at + capacity > this.#page.length) {
      if (this.#at > 0) this.#full.set(this.#page, this.#at);
      this.#page = new Float64Array(PAGE);
      this.#at = 0;
    }
    into.numbers = this.#page;
    into.base = this.#at;
    this.#at += capacity;
  }

  /** @param length as it was taken with, or its capacity */
  give(row: Row, length: number): void {
    const size = classOf(length);
    this.#bytes -= 8 * capacityOf(size);
    // An array of its own goes back to where it came from.
    if (row.numbers.length !== PAGE) return;
    this.#free[size] ??= [];
    this.#free[size].push({ numbers: row.numbers, base: row.base });
  }
}

/** 0 for 8, then 12, 16, 24, 32, … */
function classOf(length: number): number {
  if (length <= SMALLEST) return 0;
  const power = 31 - Math.clz32(length - 1);
  const half = (1 << power) + (1 << (power - 1));
  return 2 * (power - 3) + (length <= half ? 1 : 2);
}

function capacityOf(size: number): number {
  const power = 3 + (size >> 1);
  return size % 2 === 0 ? 1 << power : (1 << power) + (1 << (power - 1));
}
