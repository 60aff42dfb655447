import { ByteReader, ByteWriter } from "../model/bytes.js";

/**
 * What the log knows of itself, so that a start need not read all of it: how many entries of how many bytes there are
 * up to `head`, and what has become of summaries when it was full. Written in the batches that change it otherwise
 * than by appending.
 */
const VERSION = 2;

/** Summaries that were given up before every target had them. */
export interface Loss {
  readonly first: number;
  readonly last: number;
  readonly entries: number;
}

export interface LogBook {
  /** Position of the newest entry that `entries` and `bytes` count. */
  head: number;
  entries: number;
  bytes: number;
  /** Ever: given up before every target had confirmed them. */
  dropped: number;
  /** Ever: revisions that a later one replaced before they were sent. */
  superseded: number;
  /** Ever: windows of the original size that were merged into coarser ones. */
  coarsened: number;
  /** By position; the oldest are joined where there are many. */
  losses: Loss[];
}

const LOSSES_MAX = 64;

export function emptyBook(): LogBook {
  return { head: 0, entries: 0, bytes: 0, dropped: 0, superseded: 0, coarsened: 0, losses: [] };
}

export function encodeBook(book: LogBook, key: string): Uint8Array {
  const writer = new ByteWriter();
  for (const value of [
    book.head,
    book.entries,
    book.bytes,
    book.dropped,
    book.superseded,
    book.coarsened,
    book.losses.length,
  ]) {
    writer.varint(value);
  }
  for (const { first, last, entries } of book.losses) {
    writer.varint(first);
    writer.varint(last);
    writer.varint(entries);
  }
  return writer.seal(VERSION, key);
}

/** @throws CorruptRecord */
export function decodeBook(value: Uint8Array, key: string): LogBook {
  const reader = ByteReader.open(value, VERSION, key);
  const next = () => reader.varint();
  const book = {
    head: next(),
    entries: next(),
    bytes: next(),
    dropped: next(),
    superseded: next(),
    coarsened: next(),
  };
  const losses = Array.from({ length: reader.count() }, () => ({
    first: next(),
    last: next(),
    entries: next(),
  }));
  return { ...book, losses };
}

/** Adds a loss behind those that are known. */
export function addLoss(losses: Loss[], loss: Loss): void {
  losses.push(loss);
  if (losses.length <= LOSSES_MAX) return;
  const [oldest, next] = losses as [Loss, Loss];
  losses.splice(0, 2, {
    first: oldest.first,
    last: next.last,
    entries: oldest.entries + next.entries,
  });
}

/** Entries lost after one position and up to another; where a loss lies across the bounds it is the most it can be. */
export function lostBetween(losses: readonly Loss[], after: number, through: number): number {
  let lost = 0;
  for (const { first, last, entries } of losses) {
    const inside = Math.min(last, through) - Math.max(first, after + 1) + 1;
    if (inside > 0) lost += Math.min(entries, inside);
  }
  return lost;
}
