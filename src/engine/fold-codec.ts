import type { ByteReader, ByteWriter } from "../model/bytes.js";
import { readBounds, writeBounds } from "./bound-codec.js";
import { readCells, writeCells } from "./cells-codec.js";
import { branch, type Fold, foldTo, type Position } from "./fold.js";
import type { FoldPlan, Plan } from "./plan.js";
import type { TimeLine } from "./slice.js";

/**
 * How a fold is stored: where it stands for good, and what it has told beyond. How it stands at the watermark follows
 * from the readings in between, which are stored with their slices.
 */
export function writeFold(
  writer: ByteWriter,
  { epoch, settled, ahead, told, againMs }: Fold,
  plan: Plan,
): void {
  writer.varint(epoch);
  writer.double(settled.throughMs);
  writer.double(settled.lastStartMs);
  writer.varint(settled.nth);
  writeBounds(writer, settled.bounds);
  writer.double(settled.boundsMs);
  writer.byte(settled.run === undefined ? 0 : 1);
  if (settled.run !== undefined) {
    const { startMs, nth, lastMs, count, key, cells } = settled.run;
    writer.number(startMs);
    writer.varint(nth);
    writer.number(lastMs);
    writer.varint(count);
    writer.byte(key === undefined ? NONE : typeof key === "number" ? NUMBER : TEXT);
    if (typeof key === "number") writer.number(key);
    else if (key !== undefined) writer.text(key);
    writeCells(writer, cells, plan.cellCount);
  }
  writer.double(ahead?.throughMs ?? Number.NEGATIVE_INFINITY);
  writer.double(againMs ?? Number.NEGATIVE_INFINITY);
  writer.varint(told.length);
  for (const { startMs, nth, part, endedMs, revision, digest, again } of told) {
    writer.number(startMs);
    writer.varint(nth);
    writer.varint(part);
    writer.number(endedMs);
    writer.varint(revision);
    writer.varint(digest === undefined ? 0 : digest + 1);
    if (againMs !== undefined) writer.byte(again ? 1 : 0);
  }
}

const NONE = 0;
const NUMBER = 1;
const TEXT = 2;

/** @returns also how far it had looked ahead, see `goAhead` */
export function readFold(
  reader: ByteReader,
  plan: FoldPlan,
  of: Plan,
): { readonly fold: Fold; readonly aheadMs: number } {
  const epoch = reader.varint();
  const settled: Position = {
    throughMs: reader.double(),
    lastStartMs: reader.double(),
    nth: reader.varint(),
    bounds: readBounds(reader),
    boundsMs: reader.double(),
    run: undefined,
  };
  if (reader.byte() === 1) {
    settled.run = {
      startMs: reader.number(),
      nth: reader.varint(),
      lastMs: reader.number(),
      count: reader.varint(),
      key: readKey(reader),
      cells: readCells(reader, of.cellCount),
    };
  }
  const aheadMs = reader.double();
  const againMs = reader.double();
  const isAgain = againMs > Number.NEGATIVE_INFINITY;
  const told = Array.from({ length: reader.count() }, () => ({
    startMs: reader.number(),
    nth: reader.varint(),
    part: reader.varint(),
    endedMs: reader.number(),
    revision: reader.varint(),
    digest: digestOf(reader.varint()),
    again: isAgain && reader.byte() === 1,
  }));
  const fold = { plan, epoch, settled, ahead: undefined, told, againMs: isAgain ? againMs : undefined };
  return { fold, aheadMs };
}

function digestOf(stored: number): number | undefined {
  return stored === 0 ? undefined : stored - 1;
}

function readKey(reader: ByteReader): number | string | undefined {
  switch (reader.byte()) {
    case NUMBER:
      return reader.number();
    case TEXT:
      return reader.text();
    default:
      return undefined;
  }
}

/** Brings a fold that was read to where it stood, saying nothing. */
export function goAhead(plan: Plan, device: TimeLine, fold: Fold, aheadMs: number): void {
  if (aheadMs === Number.NEGATIVE_INFINITY) return;
  fold.ahead = branch(plan, fold.settled);
  foldTo({ plan, device, fold, at: fold.ahead }, { toMs: aheadMs }, () => {});
}
