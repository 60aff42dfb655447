import { type FieldValue, MISSING } from "../model/reading.js";
import type { Plan } from "./plan.js";
import { type Slice, type SliceMemory, type TimeLine, VALUES } from "./slice.js";

/** Which readings of a device: of no earlier epoch, from one time to before another. */
export interface RowBounds {
  readonly epoch: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Gets an array that is used again, with the fields that are not kept missing. @returns whether to go on behind it */
type Visit = (timeMs: number, values: readonly FieldValue[]) => boolean;

/**
 * Goes over readings that a device holds in the order of event time.
 * @returns where it has come to: the end, or the time of the reading that was not wanted
 */
export function readRows(plan: Plan, device: TimeLine, bounds: RowBounds, visit: Visit): number {
  const values = new Array<FieldValue>(plan.profile.fields.length).fill(MISSING);
  const { slices: memory } = plan;
  const read = (slice: Slice, row: number) => {
    fill(memory, slice, row, values);
    return visit(memory.timeOf(slice, row), values);
  };
  const older = device.retired.filter((slice) => slice.epoch >= bounds.epoch && overlaps(slice, bounds));
  if (older.length > 0) {
    const all = [...older, ...device.slices.filter((slice) => overlaps(slice, bounds))];
    return readMerged(memory, all, bounds, read);
  }
  const { slices } = device;
  // The time line is cut without overlap; what is asked for is nearly always at its end.
  let first = slices.length;
  while (first > 0 && slices[first - 1]!.endMs > bounds.fromMs) first--;
  for (let i = first; i < slices.length && slices[i]!.startMs < bounds.toMs; i++) {
    const slice = slices[i]!;
    for (let row = memory.firstRow(slice, bounds.fromMs); row < slice.held; row++) {
      const timeMs = memory.timeOf(slice, row);
      if (timeMs >= bounds.toMs) break;
      if (!read(slice, row)) return timeMs;
    }
  }
  return bounds.toMs;
}

/** Slices of several epochs may overlap. */
function readMerged(
  memory: SliceMemory,
  slices: readonly Slice[],
  bounds: RowBounds,
  read: (slice: Slice, row: number) => boolean,
): number {
  const rows = slices.flatMap((slice) => {
    const from = memory.firstRow(slice, bounds.fromMs);
    const to = memory.firstRow(slice, bounds.toMs);
    return Array.from({ length: to - from }, (_, i) => ({ slice, row: from + i }));
  });
  const key = ({ slice, row }: { readonly slice: Slice; readonly row: number }, cell: number) =>
    slice.rows.numbers[slice.rows.base + row * memory.width + cell]!;
  rows.sort((a, b) => key(a, 0) - key(b, 0) || key(a, 1) - key(b, 1));
  for (const { slice, row } of rows) if (!read(slice, row)) return memory.timeOf(slice, row);
  return bounds.toMs;
}

function overlaps(slice: Slice, { fromMs, toMs }: RowBounds): boolean {
  return slice.endMs > fromMs && slice.startMs < toMs;
}

/** A kept value. @param place its field's among `SliceMemory.kept` */
export function valueAt(memory: SliceMemory, slice: Slice, row: number, place: number): FieldValue {
  const value = slice.rows.numbers[slice.rows.base + row * memory.width + VALUES + place]!;
  return memory.textual[place]! && !Number.isNaN(value) ? slice.words![value]! : value;
}

function fill(memory: SliceMemory, slice: Slice, row: number, values: FieldValue[]): void {
  const { kept } = memory;
  for (let i = 0; i < kept.length; i++) values[kept[i]!] = valueAt(memory, slice, row, i);
}
