import type { Cells, Extra } from "../aggregate/cells.js";
import type { FieldValue } from "../model/reading.js";
import type { Device, Series } from "./device.js";
import type { Slice } from "./slice.js";

/**
 * About what a device takes in memory, in bytes, beside the rows of its slices, which the heap counts. The figures are
 * those of V8 with pointers of eight bytes, as measured by scripts/bench memory.
 */

/** The object, its lists, its name, its entry among the others. */
const DEVICE_BYTES = 1_500;
const WINDOW_BYTES = 168;
const DEFINITION_BYTES = 32;
const SLICE_BYTES = 250;
const FOLD_BYTES = 1_000;
const TOLD_BYTES = 96;
/** A short text, its time and its entry. */
const KEY_BYTES = 96;
const DELIVERY_BYTES = 8;
const REDEFINITION_BYTES = 64;

export function weightOf(device: Device): number {
  let bytes =
    DEVICE_BYTES +
    SLICE_BYTES * (device.slices.length + device.retired.length) +
    DEFINITION_BYTES * device.open.length +
    REDEFINITION_BYTES * device.redefined.length;
  for (const windows of device.open) {
    bytes += WINDOW_BYTES * windows.length;
    // No other has gathered anything of its own.
    if (windows[0]?.plan.isGlobal) for (const { sealed } of windows) bytes += cellsBytesOf(sealed);
  }
  for (const { told, settled, ahead } of device.folds) {
    bytes += FOLD_BYTES + TOLD_BYTES * told.length;
    bytes += cellsBytesOf(settled.run?.cells) + cellsBytesOf(ahead?.run?.cells);
  }
  for (const series of device.series) if (series !== undefined) bytes += seriesBytesOf(series);
  if (device.keys !== undefined) bytes += KEY_BYTES * device.keys.firstSeen.size;
  if (device.deliveries !== undefined) bytes += DELIVERY_BYTES * device.deliveries.size;
  return bytes;
}

const SERIES_BYTES = 250;
const FIELD_BYTES = 100;
const VALUE_BYTES = 24;

function seriesBytesOf({ fields }: Series): number {
  let bytes = SERIES_BYTES;
  for (const said of Object.values(fields)) {
    bytes += FIELD_BYTES;
    for (const value of Object.values(said)) {
      bytes += VALUE_BYTES + (typeof value === "string" ? CHARACTER_BYTES * value.length : 0);
    }
  }
  return bytes;
}

/** The object, its array, and the map of what is beside it. */
const CELLS_BYTES = 200;
const EXTRA_BYTES = 64;
const WORD_BYTES = 24;
const CHARACTER_BYTES = 2;
const NUMBER_BYTES = 8;
const ENTRY_BYTES = 64;

/** The same of cells that are not in the heap of slices. */
function cellsBytesOf(cells: Cells | undefined): number {
  return cells === undefined ? 0 : CELLS_BYTES + NUMBER_BYTES * cells.numbers.length + extraBytesOf(cells);
}

/** The same of what a slice has beside its rows in the heap. */
export function besideBytesOf({ cells, words }: Pick<Slice, "cells" | "words">): number {
  let bytes = extraBytesOf(cells);
  if (words !== undefined) for (const { length } of words) bytes += WORD_BYTES + CHARACTER_BYTES * length;
  return bytes;
}

function extraBytesOf({ extras }: Cells): number {
  let bytes = 0;
  for (const extra of extras?.values() ?? []) bytes += EXTRA_BYTES + sizeOf(extra);
  return bytes;
}

function sizeOf(extra: Extra): number {
  if (typeof extra === "string") return CHARACTER_BYTES * extra.length;
  if (extra instanceof Map) return entriesBytesOf(extra);
  return extra instanceof Uint8Array ? extra.length : NUMBER_BYTES * extra.length;
}

function entriesBytesOf(entries: ReadonlyMap<FieldValue, number>): number {
  let bytes = ENTRY_BYTES * entries.size;
  for (const key of entries.keys()) if (typeof key === "string") bytes += CHARACTER_BYTES * key.length;
  return bytes;
}
