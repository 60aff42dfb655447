import { ByteReader, ByteWriter } from "../model/bytes.js";
import type { Cursor, Cursors } from "../model/summary-log.js";
import type { Database } from "./database.js";
import type { Operation } from "./disk.js";
import { KEYS, keySpace } from "./keys.js";

/**
 * The cursors of all targets that were ever seen, in the store and in memory. A cursor counts from the moment its
 * save is begun: writes follow one another, so a batch that is begun later, against the cursors of that moment, can
 * never be in the store without them.
 */
const VERSION = 2;

export class StoredCursors implements Cursors {
  readonly #database: Database;
  readonly #cursors = new Map<string, Cursor>();
  #version = 0;

  private constructor(database: Database) {
    this.#database = database;
  }

  /** @throws CorruptRecord */
  static async open(database: Database): Promise<StoredCursors> {
    const cursors = new StoredCursors(database);
    const space = keySpace("c");
    for await (const [key, value] of database.entries(space)) {
      cursors.#cursors.set(key.slice(space.gte.length), decodeCursor(value, key));
    }
    return cursors;
  }

  /** Another one after every change. */
  get version(): number {
    return this.#version;
  }

  /** Those of all targets, also of such that are not configured at present: they may come back. */
  all(): readonly Cursor[] {
    return [...this.#cursors.values()];
  }

  /** Up to where every one of these targets has confirmed; undefined when there is none of them. */
  confirmedBy(targets: readonly string[]): number | undefined {
    if (targets.length === 0) return undefined;
    return Math.min(...targets.map((target) => this.#cursors.get(target)?.confirmed ?? 0));
  }

  async load(target: string): Promise<Cursor | undefined> {
    return this.#cursors.get(target);
  }

  async save(target: string, cursor: Cursor): Promise<void> {
    this.#cursors.set(target, cursor);
    this.#version++;
    await this.#database.write([cursorOperation(target, cursor)]);
  }
}

export function cursorOperation(target: string, { confirmed, reserved }: Cursor): Operation {
  const writer = new ByteWriter();
  writer.varint(confirmed);
  writer.varint(Math.max(0, reserved - confirmed));
  const key = KEYS.cursor(target);
  return { type: "put", key, value: writer.seal(VERSION, key) };
}

/** @throws CorruptRecord */
export function decodeCursor(value: Uint8Array, key: string): Cursor {
  const reader = ByteReader.open(value, VERSION, key);
  const confirmed = reader.varint();
  return { confirmed, reserved: confirmed + reader.varint() };
}
