import type { Block } from "../model/block.js";
import { ByteReader, ByteWriter, CorruptRecord, type KeyedRecord } from "../model/bytes.js";
import { WeirError } from "../model/errors.js";
import type { Summary } from "../model/summary.js";
import type { Cursor, Cursors } from "../model/summary-log.js";
import { carryOver } from "./carry-over.js";
import type { Coarsening } from "./coarsen.js";
import { StoredCursors } from "./cursors.js";
import { Database, type DatabaseOptions, setAside } from "./database.js";
import type { Operation } from "./disk.js";
import { decodeBlock, encodeBlock } from "./journal-codec.js";
import { KEYS, keySpace, numberOf } from "./keys.js";
import { LogCheck } from "./log-check.js";
import { decodeLosses, LOSSES_KEY, type StateLoss } from "./losses.js";
import { CHANGE_KEY, GROUPS_KEY, StateMark } from "./state-mark.js";
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
 *
 * Every record has a checksum over its key and content, and one record says what the state consists of
 * (state-mark.ts): a store of which a part is missing, or older than the rest, is as damaged as one with a flipped bit.
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
  /** Records of devices, slices and groups, definitions. */
  readonly records: readonly Operation[];
  /** Journal blocks up to this position are in the records and can go. */
  readonly dropJournalThrough?: number;
  /** Marks (`sealMark`) of the device records in whose place others come, by key. */
  readonly replaced?: ReadonlyMap<string, number>;
}

/** Format of the whole database; a program does not touch one that is newer than itself. No earlier one was released. */
const FORMAT = 3;
/** How the format is written down: the same in every format to come. */
const FORMAT_VERSION = 1;
const DEFINITION_VERSION = 1;
const CONDEMNED_KEY = KEYS.meta("condemned");
const CONDEMNED_VERSION = 1;

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
  readonly #mark: StateMark;
  readonly #check: LogCheck;
  /** What stores before this one have lost. */
  readonly losses: readonly StateLoss[];

  private constructor(parts: {
    readonly database: Database;
    readonly log: StoredSummaryLog;
    readonly cursors: StoredCursors;
    readonly trimmer: LogTrimmer;
    readonly upkeep: Upkeep;
    readonly mark: StateMark;
    readonly check: LogCheck;
    readonly losses: readonly StateLoss[];
    readonly journalTail: number | undefined;
  }) {
    this.#database = parts.database;
    this.log = parts.log;
    this.#cursors = parts.cursors;
    this.#trimmer = parts.trimmer;
    this.upkeep = parts.upkeep;
    this.#mark = parts.mark;
    this.#check = parts.check;
    this.losses = parts.losses;
    this.#journalTail = parts.journalTail;
  }

  /** @throws WeirError `store-locked`, `store-unavailable`; a damaged store is set aside instead */
  static async open(options: StoreOptions): Promise<Store> {
    const database = await Database.open(options);
    try {
      await claim(database, options.path);
      const condemned = await database.get(CONDEMNED_KEY);
      if (condemned !== undefined) {
        throw new CorruptRecord(ByteReader.open(condemned, CONDEMNED_VERSION, CONDEMNED_KEY).text());
      }
      if ((await database.disk.leftBehind()) !== undefined) await takeOver(database, options);
      const mark = await StateMark.read((key) => database.get(key));
      const losses = await readLosses(database, mark);
      const log = await StoredSummaryLog.open({
        database,
        observer: options.observer,
        bytesMax: options.logBytesMax,
      });
      const check = await LogCheck.begin(log, options.observer);
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
      return new Store({ database, log, cursors, trimmer, upkeep, mark, check, losses, journalTail });
    } catch (error) {
      await database.close();
      if (!(error instanceof CorruptRecord)) throw error;
      await setAside(options, error.message);
      return await Store.open(options);
    }
  }

  /** Resolves when the log has been read through. */
  get logChecked(): Promise<void> {
    return this.#check.ended;
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

  /** Position of the first journal block that the records do not contain. */
  get journalFrom(): number {
    return this.#mark.journalFrom;
  }

  /** Resolves when everything of the commit is synced. Retries for as long as it takes. */
  async commit(commit: Commit): Promise<void> {
    const operations: Operation[] = [];
    const summaries = this.log.appendOperations(commit.summaries);
    let journalBytes = 0;
    if (commit.block !== undefined) {
      const place = { state: this.#mark.number, logHead: this.log.head() + summaries.length };
      const value = encodeBlock(commit.block, place);
      journalBytes = value.length;
      operations.push({ type: "put", key: KEYS.journal(commit.block.sequence), value });
    }
    // There may be more than fit on the stack as arguments.
    for (const operation of summaries) operations.push(operation);
    for (const operation of commit.records) operations.push(operation);
    const through = commit.dropJournalThrough ?? 0;
    const tail = this.#journalTail ?? commit.block?.sequence;
    for (let sequence = tail ?? through + 1; sequence <= through; sequence++) {
      operations.push({ type: "del", key: KEYS.journal(sequence) });
    }
    if (through > 0) operations.push(this.log.bookkeeping(summaries));
    if (through > 0 || this.#mark.concerns(commit.records)) {
      operations.push(this.#mark.change(commit.records, through, commit.replaced));
    }
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

  /** Journal blocks in order, without those that the records contain. @throws CorruptRecord */
  async *journal(): AsyncGenerator<Block> {
    let expected = this.#mark.journalFrom;
    let logHead = 0;
    for await (const [key, value] of this.#database.entries(keySpace("j"))) {
      this.#journalBytes += value.length;
      this.#journalBlocks++;
      const { block, place } = decodeBlock(value, key);
      if (block.sequence < this.#mark.journalFrom) continue;
      if (block.sequence !== expected) throw new CorruptRecord(`journal block ${expected} is missing`);
      if (place.state > this.#mark.number)
        throw new CorruptRecord("what the journal builds on is not in the store");
      expected++;
      logHead = place.logHead;
      yield block;
    }
    this.log.reach(logHead);
  }

  /** Device records; to be gone over once. @throws CorruptRecord when they are not all there */
  async *devices(): AsyncGenerator<KeyedRecord> {
    for await (const [key, value] of this.#database.entries(keySpace("d"))) {
      this.#mark.found(key, value);
      yield { key, value };
    }
    this.#mark.verify();
  }

  /** Whether single records can be read at once. */
  get isReadable(): boolean {
    return this.#database.isReadable;
  }

  /** Resolves when they can, for as long as nobody closes the database to mend it: ask `isReadable` again. @throws as `Database.readable` */
  readable(): Promise<void> {
    return this.#database.readable();
  }

  /** The stored record of a device. @throws CorruptRecord, and WeirError `store-read-failed` when it is not readable */
  device(profile: string, device: string): KeyedRecord | undefined {
    return this.#record(KEYS.device(profile, device));
  }

  /** And that of one of its slices; throws as `device` does. */
  slice(profile: string, device: string, id: number): KeyedRecord | undefined {
    return this.#record(KEYS.slice(profile, device, id));
  }

  #record(key: string): KeyedRecord | undefined {
    const value = this.#database.getSync(key);
    return value === undefined ? undefined : { key, value };
  }

  /**
   * Notes that a record was found damaged while the agent ran: the next start sets the store aside, as it does with what
   * it finds itself.
   */
  async condemn(reason: string): Promise<void> {
    const writer = new ByteWriter();
    writer.text(reason);
    const key = CONDEMNED_KEY;
    await this.#database.write([{ type: "put", key, value: writer.seal(CONDEMNED_VERSION, key) }]);
  }

  /** Profile definitions by hash, as kept with `definitionOperation`; to be read before the devices. */
  async definitions(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const prefix = KEYS.meta("profile/");
    for await (const [key, value] of this.#database.entries({ gte: prefix, lt: `${prefix}\uffff` })) {
      this.#mark.found(key, value);
      found.set(key.slice(prefix.length), ByteReader.open(value, DEFINITION_VERSION, key).text());
    }
    return found;
  }

  /** Definitions of groups as kept with `groupDefinitionsOperation`; undefined where there never were any. */
  groupDefinitions(): Promise<string | undefined> {
    return this.#text(GROUPS_KEY);
  }

  /** What was in force before a change, as kept with `changeOperation`; undefined where none is under way. */
  change(): Promise<string | undefined> {
    return this.#text(CHANGE_KEY);
  }

  async #text(key: string): Promise<string | undefined> {
    const value = await this.#database.get(key);
    if (value === undefined) return undefined;
    this.#mark.found(key, value);
    return ByteReader.open(value, DEFINITION_VERSION, key).text();
  }

  groupDefinitionsOperation(definitions: string): Operation {
    return textOperation(GROUPS_KEY, definitions);
  }

  changeOperation(before: string | undefined): Operation {
    return textOperation(CHANGE_KEY, before);
  }

  /** Group records; to be read before the devices. */
  async groups(): Promise<KeyedRecord[]> {
    const records: KeyedRecord[] = [];
    for await (const [key, value] of this.#database.entries(keySpace("g"))) {
      this.#mark.found(key, value);
      records.push({ key, value });
    }
    return records;
  }

  definitionOperation(hash: string, definition: string | undefined): Operation {
    return textOperation(KEYS.meta(`profile/${hash}`), definition);
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
    await this.#check.stop();
    await this.#database.close();
  }
}

function textOperation(key: string, text: string | undefined): Operation {
  if (text === undefined) return { type: "del", key };
  const writer = new ByteWriter();
  writer.text(text);
  return { type: "put", key, value: writer.seal(DEFINITION_VERSION, key) };
}

/** Sees to it that the store is one of this format. @throws WeirError `store-too-new`, CorruptRecord */
async function claim(database: Database, path: string): Promise<void> {
  const key = KEYS.meta("format");
  const found = await database.get(key);
  if (found === undefined) return await begin(database, key);
  const format = found.length === 1 ? 1 : ByteReader.open(found, FORMAT_VERSION, key).varint();
  if (format < FORMAT) throw new CorruptRecord("the store is of an earlier format, which was never released");
  if (format > FORMAT) {
    throw new WeirError(
      "store-too-new",
      `the store ${path} has format ${format}; this Weir knows ${FORMAT}`,
      {
        hint: "install the newer version of Weir again, or choose another store.path",
      },
    );
  }
}

async function begin(database: Database, key: string): Promise<void> {
  const [stray] = await database.keys({ limit: 1 });
  if (stray !== undefined) throw new CorruptRecord("the store does not say what format it has");
  const writer = new ByteWriter();
  writer.varint(FORMAT);
  await database.write([{ type: "put", key, value: writer.seal(FORMAT_VERSION, key) }, StateMark.first()]);
}

/** Takes over what there is to take over from the store that was set aside last. */
async function takeOver(database: Database, { clock, observer }: StoreOptions): Promise<void> {
  const mark = await StateMark.read((key) => database.get(key));
  // There when a crash came between taking over and being done with it.
  const known = await database.get(LOSSES_KEY);
  if (known !== undefined) mark.found(LOSSES_KEY, known);
  const marked = (operation: Operation) => [operation, mark.change([operation], 0)];
  await carryOver({ disk: database.disk, database, clock, observer, marked });
}

async function readLosses(database: Database, mark: StateMark): Promise<StateLoss[]> {
  const value = await database.get(LOSSES_KEY);
  if (value === undefined) return [];
  mark.found(LOSSES_KEY, value);
  return decodeLosses(value);
}
