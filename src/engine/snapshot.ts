import { ByteReader, ByteWriter, CorruptRecord, type KeyedRecord, sealMark } from "../model/bytes.js";
import { readBounds, writeBounds } from "./bound-codec.js";
import { readCells, writeCells } from "./cells-codec.js";
import { type Counted, openWindowsOf } from "./counts.js";
import type { Device, OpenWindow } from "./device.js";
import { newDevice } from "./device.js";
import { goAhead, readFold, writeFold } from "./fold-codec.js";
import { type HeldReading, hold } from "./held.js";
import { DeliveryMemory, KeyMemory } from "./memory.js";
import type { Plan } from "./plan.js";
import { readSeries, writeSeries } from "./series-codec.js";
import { idleFrom } from "./silence.js";
import { type Slice, type SliceBounds, type SliceMemory, type SliceOwner, VALUES } from "./slice.js";

/**
 * How a device and its slices are stored: one record for the device, one for each slice. Those that have changed are
 * written together, in one batch, at one journal position, and that position is in the device's record.
 *
 * A device record: position, profile id and hash, name; what has to be known of a device that is not in memory (counts,
 * clock state, when silence has to be looked at); its slices (bounds, marks of their records); windows (name, bounds,
 * revision), last values of slices that were let go, duplicate memories, readings that wait for the clock. A slice
 * record: id, bounds, cells, readings held. By the marks the device knows its slices again: one that is missing, of an
 * earlier time or not its own is damage. Cells are laid out by the plan of the profile with that hash, so a device must
 * be restored under the very definition it was stored under, and reconfigured afterwards.
 */
const DEVICE_VERSION = 9;
const SLICE_VERSION = 2;

const writer = new ByteWriter();

export interface DevicePlace {
  /** Journal position that the device's state includes. */
  readonly sequence: number;
  readonly key: string;
}

/** All of its slices must be stored, or be in the same batch. */
export function encodeDevice(device: Device, plan: Plan, { sequence, key }: DevicePlace): Uint8Array {
  writer.varint(sequence);
  writer.text(plan.profile.hash);
  writer.text(device.profileId);
  writer.text(device.name);
  writer.varint(device.accepted);
  writeCounts(device.rejected);
  writer.varint(device.partlyLate);
  writer.varint(device.conflicting);
  writer.double(device.maxTimeMs);
  writer.double(device.idleFloorMs);
  writer.varint(device.held.length);
  writer.varint(openWindowsOf(device));
  writer.double(idleFrom(device));
  writeSlices([...device.slices, ...device.retired]);
  writer.double(device.lastSeenMs);
  // Both decide when windows fire, and a replay that fires otherwise than it was tells revisions that nobody has.
  writer.double(device.advancedToMs);
  writer.double(device.nextDueMs);
  writer.varint(device.nextSliceId);
  writer.varint(device.redefined.length);
  for (const { name, throughMs, times } of device.redefined) {
    writer.text(name);
    writer.double(throughMs);
    writer.varint(times);
  }
  writer.varint(device.open.length);
  for (const windows of device.open) {
    writer.varint(windows.length);
    for (const window of windows) writeWindow(window);
  }
  writer.double(device.earlyToMs);
  writeSeries(writer, device.series);
  writeBounds(writer, device.bounds);
  writer.varint(device.epoch);
  for (const fold of device.folds) writeFold(writer, fold, plan);
  writeMemories(device);
  for (const reading of device.held) writeHeld(reading);
  return writer.seal(DEVICE_VERSION, key);
}

/** What is needed to cut no time twice, and to know the records again. */
function writeSlices(slices: readonly Slice[]): void {
  writer.varint(slices.length);
  let beforeMs = 0;
  for (const { id, startMs, endMs, epoch, dueMs, mark } of slices) {
    writer.varint(id);
    writer.number(startMs - beforeMs);
    writer.number(endMs - startMs);
    writer.varint(epoch);
    writer.number(dueMs - endMs);
    writer.varint(mark!);
    beforeMs = endMs;
  }
}

function writeCounts(counts: readonly number[]): void {
  writer.varint(counts.length);
  for (let i = 0; i < counts.length; i++) writer.varint(counts[i] ?? 0);
}

function writeWindow(window: OpenWindow): void {
  writer.double(window.startMs);
  writer.double(window.endMs);
  writer.varint(window.part);
  writer.varint(window.revision);
  writer.varint(window.early);
  writer.varint(window.saidReceived);
  writer.varint(window.epoch);
  writer.byte(window.sealed === undefined ? 0 : 1);
  if (window.sealed !== undefined) writeCells(writer, window.sealed, window.sealed.numbers.length);
}

function writeMemories(device: Device): void {
  writer.byte(device.keys === undefined ? 0 : 1);
  if (device.keys !== undefined) {
    writer.varint(device.keys.forgotten);
    writer.varint(device.keys.firstSeen.size);
    for (const [key, at] of device.keys.firstSeen) {
      writer.text(key);
      writer.double(at);
    }
  }
  writer.byte(device.deliveries === undefined ? 0 : 1);
  if (device.deliveries !== undefined) {
    const { identities, marks } = device.deliveries.entries();
    writer.varint(identities.length);
    for (const identity of identities) writer.double(identity);
    writer.varint(marks.length);
    for (const { number, processingMs } of marks) {
      writer.varint(number);
      writer.double(processingMs);
    }
  }
}

function writeHeld({ boot, uptimeMs, values, key }: HeldReading): void {
  writer.varint(boot);
  writer.double(uptimeMs);
  writer.byte(key === undefined ? 0 : 1);
  if (key !== undefined) writer.text(key);
  writer.varint(values.length);
  for (const value of values) {
    writer.byte(typeof value === "string" ? 1 : 0);
    if (typeof value === "string") writer.text(value);
    else writer.double(value);
  }
}

function readHeld(reader: ByteReader): HeldReading {
  const boot = reader.varint();
  const uptimeMs = reader.double();
  const key = reader.byte() === 1 ? reader.text() : undefined;
  const values = Array.from({ length: reader.count() }, () =>
    reader.byte() === 1 ? reader.text() : reader.double(),
  );
  return { boot, uptimeMs, values, key };
}

export function encodeSlice(slice: Slice, plan: Plan, key: string): Uint8Array {
  writer.varint(slice.id);
  writer.number(slice.startMs);
  writer.number(slice.endMs);
  writer.varint(slice.epoch);
  writer.double(slice.dueMs);
  writeCells(writer, plan.slices.cellsOf(slice), plan.cellCount);
  writeRows(slice, plan);
  return writer.seal(SLICE_VERSION, key);
}

/** Opens the stored record of a slice. @throws CorruptRecord when it is not the one that its device was stored with */
export function openSlice(
  record: KeyedRecord | undefined,
  { owner, mark }: Pick<StoredSlice, "owner"> & { readonly mark: number | undefined },
): ByteReader {
  if (record === undefined) throw new CorruptRecord(`a slice of the device ${owner.name} is missing`);
  const reader = ByteReader.open(record.value, SLICE_VERSION, record.key);
  if (sealMark(record.value) !== mark) {
    throw new CorruptRecord(`a slice of the device ${owner.name} is not the one that it was stored with`);
  }
  return reader;
}

/** Reads the contents of a slice into one that is empty. @param reader of its record @throws CorruptRecord */
export function readSlice(reader: ByteReader, slice: Slice, memory: SliceMemory): void {
  reader.varint();
  reader.number();
  reader.number();
  reader.varint();
  reader.double();
  readCells(reader, memory.cellCount, slice.cells);
  readSliceRows(reader, slice, memory);
}

/** Times as steps from the one before; hashes are as good as random. */
function writeRows(slice: Slice, { slices: { width } }: Plan): void {
  const { numbers, base } = slice.rows;
  writer.varint(slice.held);
  let beforeMs = slice.startMs;
  for (let i = base; i < base + slice.held * width; i += width) {
    writer.number(numbers[i]! - beforeMs);
    beforeMs = numbers[i]!;
    writer.varint(numbers[i + 1]!);
    for (let j = i + VALUES; j < i + width; j++) writer.number(numbers[j]!);
  }
  writer.varint(slice.words?.length ?? 0);
  for (const word of slice.words ?? []) writer.text(word);
}

function readSliceRows(reader: ByteReader, slice: Slice, memory: SliceMemory): void {
  const held = reader.count();
  memory.reserve(slice, held);
  slice.held = held;
  const { numbers, base } = slice.rows;
  const { width } = memory;
  let timeMs = slice.startMs;
  for (let i = base; i < base + held * width; i += width) {
    timeMs += reader.number();
    numbers[i] = timeMs;
    numbers[i + 1] = reader.varint();
    for (let j = i + VALUES; j < i + width; j++) numbers[j] = reader.number();
  }
  const words = Array.from({ length: reader.count() }, () => reader.text());
  if (words.length > 0) slice.words = words;
}

/** What has to be known of a device that is not in memory, and which definition it needs to be decoded. */
export interface DeviceHeader extends Counted {
  readonly sequence: number;
  readonly profileHash: string;
  readonly idleFloorMs: number;
  /** Processing time at which silence has to be looked at. */
  readonly wakeMs: number;
}

/** @throws CorruptRecord, as all of the following */
export function decodeDeviceHeader({ key, value }: KeyedRecord): DeviceHeader & {
  readonly slices: readonly StoredSlice[];
  readonly lastSeenMs: number;
} {
  const reader = ByteReader.open(value, DEVICE_VERSION, key);
  const header = readHeader(reader);
  const slices = readSlices(reader, header);
  return { ...header, slices, lastSeenMs: reader.double() };
}

function readHeader(reader: ByteReader): DeviceHeader {
  return {
    sequence: reader.varint(),
    profileHash: reader.text(),
    profileId: reader.text(),
    name: reader.text(),
    accepted: reader.varint(),
    rejected: Array.from({ length: reader.count() }, () => reader.varint()),
    partlyLate: reader.varint(),
    conflicting: reader.varint(),
    maxTimeMs: reader.double(),
    idleFloorMs: reader.double(),
    waiting: reader.varint(),
    openWindows: reader.varint(),
    wakeMs: reader.double(),
  };
}

/** A slice as the record of its device knows it. */
export type StoredSlice = SliceBounds & { readonly mark: number };

function readSlices(reader: ByteReader, owner: SliceOwner): StoredSlice[] {
  let beforeMs = 0;
  return Array.from({ length: reader.count() }, () => {
    const id = reader.varint();
    const startMs = beforeMs + reader.number();
    const endMs = startMs + reader.number();
    const epoch = reader.varint();
    const dueMs = endMs + reader.number();
    beforeMs = endMs;
    return { owner, id, startMs, endMs, epoch, dueMs, mark: reader.varint() };
  });
}

/** A stored device; the contents of its slices stay in the store. @param plan of the profile and the device named in the header */
export function decodeDevice({ key, value }: KeyedRecord, plan: Plan): Device {
  const reader = ByteReader.open(value, DEVICE_VERSION, key);
  const header = readHeader(reader);
  const device = newDevice(header.profileId, header.name, plan);
  device.mark = sealMark(value);
  device.replayedThrough = header.sequence;
  device.accepted = header.accepted;
  device.rejected.push(...header.rejected);
  device.partlyLate = header.partlyLate;
  device.conflicting = header.conflicting;
  device.maxTimeMs = header.maxTimeMs;
  device.idleFloorMs = header.idleFloorMs;
  for (const stored of readSlices(reader, device)) {
    device.slices.push(plan.slices.stub(stored, stored.mark));
    device.stored.add(stored.id);
  }
  device.lastSeenMs = reader.double();
  device.advancedToMs = reader.double();
  device.nextDueMs = reader.double();
  device.nextSliceId = reader.varint();
  device.redefined = Array.from({ length: reader.count() }, () => ({
    name: reader.text(),
    throughMs: reader.double(),
    times: reader.varint(),
  }));
  readWindows(reader, device, plan);
  device.earlyToMs = reader.double();
  device.series = readSeries(reader);
  device.bounds = readBounds(reader);
  device.epoch = reader.varint();
  const aheadMs = device.folds.map((fold, i) => {
    const { fold: read, aheadMs } = readFold(reader, fold.plan, plan);
    device.folds[i] = read;
    return aheadMs;
  });
  const [retired, slices] = [
    device.slices.filter(({ epoch }) => epoch < device.epoch),
    device.slices.filter(({ epoch }) => epoch === device.epoch),
  ];
  device.retired.push(...retired.sort((a, b) => a.id - b.id));
  device.slices.splice(0, device.slices.length, ...slices.sort((a, b) => a.startMs - b.startMs));
  for (const [i, fold] of device.folds.entries()) goAhead(plan, device, fold, aheadMs[i]!);
  readMemories(reader, device);
  for (let n = header.waiting; n > 0; n--) hold(device, readHeld(reader));
  return device;
}

function readWindows(reader: ByteReader, device: Device, plan: Plan): void {
  for (let index = 0, kinds = reader.count(); index < kinds; index++) {
    for (let n = reader.count(); n > 0; n--) {
      device.open[index]!.push({
        plan: plan.windows[index]!,
        startMs: reader.double(),
        endMs: reader.double(),
        part: reader.varint(),
        revision: reader.varint(),
        early: reader.varint(),
        saidReceived: reader.varint(),
        queued: false,
        epoch: reader.varint(),
        sealed: reader.byte() === 1 ? readCells(reader, plan.cellCount) : undefined,
      });
    }
  }
}

function readMemories(reader: ByteReader, device: Device): void {
  if (reader.byte() === 1) {
    device.keys = new KeyMemory();
    device.keys.forgotten = reader.varint();
    for (let n = reader.count(); n > 0; n--) device.keys.firstSeen.set(reader.text(), reader.double());
  }
  if (reader.byte() === 1) {
    device.deliveries = DeliveryMemory.of({
      identities: Array.from({ length: reader.count() }, () => reader.double()),
      marks: Array.from({ length: reader.count() }, () => ({
        number: reader.varint(),
        processingMs: reader.double(),
      })),
    });
  }
}
