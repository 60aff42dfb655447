import { ByteReader, ByteWriter, CorruptRecord, type KeyedRecord, sealMark } from "../model/bytes.js";
import { readBounds, writeBounds } from "./bound-codec.js";
import { readCells, writeCells } from "./cells-codec.js";
import type { Device, OpenWindow, Series } from "./device.js";
import { newDevice } from "./device.js";
import { goAhead, readFold, writeFold } from "./fold-codec.js";
import { type HeldReading, hold } from "./held.js";
import { DeliveryMemory, KeyMemory } from "./memory.js";
import type { Plan } from "./plan.js";
import { type Slice, VALUES } from "./slice.js";

/**
 * How a device and its slices are stored: one record for the device, one for each slice. They are written
 * together, in one batch, at one journal position, and that position is in the device's record.
 *
 * A device record: position, profile id and hash, name, its slices' marks, counters, clock state, windows (name,
 * bounds, revision, ids of their slices), last values of slices that were let go, duplicate memories, readings that wait for the clock. A slice record: id, bounds, cells, readings held. By the
 * marks the device knows its slices again: one that is missing, of an earlier time or not its own is damage. Cells are laid out
 * by the plan of the profile with that hash, so a device must be restored under the very definition it was stored
 * under, and reconfigured afterwards.
 */
const DEVICE_VERSION = 6;
const SLICE_VERSION = 2;

const writer = new ByteWriter();

export interface DevicePlace {
  /** Journal position that the device's state includes. */
  readonly sequence: number;
  readonly key: string;
  /** What `encodeSlice` gave for each of its slices. */
  readonly slices: readonly Uint8Array[];
}

export function encodeDevice(device: Device, plan: Plan, { sequence, key, slices }: DevicePlace): Uint8Array {
  writer.varint(sequence);
  writer.text(plan.profile.hash);
  writer.text(device.profileId);
  writer.text(device.name);
  writer.varint(slices.length);
  writer.varint(sumOfMarks(slices));
  writer.varint(device.accepted);
  writeCounts(device.rejected);
  writer.varint(device.partlyLate);
  writer.varint(device.conflicting);
  writer.double(device.maxTimeMs);
  writer.double(device.idleFloorMs);
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
  writer.varint(device.series.length);
  for (const series of device.series) {
    writer.text(series === undefined ? "" : JSON.stringify([series.nextMs, series.fields]));
  }
  writeBounds(writer, device.bounds);
  writer.varint(device.epoch);
  for (const fold of device.folds) writeFold(writer, fold, plan);
  writeMemories(device);
  writer.varint(device.held.length);
  for (const reading of device.held) writeHeld(reading);
  return writer.seal(DEVICE_VERSION, key);
}

function sumOfMarks(slices: readonly Uint8Array[]): number {
  return slices.reduce((sum, slice) => sum + sealMark(slice), 0);
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
  writeCells(writer, slice.cells, plan.cellCount);
  writeRows(slice, plan);
  return writer.seal(SLICE_VERSION, key);
}

function decodeSlice({ key, value }: KeyedRecord, plan: Plan): Slice {
  const reader = ByteReader.open(value, SLICE_VERSION, key);
  const slice = plan.slices.make({
    id: reader.varint(),
    startMs: reader.number(),
    endMs: reader.number(),
    epoch: reader.varint(),
    dueMs: reader.double(),
  });
  readCells(reader, plan.cellCount, slice.cells);
  readSliceRows(reader, slice, plan);
  return slice;
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

function readSliceRows(reader: ByteReader, slice: Slice, { slices }: Plan): void {
  slice.held = reader.count();
  slices.reserve(slice, slice.held);
  const { numbers, base } = slice.rows;
  const { width } = slices;
  let timeMs = slice.startMs;
  for (let i = base; i < base + slice.held * width; i += width) {
    timeMs += reader.number();
    numbers[i] = timeMs;
    numbers[i + 1] = reader.varint();
    for (let j = i + VALUES; j < i + width; j++) numbers[j] = reader.number();
  }
  const words = Array.from({ length: reader.count() }, () => reader.text());
  if (words.length > 0) slice.words = words;
}

/** Which definition a stored device needs, before it can be decoded. */
export interface DeviceHeader {
  readonly sequence: number;
  readonly profileHash: string;
  readonly profileId: string;
  readonly name: string;
}

/** A device's record and those of its slices. */
export interface StoredDevice {
  readonly device: KeyedRecord;
  readonly slices: readonly KeyedRecord[];
}

/** @throws CorruptRecord, as all of the following */
export function decodeDeviceHeader({ key, value }: KeyedRecord): DeviceHeader {
  const reader = ByteReader.open(value, DEVICE_VERSION, key);
  return {
    sequence: reader.varint(),
    profileHash: reader.text(),
    profileId: reader.text(),
    name: reader.text(),
  };
}

/** @param plan of the profile and the device named in the header */
export function decodeDevice(stored: StoredDevice, plan: Plan): Device {
  const { key, value } = stored.device;
  const reader = ByteReader.open(value, DEVICE_VERSION, key);
  const sequence = reader.varint();
  reader.text();
  const profileId = reader.text();
  const device = newDevice(profileId, reader.text(), plan);
  device.replayedThrough = sequence;
  for (const slice of readSlices(reader, stored.slices, plan)) {
    device.slices.push(slice);
    device.stored.add(slice.id);
  }
  device.accepted = reader.varint();
  for (let i = 0, n = reader.count(); i < n; i++) device.rejected[i] = reader.varint();
  device.partlyLate = reader.varint();
  device.conflicting = reader.varint();
  device.maxTimeMs = reader.double();
  device.idleFloorMs = reader.double();
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
  device.series = Array.from({ length: reader.count() }, () => readSeries(reader.text()));
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
  for (let n = reader.count(); n > 0; n--) hold(device, readHeld(reader));
  return device;
}

function readSlices(reader: ByteReader, stored: readonly KeyedRecord[], plan: Plan): Slice[] {
  const [count, sum] = [reader.varint(), reader.varint()];
  if (count !== stored.length || sum !== sumOfMarks(stored.map(({ value }) => value))) {
    throw new CorruptRecord("the slices of a device are not those that it was stored with");
  }
  return stored.map((record) => decodeSlice(record, plan));
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

function readSeries(json: string): Device["series"][number] {
  if (json === "") return undefined;
  const [nextMs, fields] = JSON.parse(json) as [number, Series["fields"]];
  return { nextMs, fields };
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
