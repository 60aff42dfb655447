import type { Block } from "../model/block.js";
import { ByteReader, ByteWriter, CorruptRecord } from "../model/bytes.js";
import { WeirError } from "../model/errors.js";
import type { Summary } from "../model/summary.js";
import type { Cursor, Cursors } from "../model/summary-log.js";
import type { Coarsening } from "./coarsen.js";
import { StoredCursors } from "./cursors.js";
import { Database, type DatabaseOptions, setAside } from "./database.js";
import type { Operation } from "./disk.js";
import { decodeBlock, encodeBlock } from "./journal-codec.js";
import { deviceOfSlice, KEYS, keySpace, numberOf } from "./keys.js";
import { StoredSummaryLog } from "./summary-log.js";
import { LogTrimmer } from "./trim.js";
import { Upkeep } from "./upkeep.js";

/**
 * Everything an agent keeps, in one LevelDB: journal, devices and their slices, summary log, cursors.
 *
 * One commit is one synced batch: the journal block, the summaries that block caused, and whatever device and
 * slice records are written along. So a summary is in the log exactly if its block is in the journal, and
 * replaying the journal never has to emit anything. Recovery is: read the devices, replay the journal over them
 * (each device skips what its record already includes), go on.
 */
export interface StoreOptions extends DatabaseOptions {
  readonly logBytesMax: number;
  /** What may be in the database at a time; files beyond it are compacted. As large as it likes unless given. */
  readonly databaseBytesMax?: number;
  /** How unsent summaries are merged when the log is full; they are dropped at once unless given. */
  readonly coarsening?: Coarsening;
}

export interface Commit {
  readonly block?: Block;
  /** What the block, or a change of definition, caused; as JSON where nobody will want to merge it. */
  readonly summaries: readonly (Summary | string)[];
  /** Device and slice records, profile definitions. */
  readonly records: readonly Operation[];
  /** Journal blocks up to this position are in the records and can go. */
  readonly dropJournalThrough?: number;
}

/** Format of the whole database; a program does not touch one that is newer than itself. */
const FORMAT = 1;
const DEFINITION_VERSION = 1;

export class Store implements Cursors {
  readonly #database: Database;
  readonly log: StoredSummaryLog;
  readonly upkeep: Upkeep;
  /** Position of the oldest journal block still there; undefined until there is one. */
  #journalTail: number | undefined;
  #journalBytes = 0;
  #journalBlocks = 0;
  readonly #cursors: StoredCursors;
  readonly #trimmer: LogTrimmer;

  private constructor(parts: {
    readonly database: Database;
    readonly log: StoredSummaryLog;
    readonly cursors: StoredCursors;
    readonly trimmer: LogTrimmer;
    readonly upkeep: Upkeep;
    readonly journalTail: number | undefined;
  }) {
    this.#database = parts.database;
    this.log = parts.log;
    this.#cursors = parts.cursors;
    this.#trimmer = parts.trimmer;
    this.upkeep = parts.upkeep;
    this.#journalTail = parts.journalTail;
  }

  /** @throws WeirError `store-locked`, `store-unavailable`; a damaged store is set aside instead */
  static async open(options: StoreOptions): Promise<Store> {
    const database = await Database.open(options);
    try {
      await claimFormat(database, options.path);
      const log = await StoredSummaryLog.open({
        database,
        observer: options.observer,
        bytesMax: options.logBytesMax,
      });
      const cursors = await StoredCursors.open(database);
      const { observer, coarsening } = options;
      const trimmer = new LogTrimmer({ log, cursors, observer, coarsening });
      const [oldest] = await database.keys({ ...keySpace("j"), limit: 1 });
      const upkeep = new Upkeep({
        database,
        observer: options.observer,
        budgetBytes: options.databaseBytesMax ?? Number.POSITIVE_INFINITY,
        logTail: () => log.tail(),
      });
      await upkeep.begin();
      const journalTail = oldest === undefined ? undefined : numberOf(oldest);
      return new Store({ database, log, cursors, trimmer, upkeep, journalTail });
    } catch (error) {
      await database.close();
      if (!(error instanceof CorruptRecord)) throw error;
      await setAside(options, error.message);
      return await Store.open(options);
    }
  }

  /** Why writes fail at present; undefined when they do not. */
  get failing(): string | undefined {
    return this.#database.failing;
  }

  /** Milliseconds that a synced write takes at present. */
  get writeMs(): number {
    return this.#database.writeMs;
  }

  /** Journal bytes since the last checkpoint. */
  get journalBytes(): number {
    return this.#journalBytes;
  }

  /** Journal blocks since the last checkpoint. */
  get journalBlocks(): number {
    return this.#journalBlocks;
  }

  /** Resolves when everything of the commit is synced. Retries for as long as it takes. */
  async commit(commit: Commit): Promise<void> {
    const operations: Operation[] = [];
    let journalBytes = 0;
    if (commit.block !== undefined) {
      const value = encodeBlock(commit.block);
      journalBytes = value.length;
      operations.push({ type: "put", key: KEYS.journal(commit.block.sequence), value });
    }
    const summaries = this.log.appendOperations(commit.summaries);
    operations.push(...summaries, ...commit.records);
    const through = commit.dropJournalThrough ?? 0;
    const tail = this.#journalTail ?? commit.block?.sequence;
    for (let sequence = tail ?? through + 1; sequence <= through; sequence++) {
      operations.push({ type: "del", key: KEYS.journal(sequence) });
    }
    if (through > 0) operations.push(this.log.bookkeeping());
    await this.#database.write(operations);
    if (tail !== undefined || through > 0) this.#journalTail = Math.max(tail ?? 0, through + 1);
    if (tail !== undefined && through >= tail) {
      this.#journalBytes = 0;
      this.#journalBlocks = 0;
    } else if (commit.block !== undefined) {
      this.#journalBytes += journalBytes;
      this.#journalBlocks++;
    }
    this.log.appended(summaries);
    if (through > 0) this.upkeep.look();
  }

  /** Journal blocks in order. @throws CorruptRecord */
  async *journal(): AsyncGenerator<Block> {
    for await (const [, value] of this.#database.entries(keySpace("j"))) {
      this.#journalBytes += value.length;
      this.#journalBlocks++;
      yield decodeBlock(value);
    }
  }

  /** Device records, each with its slices' records. */
  async *devices(): AsyncGenerator<{ readonly device: Uint8Array; readonly slices: readonly Uint8Array[] }> {
    const slices = this.#database.entries(keySpace("s"));
    let next = await slices.next();
    try {
      for await (const [key, device] of this.#database.entries(keySpace("d"))) {
        const name = key.slice(1);
        const own: Uint8Array[] = [];
        while (!next.done && inOrder(deviceOfSlice(next.value[0]), name)) {
          if (deviceOfSlice(next.value[0]) === name) own.push(next.value[1]);
          next = await slices.next();
        }
        yield { device, slices: own };
      }
    } finally {
      await slices.return(undefined);
    }
  }

  /** Profile definitions by hash, as kept with `definitionOperation`. */
  async definitions(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const prefix = KEYS.meta("profile/");
    for await (const [key, value] of this.#database.entries({ gte: prefix, lt: `${prefix}\uffff` })) {
      found.set(key.slice(prefix.length), ByteReader.open(value, DEFINITION_VERSION).text());
    }
    return found;
  }

  definitionOperation(hash: string, definition: string | undefined): Operation {
    const key = KEYS.meta(`profile/${hash}`);
    if (definition === undefined) return { type: "del", key };
    const writer = new ByteWriter();
    writer.text(definition);
    return { type: "put", key, value: writer.seal(DEFINITION_VERSION) };
  }

  load(target: string): Promise<Cursor | undefined> {
    return this.#cursors.load(target);
  }

  save(target: string, cursor: Cursor): Promise<void> {
    return this.#cursors.save(target, cursor);
  }

  /**
   * Makes room in the log when it is over its bound (trim.ts); one call at a time.
   * @param targets those that are configured, at any moment: their confirmation counts
   */
  async trimLog(targets: () => readonly string[]): Promise<void> {
    await this.#trimmer.trim(targets);
    this.upkeep.look();
  }

  async close(): Promise<void> {
    await this.upkeep.stop();
    await this.#database.close();
  }
}

/** LevelDB orders keys by their bytes, which is not the order of UTF-16 code units. */
function inOrder(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) <= 0;
}

async function claimFormat(database: Database, path: string): Promise<void> {
  const key = KEYS.meta("format");
  const found = await database.get(key);
  if (found === undefined) {
    await database.write([{ type: "put", key, value: Uint8Array.of(FORMAT) }]);
  } else if (found[0]! > FORMAT) {
    throw new WeirError(
      "store-too-new",
      `the store ${path} has format ${found[0]}; this Weir knows ${FORMAT}`,
      {
        hint: "install the newer version of Weir again, or choose another store.path",
      },
    );
  }
}
