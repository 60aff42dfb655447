import type { TickPart } from "../model/block.js";

/**
 * The devices of one profile whose state is, or has been, in the store only: what has to be known of them without
 * reading it. A gateway may have a million of them, so they are columns of numbers and bytes, about 50 bytes each, and
 * no objects: an open-addressed table from names to rows, the names in pages of UTF-8, and a column for each fact.
 *
 * A row stays when its device comes back into memory, because it will go again.
 */
export interface AwayFacts {
  /** Processing time at which a tick has something to do for it; Infinity for never. */
  readonly wakeMs: number;
  /** Highest time that its watermark follows: event time or silence. */
  readonly aheadMs: number;
  /** Of its stored record (`sealMark`). */
  readonly mark: number;
}

const FIRST_ROWS = 64;
const NAMES_PAGE_BYTES = 65_536;
/** Columns grow by this part: twice would be much at a million. */
const GROWTH = 1.25;

const HASHES = 2 ** 32;
const ALL: TickPart = { part: 0, parts: 1 };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Roster {
  #count = 0;
  #hashes = new Uint32Array(FIRST_ROWS);
  /** Page, and place in it, where the name of a row begins: its length in UTF-8, two bytes, then the name; 4 GB of them. */
  #names = new Uint32Array(FIRST_ROWS);
  #marks = new Uint32Array(FIRST_ROWS);
  #aheadMs = new Float64Array(FIRST_ROWS);
  /** NaN for a device that is in memory. */
  #wakeMs = new Float64Array(FIRST_ROWS);
  /** Row plus one by hash; a power of two, at most three quarters full. */
  #table = new Uint32Array(2 * FIRST_ROWS);
  readonly #pages: Uint8Array[] = [];
  #pageAt = NAMES_PAGE_BYTES;
  #awayCount = 0;

  /** How many are in the store only. */
  get size(): number {
    return this.#awayCount;
  }

  /** What it takes in memory. */
  get bytes(): number {
    const columns = [this.#hashes, this.#names, this.#marks, this.#aheadMs, this.#wakeMs, this.#table];
    const sum = columns.reduce((total, { byteLength }) => total + byteLength, 0);
    return sum + this.#pages.reduce((total, { byteLength }) => total + byteLength, 0);
  }

  /** The row of a device that is in the store only, -1 when there is none. */
  find(name: string): number {
    if (this.#awayCount === 0) return -1;
    const row = this.#rowOf(name, hashOf(name));
    return row >= 0 && !Number.isNaN(this.#wakeMs[row]!) ? row : -1;
  }

  /** Notes that a device is in the store only. */
  leave(name: string, { wakeMs, aheadMs, mark }: AwayFacts): void {
    const hash = hashOf(name);
    let row = this.#rowOf(name, hash);
    if (row < 0) row = this.#add(name, hash);
    this.#marks[row] = mark;
    this.#aheadMs[row] = aheadMs;
    this.#wakeMs[row] = wakeMs;
    this.#awayCount++;
  }

  /** Notes that it is in memory again. */
  comeBack(row: number): void {
    this.#wakeMs[row] = Number.NaN;
    this.#awayCount--;
  }

  markOf(row: number): number {
    return this.#marks[row]!;
  }

  nameOf(row: number): string {
    const at = this.#names[row]!;
    const page = this.#pages[Math.floor(at / NAMES_PAGE_BYTES)]!;
    const from = at % NAMES_PAGE_BYTES;
    return decoder.decode(page.subarray(from + 2, from + 2 + page[from]! + 256 * page[from + 1]!));
  }

  /** Rows of those that a tick at this time has something to do for. */
  *due(processingMs: number, part: TickPart = ALL): Generator<number> {
    for (let row = 0; row < this.#count; row++) {
      if (this.#wakeMs[row]! <= processingMs && isHashIn(this.#hashes[row]!, part)) yield row;
    }
  }

  wakeMsOf(row: number): number {
    return this.#wakeMs[row]!;
  }

  isDue(processingMs: number): boolean {
    return !this.due(processingMs).next().done;
  }

  /** Rows of all that are in the store only. */
  *rows(): Generator<number> {
    for (let row = 0; row < this.#count; row++) if (!Number.isNaN(this.#wakeMs[row]!)) yield row;
  }

  aheadMsOf(row: number): number {
    return this.#aheadMs[row]!;
  }

  #rowOf(name: string, hash: number): number {
    const mask = this.#table.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const row = this.#table[at]! - 1;
      if (row < 0) return -1;
      if (this.#hashes[row] === hash && this.nameOf(row) === name) return row;
    }
  }

  #add(name: string, hash: number): number {
    const row = this.#count++;
    if (row === this.#hashes.length) this.#grow();
    this.#hashes[row] = hash;
    this.#names[row] = this.#keep(encoder.encode(name));
    this.#enter(row);
    return row;
  }

  #keep(name: Uint8Array): number {
    if (this.#pageAt + 2 + name.length > NAMES_PAGE_BYTES) {
      this.#pages.push(new Uint8Array(NAMES_PAGE_BYTES));
      this.#pageAt = 0;
    }
    const at = this.#pageAt;
    const page = this.#pages.at(-1)!;
    page[at] = name.length % 256;
    page[at + 1] = name.length >> 8;
    page.set(name, at + 2);
    this.#pageAt += 2 + name.length;
    return (this.#pages.length - 1) * NAMES_PAGE_BYTES + at;
  }

  #enter(row: number): void {
    const mask = this.#table.length - 1;
    let at = this.#hashes[row]! & mask;
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = row + 1;
  }

  #grow(): void {
    const rows = Math.ceil(this.#hashes.length * GROWTH);
    this.#hashes = grown(this.#hashes, new Uint32Array(rows));
    this.#names = grown(this.#names, new Uint32Array(rows));
    this.#marks = grown(this.#marks, new Uint32Array(rows));
    this.#aheadMs = grown(this.#aheadMs, new Float64Array(rows));
    this.#wakeMs = grown(this.#wakeMs, new Float64Array(rows));
    if (rows <= this.#table.length * 0.75) return;
    this.#table = new Uint32Array(this.#table.length * 2);
    for (let row = 0; row < this.#count - 1; row++) this.#enter(row);
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Whether a device belongs to a part of the devices. */
export function isInPart(name: string, part: TickPart = ALL): boolean {
  return part.parts === 1 || isHashIn(hashOf(name), part);
}

/** By the high bits, of which the table does not take the first. */
function isHashIn(hash: number, { part, parts }: TickPart): boolean {
  return parts === 1 || Math.floor((hash / HASHES) * parts) === part;
}

/** FNV-1a over UTF-16 units, mixed once more, because the table takes the low bits. Journals rely on it. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
