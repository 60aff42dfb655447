import { CorruptRecord } from "../model/bytes.js";
import type { Clock } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import { greatest } from "../model/extremes.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { Cursor } from "../model/summary-log.js";
import { cursorOperation, decodeCursor } from "./cursors.js";
import type { Database } from "./database.js";
import type { Disk, KeyValues, Operation } from "./disk.js";
import { decodeBlock } from "./journal-codec.js";
import { KEYS, keySpace, numberOf } from "./keys.js";
import { decodeBook, emptyBook, encodeBook, type LogBook } from "./log-book.js";
import { readHead, readJson } from "./log-record.js";
import { decodeLosses, encodeLosses, LOSSES_KEY, type StateLoss } from "./losses.js";
import { entryBytes } from "./summary-log.js";

/**
 * What goes over from a store that was set aside into the new one: every intact summary that some target has not
 * confirmed, at its old position, the cursors, and what the log knows of itself. A flipped bit in a device's record
 * costs the open windows; it must not cost an outbox of a month.
 *
 * The new store also has to know through which time the old one may have sent summaries, so that what comes of those
 * windows now has ids of its own (losses.ts). That is the time of the wall clock and a little more, which no device in
 * good order is ahead of; for those that were ahead it is the newest time that the log and the journal have of them.
 *
 * A crash at any time is harmless: the new store is written to by nobody else before this is finished, everything
 * goes to the same keys again, and only then the disk forgets that there is something to carry over.
 */
const storeCarriedOver = defineEvent<{
  readonly from: string;
  readonly summaries: number;
  readonly damaged: number;
  readonly targets: number;
}>(
  "store-carried-over",
  "warn",
  "unsent summaries and the targets' positions were taken over from the store that was set aside; open windows were not",
);
const carryOverFailed = defineEvent<{ readonly from: string; readonly reason: string }>(
  "carry-over-failed",
  "error",
  "nothing could be taken over from the store that was set aside; what is left of its unsent summaries is in there",
);

const BATCH_BYTES_MAX = 1_048_576;
const READ_ENTRIES = 500;
/** Clocks of devices may be ahead by as much. */
const AHEAD_MS = 60_000;
/** And by as much where nothing can be read that would tell. */
const AHEAD_MS_UNTOLD = 600_000;

/** Of a target whose position cannot be read: it may have got everything, so all of it goes again, as it is. */
const UNTOLD: Cursor = { confirmed: 0, reserved: 0 };

export interface CarryOver {
  readonly disk: Disk;
  readonly database: Database;
  readonly clock: Clock;
  readonly observer: Observer;
  /** The operation that makes what is given part of the state. */
  readonly marked: (operation: Operation) => readonly Operation[];
}

/** @throws WeirError when the new store cannot be written */
export async function carryOver(on: CarryOver): Promise<void> {
  const from = await on.disk.leftBehind();
  if (from === undefined) return;
  const reader = new OldStore(on);
  try {
    const old = await on.disk.openLeftBehind();
    try {
      await reader.carry(old);
    } finally {
      await old.close();
    }
    on.observer.emit(storeCarriedOver, { from, ...reader.carried });
  } catch (error) {
    // That was about writing the new one.
    if (error instanceof WeirError) throw error;
    on.observer.emit(carryOverFailed, { from, reason: messageOf(error) });
    await on.database.write(on.marked(lossesOperation([reader.loss(AHEAD_MS_UNTOLD)])));
  }
  await on.disk.forgetLeftBehind();
}

function lossesOperation(losses: readonly StateLoss[]): Operation {
  return { type: "put", key: LOSSES_KEY, value: encodeLosses(losses) };
}

class OldStore {
  readonly carried = { summaries: 0, damaged: 0, targets: 0 };
  readonly #on: CarryOver;
  readonly #wallMs: number;
  /** By device, the newest time of it that is ahead of the wall clock. */
  readonly #ahead = new Map<string, number>();
  #batch: Operation[] = [];
  #batchBytes = 0;

  constructor(on: CarryOver) {
    this.#on = on;
    this.#wallMs = on.clock.wallMs();
  }

  /** Through which time the old store may have sent summaries. */
  loss(aheadMs: number): StateLoss {
    if (this.#on.clock.wallTrusted()) return { throughMs: this.#wallMs + aheadMs, ahead: this.#ahead };
    const throughMs = Math.max(this.#wallMs, greatest(this.#ahead.values()));
    return { throughMs, ahead: new Map() };
  }

  async carry(old: KeyValues): Promise<void> {
    const cursors = await this.#cursors(old);
    const book = await this.#book(old);
    const confirmed = Math.min(...[...cursors.values()].map((cursor) => cursor.confirmed));
    await this.#entries(old, book, cursors.size === 0 ? 0 : confirmed);
    await this.#times(old);
    // No position that a cursor has seen may ever stand for another summary.
    for (const { confirmed, reserved } of cursors.values()) {
      book.head = Math.max(book.head, confirmed, reserved);
    }
    for (const [target, cursor] of cursors) {
      if (cursor === UNTOLD) cursors.set(target, { confirmed: 0, reserved: book.head });
    }
    const earlier = await this.#read(old, LOSSES_KEY, decodeLosses);
    const key = KEYS.meta("log");
    await this.#on.database.write([
      ...this.#batch,
      ...[...cursors].map(([target, cursor]) => cursorOperation(target, cursor)),
      { type: "put", key, value: encodeBook(book, key) },
      ...this.#on.marked(lossesOperation([...(earlier ?? []), this.loss(AHEAD_MS)])),
    ]);
    this.carried.targets = cursors.size;
  }

  async #cursors(old: KeyValues): Promise<Map<string, Cursor>> {
    const cursors = new Map<string, Cursor>();
    const space = keySpace("c");
    for await (const [key, value] of entriesOf(old, space)) {
      cursors.set(key.slice(space.gte.length), intact(() => decodeCursor(value, key)) ?? UNTOLD);
    }
    return cursors;
  }

  async #book(old: KeyValues): Promise<LogBook> {
    const known = await this.#read(old, KEYS.meta("log"), decodeBook);
    return { ...(known ?? emptyBook()), entries: 0, bytes: 0 };
  }

  async #read<T>(
    old: KeyValues,
    key: string,
    decode: (value: Uint8Array, key: string) => T,
  ): Promise<T | undefined> {
    const value = await old.get(key).catch(() => undefined);
    return value === undefined ? undefined : intact(() => decode(value, key));
  }

  async #entries(old: KeyValues, book: LogBook, confirmed: number): Promise<void> {
    for await (const [key, value] of entriesOf(old, keySpace("l"))) {
      const position = numberOf(key);
      const head = intact(() => ({ of: readHead(value, position) }));
      if (head === undefined) {
        this.carried.damaged++;
        continue;
      }
      book.head = Math.max(book.head, position);
      this.#noteEnd(value, position, head.of?.endMs ?? 0);
      if (position <= confirmed) continue;
      book.entries++;
      book.bytes += entryBytes(value);
      this.carried.summaries++;
      await this.#put({ type: "put", key, value });
    }
  }

  #noteEnd(value: Uint8Array, position: number, endMs: number): void {
    if (endMs <= this.#wallMs) return;
    const { device } = JSON.parse(readJson(value, position)) as { readonly device: string };
    this.#note(device, endMs);
  }

  async #times(old: KeyValues): Promise<void> {
    for await (const [key, value] of entriesOf(old, keySpace("j"))) {
      const stored = intact(() => decodeBlock(value, key));
      for (const { device, times } of stored?.block.groups ?? []) {
        for (const timeMs of times) if (timeMs > this.#wallMs) this.#note(device, timeMs);
      }
    }
  }

  #note(device: string, aheadMs: number): void {
    this.#ahead.set(device, Math.max(aheadMs, this.#ahead.get(device) ?? aheadMs));
  }

  async #put(operation: Operation & { readonly type: "put" }): Promise<void> {
    this.#batch.push(operation);
    this.#batchBytes += operation.value.length;
    if (this.#batchBytes < BATCH_BYTES_MAX) return;
    await this.#on.database.write(this.#batch);
    this.#batch = [];
    this.#batchBytes = 0;
  }
}

/** What can be read of a range: LevelDB passes over damaged parts, and says so at the end. */
async function* entriesOf(
  old: KeyValues,
  range: { readonly gte: string; readonly lt: string },
): AsyncGenerator<[string, Uint8Array]> {
  const iterator = old.iterate(range);
  try {
    for (;;) {
      const some = await iterator.next(READ_ENTRIES).catch(() => []);
      if (some.length === 0) return;
      yield* some;
    }
  } finally {
    await iterator.close();
  }
}

function intact<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CorruptRecord)) throw error;
    return undefined;
  }
}
