import { ByteReader, ByteWriter, CorruptRecord, type KeyedRecord } from "../model/bytes.js";
import { readCells, writeCells } from "./cells-codec.js";
import type { Group, GroupPast, GroupWindow } from "./group.js";
import type { Groups } from "./groups.js";
import type { Plan } from "./plan.js";
import { readSeries, writeSeries } from "./series-codec.js";

/**
 * How groups are stored: one record for each, with every record of a device, at the same journal position or a later
 * one. A record: position, name, how far the group has come, ids that are taken, spent parts, where its series without
 * holes stand, and its open windows (bounds, revision, what was handed over), laid out by the plan that the definition and
 * the profiles of that time give.
 */
const GROUP_VERSION = 2;

const writer = new ByteWriter();

/** @param key of the record, by the group's name */
export function encodeGroups(
  groups: Groups,
  sequence: number,
  key: (name: string) => string,
): { readonly key: string; readonly value: Uint8Array }[] {
  const records = groups.groups.map((group) => {
    const { name } = group.definition;
    writePast(name, sequence, group);
    writer.text(meaningOf(group.plan));
    writeSeries(writer, group.series);
    for (const windows of group.open) {
      writer.varint(windows.length);
      for (const window of windows) writeWindow(window, group.plan);
    }
    return { key: key(name), value: writer.seal(GROUP_VERSION, key(name)) };
  });
  for (const [name, past] of groups.past) {
    writePast(name, sequence, past);
    writer.text("");
    records.push({ key: key(name), value: writer.seal(GROUP_VERSION, key(name)) });
  }
  return records;
}

function meaningOf({ windows }: Plan): string {
  return JSON.stringify(windows.map(({ signature }) => signature));
}

function writePast(name: string, sequence: number, past: GroupPast): void {
  writer.varint(sequence);
  writer.text(name);
  writer.double(past.earlyToMs);
  writer.double(past.reachedMs);
  writer.double(past.maxTimeMs);
  writer.varint(past.late);
  writer.varint(past.hurried);
  writer.varint(past.redefined.length);
  for (const { name: window, throughMs, times } of past.redefined) {
    writer.text(window);
    writer.double(throughMs);
    writer.varint(times);
  }
  writer.varint(past.spent.size);
  for (const part of past.spent) writer.text(part);
}

function writeWindow({ sealed, ...window }: GroupWindow, plan: Plan): void {
  writer.double(window.startMs);
  writer.double(window.endMs);
  writer.varint(window.part);
  writer.varint(window.revision);
  writer.varint(window.saidReceived);
  writer.byte(window.fired ? 1 : 0);
  writer.byte(window.reconfigured ? 1 : 0);
  writer.varint(window.members);
  writer.byte(sealed === undefined ? 0 : 1);
  if (sealed !== undefined) writeCells(writer, sealed, plan.cellCount);
}

/** Restores a group from its record; `groups` has been prepared with the definitions of that time. @throws CorruptRecord */
export function restoreGroup(groups: Groups, { key, value }: KeyedRecord): void {
  const reader = ByteReader.open(value, GROUP_VERSION, key);
  const sequence = reader.varint();
  const name = reader.text();
  const past = { ...readPast(reader), lostThroughMs: groups.lostThroughMs };
  const meaning = reader.text();
  groups.restore(name, (plan) => {
    if ((plan === undefined ? "" : meaningOf(plan)) !== meaning) {
      throw new CorruptRecord(`the group ${name} was stored under another definition`);
    }
    if (plan === undefined) return past;
    const series = readSeries(reader);
    const open = plan.windows.map((definition) =>
      Array.from({ length: reader.count() }, () => readWindow(reader, definition, plan)),
    );
    return { ...past, open, series };
  });
  groups.replayedThrough = Math.max(groups.replayedThrough, sequence);
}

function readPast(reader: ByteReader): Omit<GroupPast, "lostThroughMs"> {
  return {
    earlyToMs: reader.double(),
    reachedMs: reader.double(),
    maxTimeMs: reader.double(),
    late: reader.varint(),
    hurried: reader.varint(),
    redefined: Array.from({ length: reader.count() }, () => ({
      name: reader.text(),
      throughMs: reader.double(),
      times: reader.varint(),
    })),
    spent: new Set(Array.from({ length: reader.count() }, () => reader.text())),
  };
}

function readWindow(reader: ByteReader, plan: Group["plan"]["windows"][number], layout: Plan): GroupWindow {
  return {
    plan,
    startMs: reader.double(),
    endMs: reader.double(),
    part: reader.varint(),
    revision: reader.varint(),
    saidReceived: reader.varint(),
    fired: reader.byte() === 1,
    queued: false,
    reconfigured: reader.byte() === 1,
    members: reader.varint(),
    sealed: reader.byte() === 1 ? readCells(reader, layout.cellCount) : undefined,
  };
}
