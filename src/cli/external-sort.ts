import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cursor, FileCursor, MemoryCursor, RECORD_HEADER_BYTES } from "./sort-cursors.js";

/**
 * Sorts lines by group, then by a number, in bounded memory; equal ones keep the order in which they came.
 *
 * Lines are kept as bytes outside of the JavaScript heap, where no collector copies them: each is a record of number,
 * length and UTF-8. When there are `runBytesMax` of them they go to a temporary file, ordered; at the end the files
 * are merged with what is still in memory, group by group. What grows with the input is one index entry per group
 * and file. All of it is synchronous: nothing else happens while a recording is replayed.
 */
export class ExternalSort {
  readonly #runBytesMax: number;
  readonly #slabs: Buffer[] = [];
  /** Slab being written to, and how far. */
  #slab = 0;
  #used = 0;
  #bytes = 0;
  #groups = new Map<string, Group>();
  readonly #runs: Run[] = [];
  #folder: string | undefined;

  constructor(runBytesMax = RUN_BYTES_MAX) {
    this.#runBytesMax = runBytesMax;
  }

  add(group: string, order: number, line: string): void {
    if (this.#bytes >= this.#runBytesMax) this.#spill();
    // Three bytes per UTF-16 unit is the most that UTF-8 needs.
    const bytes = this.#room(RECORD_HEADER_BYTES + line.length * 3);
    const start = this.#used;
    const length = bytes.write(line, start + RECORD_HEADER_BYTES);
    bytes.writeDoubleLE(order, start);
    bytes.writeUInt32LE(length, start + 8);
    this.#used = start + RECORD_HEADER_BYTES + length;
    this.#bytes += RECORD_HEADER_BYTES + length;
    const known = this.#groups.get(group);
    if (known === undefined) this.#groups.set(group, new Group(this.#slab, start, order));
    else known.add(this.#slab, start, order);
  }

  /** The current slab, or the next one, with so many bytes left. */
  #room(bytes: number): Buffer {
    const slab = this.#slabs[this.#slab];
    if (slab !== undefined && slab.length - this.#used >= bytes) return slab;
    if (slab !== undefined) this.#slab++;
    this.#used = 0;
    const next = this.#slabs[this.#slab];
    if (next !== undefined && next.length >= bytes) return next;
    const made = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    this.#slabs[this.#slab] = made;
    return made;
  }

  #spill(): void {
    this.#folder ??= mkdtempSync(join(tmpdir(), "weir-sort-"));
    const file = openSync(join(this.#folder, `${this.#runs.length}`), "wx+", 0o600);
    const places = new Map<string, Place>();
    this.#runs.push({ file, places });
    const out = new Gatherer((bytes) => writeFully(file, bytes));
    for (const name of [...this.#groups.keys()].sort()) {
      const from = out.total;
      const cursor = new MemoryCursor(this.#slabs, this.#groups.get(name)!.inOrder());
      for (; cursor.valid; cursor.next()) out.add(cursor.bytes, cursor.start, cursor.end);
      places.set(name, { from, to: out.total });
    }
    out.flush();
    this.#groups = new Map();
    this.#slab = 0;
    this.#used = 0;
    this.#bytes = 0;
  }

  /** Everything in order, in batches of whole lines; ends the sorter. */
  *batches(): Generator<SortedBatch> {
    const names = new Set(this.#groups.keys());
    for (const { places } of this.#runs) for (const name of places.keys()) names.add(name);
    let batch = new BatchWriter();
    for (const name of [...names].sort()) {
      const cursors = this.#cursors(name).filter((cursor) => cursor.valid);
      while (cursors.length > 0) {
        const least = leastOf(cursors);
        if (!batch.fits(least)) {
          yield batch.finish();
          batch = new BatchWriter();
        }
        batch.add(least);
        least.next();
        if (!least.valid) cursors.splice(cursors.indexOf(least), 1);
      }
    }
    if (!batch.isEmpty) yield batch.finish();
  }

  /** Where a group's lines are, the earliest first. */
  #cursors(name: string): Cursor[] {
    const cursors: Cursor[] = [];
    for (const { file, places } of this.#runs) {
      const place = places.get(name);
      if (place !== undefined) cursors.push(new FileCursor(file, place.from, place.to));
    }
    const group = this.#groups.get(name);
    if (group !== undefined) cursors.push(new MemoryCursor(this.#slabs, group.inOrder()));
    return cursors;
  }

  /** Removes the temporary files. */
  close(): void {
    for (const { file } of this.#runs.splice(0)) closeSync(file);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** Lines in order. */
export interface SortedBatch {
  /** Each line in UTF-8, with a line feed behind it. */
  readonly bytes: Buffer;
  /** Where each line ends, before its line feed. */
  readonly ends: readonly number[];
}

interface Place {
  readonly from: number;
  readonly to: number;
}

interface Run {
  readonly file: number;
  readonly places: ReadonlyMap<string, Place>;
}

const RUN_BYTES_MAX = 32 * 1024 * 1024;
const SLAB_BYTES = 1024 * 1024;
const BATCH_BYTES = 64 * 1024;
const WRITE_BYTES = 256 * 1024;

/** Where the lines of one group are in memory. */
class Group {
  readonly #slabs: number[];
  readonly #starts: number[];
  readonly #orders: number[];
  #ascending = true;

  constructor(slab: number, start: number, order: number) {
    this.#slabs = [slab];
    this.#starts = [start];
    this.#orders = [order];
  }

  add(slab: number, start: number, order: number): void {
    if (order < this.#orders.at(-1)!) this.#ascending = false;
    this.#slabs.push(slab);
    this.#starts.push(start);
    this.#orders.push(order);
  }

  /** Slab and start of every line, one after the other. */
  inOrder(): { readonly slabs: readonly number[]; readonly starts: readonly number[] } {
    const slabs = this.#slabs;
    const starts = this.#starts;
    if (this.#ascending) return { slabs, starts };
    const orders = this.#orders;
    const indices = orders.map((_, i) => i).sort((a, b) => orders[a]! - orders[b]!);
    return { slabs: indices.map((i) => slabs[i]!), starts: indices.map((i) => starts[i]!) };
  }
}

/** The cursor with the least number; of equal ones the first, which holds the earlier lines. */
function leastOf(cursors: readonly Cursor[]): Cursor {
  let least = cursors[0]!;
  for (let i = 1; i < cursors.length; i++) if (cursors[i]!.order < least.order) least = cursors[i]!;
  return least;
}

/** Joins pieces, and hands them on in large ones. */
class Gatherer {
  readonly #write: (bytes: Buffer) => void;
  readonly #buffer = Buffer.allocUnsafeSlow(WRITE_BYTES);
  #used = 0;
  /** Pieces that lie behind one another are copied as one. */
  #source: Buffer = this.#buffer;
  #start = 0;
  #end = 0;
  total = 0;

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  add(bytes: Buffer, start: number, end: number): void {
    this.total += end - start;
    if (bytes !== this.#source || start !== this.#end) {
      this.#gather();
      this.#source = bytes;
      this.#start = start;
    }
    this.#end = end;
  }

  #gather(): void {
    const length = this.#end - this.#start;
    if (this.#used + length > this.#buffer.length) this.#writeOut();
    if (length > this.#buffer.length) this.#write(this.#source.subarray(this.#start, this.#end));
    else this.#used += this.#source.copy(this.#buffer, this.#used, this.#start, this.#end);
    this.#start = this.#end;
  }

  #writeOut(): void {
    if (this.#used > 0) this.#write(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  flush(): void {
    this.#gather();
    this.#writeOut();
  }
}

function writeFully(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at);
}

class BatchWriter {
  #bytes = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  readonly #ends: number[] = [];

  get isEmpty(): boolean {
    return this.#ends.length === 0;
  }

  /** Whether the line may be added; a batch of one line takes any. */
  fits({ start, end }: Cursor): boolean {
    return this.isEmpty || this.#used + end - start <= this.#bytes.length;
  }

  add({ bytes, start, end }: Cursor): void {
    const length = end - start - RECORD_HEADER_BYTES;
    if (this.#used + length >= this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(length + 1);
    bytes.copy(this.#bytes, this.#used, start + RECORD_HEADER_BYTES, end);
    this.#used += length;
    this.#ends.push(this.#used);
    this.#bytes[this.#used++] = LINE_FEED;
  }

  finish(): SortedBatch {
    return { bytes: this.#bytes.subarray(0, this.#used), ends: this.#ends };
  }
}

const LINE_FEED = 0x0a;
