import { CorruptRecord } from "../model/bytes.js";
import { WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import { readHead } from "./log-record.js";
import { entryBytes, logEntriesLost, type StoredSummaryLog } from "./summary-log.js";

/**
 * Reading the summary log through once after each start, beside everything else, because nothing else would notice
 * that entries are gone: where the log was made coarser, positions are missing that nobody misses. What is there is
 * counted, and compared with what the log says of itself (log-book.ts). It reads a view of the moment of the start,
 * so what is written meanwhile does not matter. A database that is closed for mending meanwhile ends it: the next
 * start reads again.
 */
const logEntriesBack = defineEvent<{ readonly entries: number }>(
  "log-entries-back",
  "error",
  "summaries are in the log again that were dropped or merged: the disk has lost that; readings may count twice upstream",
);

export class LogCheck {
  readonly #log: StoredSummaryLog;
  readonly #observer: Observer;
  readonly #expected: { readonly entries: number; readonly bytes: number };
  readonly #records: AsyncGenerator<[number, Uint8Array]>;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(log: StoredSummaryLog, observer: Observer) {
    this.#log = log;
    this.#observer = observer;
    this.#expected = { entries: log.count(), bytes: log.bytes };
    this.#records = log.records(0);
  }

  /** To be called before anything is written; resolves when the view is taken. */
  static async begin(log: StoredSummaryLog, observer: Observer): Promise<LogCheck> {
    const check = new LogCheck(log, observer);
    const first = await check.#records.next();
    check.#running = check.#run(first).catch((error: unknown) => {
      if (!(error instanceof WeirError)) throw error;
    });
    return check;
  }

  /** Resolves when it has ended. */
  get ended(): Promise<void> {
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(first: IteratorResult<[number, Uint8Array], unknown>): Promise<void> {
    let entries = 0;
    let bytes = 0;
    for (let next = first; next.done !== true; next = await this.#records.next()) {
      if (this.#stopped) {
        await this.#records.return(undefined);
        return;
      }
      const [position, value] = next.value;
      entries++;
      bytes += entryBytes(value);
      try {
        readHead(value, position);
      } catch (error) {
        if (!(error instanceof CorruptRecord)) throw error;
        this.#log.reportDamage(position, error);
      }
    }
    const missing = this.#expected.entries - entries;
    if (missing > 0) this.#observer.emit(logEntriesLost, { entries: missing });
    else if (missing < 0) this.#observer.emit(logEntriesBack, { entries: -missing });
    this.#log.correct({ entries: -missing, bytes: bytes - this.#expected.bytes });
  }
}
