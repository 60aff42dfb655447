import { CorruptRecord } from "../model/bytes.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { LogEntry, Summary } from "../model/summary.js";
import type { SummaryLog } from "../model/summary-log.js";
import type { Database } from "./database.js";
import type { Operation } from "./disk.js";
import { KEYS, keySpace, numberOf } from "./keys.js";
import {
  addLoss,
  decodeBook,
  emptyBook,
  encodeBook,
  type LogBook,
  type Loss,
  lostBetween,
} from "./log-book.js";
import { encodeRecord, readJson, recordOf } from "./log-record.js";

/**
 * The summary log: every revision of every summary, appended in the batch of the journal block that caused it.
 * It is the local history and the outbox of every target at once.
 *
 * Its size is bounded by `bytesMax`; what happens when it grows over is in trim.ts, which changes the log by
 * `rewrite`. All sizes are exact: they change together with the batch that changes them.
 */

/** Bytes an entry takes beside its record: key, LevelDB's own. */
const ENTRY_OVERHEAD_BYTES = 32;
/** Damaged entries that are remembered; all are reported. */
const DAMAGED_MAX = 10_000;

const logEntryDamaged = defineEvent<{ readonly position: number; readonly reason: string }>(
  "log-entry-damaged",
  "error",
  "a summary in the log is damaged and is passed over",
);

/** The part of the bound below which nothing has to make room soon; as much of the log may be in doubt after a crash. */
const ROOMY = 1 / 8;

export const logEntriesLost = defineEvent<{ readonly entries: number }>(
  "log-entries-lost",
  "error",
  "summaries are missing from the log: the disk has lost them",
);
const logUnreadable = defineEvent<{ readonly after: number; readonly reason: string }>(
  "log-unreadable",
  "error",
  "a part of the summary log cannot be read; the summaries in it are lost",
);

export interface SummaryLogOptions {
  readonly database: Database;
  readonly observer: Observer;
  readonly bytesMax: number;
}

/** Entries that are appended. */
function count(book: LogBook, appended: readonly Operation[]): void {
  book.head += appended.length;
  book.entries += appended.length;
  for (const operation of appended) {
    if (operation.type === "put") book.bytes += entryBytes(operation.value);
  }
}

/** What an entry takes of the log's bound. */
export function entryBytes(value: Uint8Array): number {
  return value.length + ENTRY_OVERHEAD_BYTES;
}

/** Entries that go, and entries that take the place of some of them. */
export interface Rewrite {
  readonly removed: readonly { readonly position: number; readonly bytes: number }[];
  /** At positions of removed ones. */
  readonly put: readonly { readonly position: number; readonly value: Uint8Array }[];
  /** Nothing is left before this position. */
  readonly tail?: number;
  readonly losses?: readonly Loss[];
  readonly superseded?: number;
  readonly coarsened?: number;
}

export class StoredSummaryLog implements SummaryLog {
  readonly #options: SummaryLogOptions;
  readonly #listeners = new Set<() => void>();
  #rewritten = () => {};
  #appendedBytes = 0;
  readonly #damaged = new Set<number>();
  readonly #book: LogBook;
  #tail = 1;
  /** Whether a part of it was found that LevelDB cannot read. */
  #unreadable = false;

  private constructor(options: SummaryLogOptions, book: LogBook) {
    this.#options = options;
    this.#book = book;
  }

  static async open(options: SummaryLogOptions): Promise<StoredSummaryLog> {
    const { database } = options;
    const [first] = await database.keys({ ...keySpace("l"), limit: 1 });
    const tail = first === undefined ? undefined : numberOf(first);
    const written = await database.get(KEYS.meta("log"));
    const book = written === undefined ? emptyBook() : decodeBook(written, KEYS.meta("log"));
    const log = new StoredSummaryLog(options, book);
    for await (const [position, value] of log.records(book.head)) {
      // They were appended without a hole.
      const gap = position - book.head - 1;
      if (gap > 0) addLoss(book.losses, { first: book.head + 1, last: position - 1, entries: gap });
      book.entries += gap;
      book.head = position;
      book.entries++;
      book.bytes += entryBytes(value);
    }
    log.#tail = tail ?? book.head + 1;
    return log;
  }

  head(): number {
    return this.#book.head;
  }

  tail(): number {
    return this.#tail;
  }

  count(): number {
    return this.#book.entries;
  }

  /** What the entries take of `bytesMax`. */
  get bytes(): number {
    return this.#book.bytes;
  }

  /** What has been appended in this life, whatever has become of it, as `bytes`. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  roomy(): boolean {
    return this.bytes < this.bytesMax * ROOMY;
  }

  get bytesMax(): number {
    return this.#options.bytesMax;
  }

  /** Entries that were dropped before every target had confirmed them, ever. */
  get dropped(): number {
    return this.#book.dropped;
  }

  /** Revisions that were replaced by later ones before they were sent, ever. */
  get superseded(): number {
    return this.#book.superseded;
  }

  /** Windows that were merged into coarser ones, ever. */
  get coarsened(): number {
    return this.#book.coarsened;
  }

  lost(after: number, through: number): number {
    let lost = lostBetween(this.#book.losses, after, through);
    for (const position of this.#damaged) if (position > after && position <= through) lost++;
    return lost;
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back after each `rewrite` that is durable; one listener. */
  onRewrite(listener: () => void): void {
    this.#rewritten = listener;
  }

  /** Operations that append; `appended` must follow when they are durable. */
  appendOperations(summaries: readonly (Summary | string)[]): Operation[] {
    return summaries.map((summary, i): Operation => {
      const position = this.#book.head + 1 + i;
      return { type: "put", key: KEYS.log(position), value: encodeRecord(recordOf(summary), position) };
    });
  }

  appended(operations: readonly Operation[]): void {
    if (operations.length === 0) return;
    const before = this.#book.bytes;
    count(this.#book, operations);
    this.#appendedBytes += this.#book.bytes - before;
    for (const listener of this.#listeners) listener();
  }

  async read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    let bytes = 0;
    for await (const [position, value] of this.records(after)) {
      const json = this.#json(position, value);
      if (json === undefined) continue;
      if (entries.length >= bounds.entriesMax) break;
      bytes += value.length;
      if (bytes > bounds.bytesMax && entries.length > 0) break;
      entries.push({ position, json });
    }
    return entries;
  }

  #json(position: number, value: Uint8Array): string | undefined {
    try {
      return readJson(value, position);
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      this.reportDamage(position, error);
      return undefined;
    }
  }

  reportDamage(position: number, { message }: CorruptRecord): void {
    if (this.#damaged.has(position)) return;
    if (this.#damaged.size < DAMAGED_MAX) this.#damaged.add(position);
    this.#options.observer.emit(logEntryDamaged, { position, reason: message });
  }

  /**
   * The stored entries behind a position, as they are. LevelDB passes over what it cannot read, and says so at the end.
   * A range with both bounds below would ignore the tighter one.
   */
  async *records(after: number): AsyncGenerator<[number, Uint8Array]> {
    const range = { gt: KEYS.log(after), lt: keySpace("l").lt };
    try {
      for await (const [key, value] of this.#options.database.entries(range)) yield [numberOf(key), value];
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      if (!this.#unreadable) this.#options.observer.emit(logUnreadable, { after, reason: error.message });
      this.#unreadable = true;
    }
  }

  record(position: number): Promise<Uint8Array | undefined> {
    return this.#options.database.get(KEYS.log(position));
  }

  /** One batch, counted from the call on, durable when it resolves. */
  rewrite(change: Rewrite): Promise<void> {
    const book = this.#book;
    const operations: Operation[] = [];
    const replaced = new Set(change.put.map(({ position }) => position));
    for (const { position, bytes } of change.removed) {
      if (!replaced.has(position)) operations.push({ type: "del", key: KEYS.log(position) });
      book.bytes -= bytes;
      book.entries--;
      this.#damaged.delete(position);
    }
    for (const { position, value } of change.put) {
      operations.push({ type: "put", key: KEYS.log(position), value });
      book.bytes += entryBytes(value);
      book.entries++;
    }
    for (const loss of change.losses ?? []) {
      addLoss(book.losses, loss);
      book.dropped += loss.entries;
    }
    book.superseded += change.superseded ?? 0;
    book.coarsened += change.coarsened ?? 0;
    this.#tail = Math.max(this.#tail, change.tail ?? 0);
    operations.push(this.bookkeeping());
    return this.#options.database.write(operations).then(() => this.#rewritten());
  }

  /** Puts right what it says of itself, by what was found. */
  correct(by: { readonly entries: number; readonly bytes: number }): void {
    this.#book.entries += by.entries;
    this.#book.bytes += by.bytes;
  }

  /** It had come as far as that: no position is ever given to another entry. */
  reach(head: number): void {
    const book = this.#book;
    const entries = head - book.head;
    if (entries <= 0) return;
    addLoss(book.losses, { first: book.head + 1, last: head, entries });
    book.head = head;
    this.#options.observer.emit(logEntriesLost, { entries });
  }

  /**
   * How large the log is, so that the next start need not read all of it.
   * @param appending operations of the same batch
   */
  bookkeeping(appending: readonly Operation[] = []): Operation {
    const book = { ...this.#book };
    count(book, appending);
    const key = KEYS.meta("log");
    return { type: "put", key, value: encodeBook(book, key) };
  }
}
