import { ByteReader, ByteWriter, CorruptRecord, sealMark } from "../model/bytes.js";
import type { Operation } from "./disk.js";
import { KEYS, keySpace } from "./keys.js";
import { LOSSES_KEY } from "./losses.js";

/**
 * What the stored state has to consist of. Each record has a checksum of its own; this one record says which records
 * there are, because LevelDB passes over what is damaged in its own log and tables: records then vanish, or come back
 * as they were before.
 *
 * - Devices, groups, definitions and earlier losses: how many, and the sum of their marks (`sealMark`), which no other set of records
 *   has, nor the same set in an earlier version. A device knows its slices in the same way (engine/snapshot.ts). There
 *   may be a million devices, so their marks are not kept here: whoever writes a record says which one it replaces.
 * - Journal: from which block on it is kept. The blocks follow one another, so one that is missing shows, unless it
 *   is the newest.
 * - The number of this state, counted up in every batch that changes it. A block says which one it builds on, so a
 *   batch that is lost shows by what came behind it.
 *
 * So the state that passes is one that the store had after one of its commits. That it was the last one cannot be seen
 * from within: what can be seen of a lost end is reported by the disk, and by cursors that are ahead of the log.
 */
const VERSION = 1;
const KEY = KEYS.meta("state");
const DEVICES = keySpace("d").gte;
const GROUPS = keySpace("g").gte;
const DEFINITIONS = KEYS.meta("profile/");
/** Definitions of groups. */
export const GROUPS_KEY = KEYS.meta("groups");
/** What was in force before a change of definitions, while it is under way. */
export const CHANGE_KEY = KEYS.meta("change");

interface Expected {
  readonly records: number;
  readonly sum: number;
}

export class StateMark {
  readonly #expected: Expected;
  /** Marks of the records there are, by key, without those of devices. */
  readonly #marks = new Map<string, number>();
  #devices = 0;
  /** Of the marks of all records. */
  #sum = 0;
  #number: number;
  #journalFrom: number;

  private constructor(expected: Expected, number: number, journalFrom: number) {
    this.#expected = expected;
    this.#number = number;
    this.#journalFrom = journalFrom;
  }

  /** The operation that makes the mark of a store with nothing in it. */
  static first(): Operation {
    return new StateMark({ records: 0, sum: 0 }, 0, 1).#operation();
  }

  /** @throws CorruptRecord */
  static async read(get: (key: string) => Promise<Uint8Array | undefined>): Promise<StateMark> {
    const value = await get(KEY);
    if (value === undefined) throw new CorruptRecord("the mark of the state is missing");
    const reader = ByteReader.open(value, VERSION, KEY);
    const [number, journalFrom, records, sum] = [
      reader.varint(),
      reader.varint(),
      reader.varint(),
      reader.varint(),
    ];
    return new StateMark({ records, sum }, number, journalFrom);
  }

  /** What a block that is written now builds on. */
  get number(): number {
    return this.#number;
  }

  /** Position of the first block that is not contained in the records. */
  get journalFrom(): number {
    return this.#journalFrom;
  }

  /** To be told once of every record of these that is read at a start. @throws CorruptRecord */
  found(key: string, value: Uint8Array): void {
    if (value.length < 5) throw new CorruptRecord("the record is cut");
    if (isDevice(key)) this.#setDevice(sealMark(value), undefined);
    else this.#set(key, sealMark(value));
  }

  get #records(): number {
    return this.#marks.size + this.#devices;
  }

  /** To be called when all of them are read. @throws CorruptRecord */
  verify(): void {
    const { records, sum } = this.#expected;
    if (this.#records === records && this.#sum === sum) return;
    throw new CorruptRecord(
      this.#records === records
        ? "a record of the stored state is not the newest"
        : `the stored state has ${this.#records} records, not ${records}`,
    );
  }

  /** Whether these operations change what the mark says. */
  concerns(operations: readonly Operation[]): boolean {
    return operations.some(({ key }) => isMarked(key));
  }

  /**
   * The operation that goes into the batch of these; they count from now on.
   * @param replaced marks of the device records in whose place others come, by key
   */
  change(
    operations: readonly Operation[],
    dropJournalThrough: number,
    replaced?: ReadonlyMap<string, number>,
  ): Operation {
    for (const operation of operations) {
      const { key } = operation;
      if (!isMarked(key)) continue;
      const mark = operation.type === "put" ? sealMark(operation.value) : undefined;
      if (isDevice(key)) this.#setDevice(mark, replaced?.get(key));
      else this.#set(key, mark);
    }
    this.#journalFrom = Math.max(this.#journalFrom, dropJournalThrough + 1);
    this.#number++;
    return this.#operation();
  }

  #operation(): Operation {
    const writer = new ByteWriter();
    writer.varint(this.#number);
    writer.varint(this.#journalFrom);
    writer.varint(this.#records);
    writer.varint(this.#sum);
    return { type: "put", key: KEY, value: writer.seal(VERSION, KEY) };
  }

  #setDevice(mark: number | undefined, before: number | undefined): void {
    this.#sum += (mark ?? 0) - (before ?? 0);
    this.#devices += (mark === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
  }

  #set(key: string, mark: number | undefined): void {
    this.#sum += (mark ?? 0) - (this.#marks.get(key) ?? 0);
    if (mark === undefined) this.#marks.delete(key);
    else this.#marks.set(key, mark);
  }
}

function isDevice(key: string): boolean {
  return key.startsWith(DEVICES);
}

function isMarked(key: string): boolean {
  const isState = isDevice(key) || key.startsWith(GROUPS) || key.startsWith(DEFINITIONS);
  return isState || key === GROUPS_KEY || key === CHANGE_KEY || key === LOSSES_KEY;
}
