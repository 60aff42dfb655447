import { ByteReader, ByteWriter } from "../model/bytes.js";
import { KEYS } from "./keys.js";

/**
 * The states that this store's forerunners lost, for as long as it matters: windows that began by then may have been
 * sent by them. What comes of such a window now is another summary, `…/lost` and so on, and marked `incomplete`.
 */
export interface StateLoss {
  /** Windows that begin at or before this time may have been sent, milliseconds since the epoch. */
  readonly throughMs: number;
  /** The same for devices whose clocks were ahead. */
  readonly ahead: ReadonlyMap<string, number>;
}

export const LOSSES_KEY = KEYS.meta("losses");
const VERSION = 1;
/** More than any store needs that is not damaged by the week. */
const LOSSES_MAX = 100;

export function encodeLosses(losses: readonly StateLoss[]): Uint8Array {
  const writer = new ByteWriter();
  const newest = losses.slice(-LOSSES_MAX);
  writer.varint(newest.length);
  for (const { throughMs, ahead } of newest) {
    writer.double(throughMs);
    writer.varint(ahead.size);
    for (const [device, deviceThroughMs] of ahead) {
      writer.text(device);
      writer.double(deviceThroughMs);
    }
  }
  return writer.seal(VERSION, LOSSES_KEY);
}

/** @throws CorruptRecord */
export function decodeLosses(value: Uint8Array): StateLoss[] {
  const reader = ByteReader.open(value, VERSION, LOSSES_KEY);
  return Array.from({ length: reader.count() }, () => ({
    throughMs: reader.double(),
    ahead: new Map(Array.from({ length: reader.count() }, () => [reader.text(), reader.double()] as const)),
  }));
}
