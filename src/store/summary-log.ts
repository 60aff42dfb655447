import { ByteReader, ByteWriter, CorruptRecord } from "../model/bytes.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { LogEntry } from "../model/summary.js";
import type { SummaryLog } from "../model/summary-log.js";
import type { Database } from "./database.js";
import type { Operation } from "./disk.js";
import { KEYS, keySpace, numberOf } from "./keys.js";

/**
 * The summary log: every revision of every summary, appended in the batch of the journal block that caused it.
 * It is the local history and the outbox of every target at once.
 *
 * Its size is bounded by `logBytesMax`. When it grows over, the oldest entries that every target has confirmed go
 * first; when that is not enough, the oldest of the others go too, which is counted and reported as loss.
 */
const VERSION = 1;
const BOOKKEEPING_VERSION = 1;
/** Bytes an entry takes beside its JSON: key, envelope, LevelDB's own. */
const ENTRY_OVERHEAD_BYTES = 32;
const TRIM_ENTRIES_MAX = 2_000;
/** How far below the bound a trim goes, so that not every commit has to trim. */
const TRIM_TO = 0.9;

const logTrimmedUnsent = defineEvent<{ readonly entries: number; readonly through: number }>(
  "log-unsent-dropped",
  "error",
  "the summary log is full; the oldest summaries were dropped before every target had them",
);
const logEntryDamaged = defineEvent<{ readonly position: number; readonly reason: string }>(
  "log-entry-damaged",
  "error",
  "a summary in the log is damaged and is passed over",
);

export interface SummaryLogOptions {
  readonly database: Database;
  readonly observer: Observer;
  readonly bytesMax: number;
}

export class StoredSummaryLog implements SummaryLog {
  readonly #options: SummaryLogOptions;
  readonly #listeners = new Set<() => void>();
  #head = 0;
  #tail = 1;
  #bytes = 0;
  /** Entries that were dropped before every target had confirmed them. */
  dropped = 0;

  private constructor(options: SummaryLogOptions) {
    this.#options = options;
  }

  static async open(options: SummaryLogOptions): Promise<StoredSummaryLog> {
    const log = new StoredSummaryLog(options);
    const { database } = options;
    const book = await database.get(KEYS.meta("log"));
    let counted = 0;
    if (book !== undefined) {
      const reader = ByteReader.open(book, BOOKKEEPING_VERSION);
      counted = reader.varint();
      log.#bytes = reader.varint();
      log.dropped = reader.varint();
    }
    log.#head = counted;
    for await (const [key, value] of database.entries(behind(counted))) {
      log.#head = numberOf(key);
      log.#bytes += value.length + ENTRY_OVERHEAD_BYTES;
    }
    const [first] = await database.keys({ ...keySpace("l"), limit: 1 });
    log.#tail = first === undefined ? log.#head + 1 : numberOf(first);
    if (first === undefined) log.#bytes = 0;
    return log;
  }

  head(): number {
    return this.#head;
  }

  tail(): number {
    return this.#tail;
  }

  /** Bytes the log takes, approximately. */
  get bytes(): number {
    return this.#bytes;
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Operations that append; `appended` must follow when they are durable. */
  appendOperations(summaries: readonly string[]): Operation[] {
    const operations = summaries.map(
      (json, i): Operation => ({ type: "put", key: KEYS.log(this.#head + 1 + i), value: sealText(json) }),
    );
    return operations;
  }

  appended(operations: readonly Operation[]): void {
    if (operations.length === 0) return;
    this.#head += operations.length;
    for (const operation of operations) {
      if (operation.type === "put") this.#bytes += operation.value.length + ENTRY_OVERHEAD_BYTES;
    }
    for (const listener of this.#listeners) listener();
  }

  async read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    if (after >= this.#head) return entries;
    let bytes = 0;
    for await (const [key, value] of this.#options.database.entries(behind(after))) {
      const entry = this.#entry(key, value);
      if (entry === undefined) continue;
      if (entries.length >= bounds.entriesMax) break;
      bytes += value.length;
      if (bytes > bounds.bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  #entry(key: string, value: Uint8Array): LogEntry | undefined {
    try {
      return { position: numberOf(key), json: openText(value) };
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      this.#options.observer.emit(logEntryDamaged, { position: numberOf(key), reason: error.message });
      return undefined;
    }
  }

  /** Makes room when the log is over its bound. @param confirmed position that every target has confirmed */
  async trim(confirmed: number): Promise<void> {
    const { bytesMax, database, observer } = this.#options;
    while (this.#bytes > bytesMax) {
      const goal = this.#bytes - bytesMax * TRIM_TO;
      const operations: Operation[] = [];
      let freed = 0;
      let last = this.#tail - 1;
      for await (const [key, value] of database.entries({ ...keySpace("l"), limit: TRIM_ENTRIES_MAX })) {
        operations.push({ type: "del", key });
        freed += value.length + ENTRY_OVERHEAD_BYTES;
        last = numberOf(key);
        if (freed >= goal) break;
      }
      if (operations.length === 0) return;
      const lost = Math.max(0, last - Math.max(confirmed, this.#tail - 1));
      this.#bytes -= freed;
      this.dropped += lost;
      operations.push(this.bookkeeping());
      await database.write(operations);
      this.#tail = last + 1;
      if (lost > 0) observer.emit(logTrimmedUnsent, { entries: lost, through: last });
    }
  }

  /** How large the log is, so that the next start need not read all of it. */
  bookkeeping(): Operation {
    const writer = new ByteWriter();
    writer.varint(this.#head);
    writer.varint(Math.max(0, Math.round(this.#bytes)));
    writer.varint(this.dropped);
    return { type: "put", key: KEYS.meta("log"), value: writer.seal(BOOKKEEPING_VERSION) };
  }
}

/** The log behind a position. A range with both bounds below would silently ignore the tighter one. */
function behind(position: number): { readonly gt: string; readonly lt: string } {
  return { gt: KEYS.log(position), lt: keySpace("l").lt };
}

function sealText(text: string): Uint8Array {
  const writer = new ByteWriter();
  writer.text(text);
  return writer.seal(VERSION);
}

function openText(value: Uint8Array): string {
  return ByteReader.open(value, VERSION).text();
}
