/**
 * Bounds what one MQTT packet may make a parser collect.
 *
 * mqtt-packet keeps bytes until a packet is complete, and a packet may announce 256 MB. This filter stands before the
 * parser, reads every fixed header (MQTT 3.1.1, 2.2) and cuts a packet that announces more than `bytesMax`: the
 * parser sees a shorter one of exactly `bytesMax + 1` bytes, the rest is dropped as it arrives. So a receiver that
 * must go on (a client: the broker would send the same packet again for ever) can tell a cut packet by its length,
 * read its topic and packet id, and acknowledge it; one that need not (a broker) disconnects in `onTooLarge`.
 *
 * Bytes pass without being copied, except around a cut packet and where a header is split over two chunks.
 */
import { lengthAt, lengthBytesAt } from "./fixed-header.js";

export interface PacketLimitOptions {
  /** Largest remaining length that passes whole; at least `PACKET_BYTES_MIN`. */
  readonly bytesMax: number;
  /** Told once per packet, before any byte of it passes. */
  readonly onTooLarge: (announcedBytes: number) => void;
}

/** A topic has up to 65,535 bytes; with less than this a cut packet could not be parsed any more. */
export const PACKET_BYTES_MIN = 65_536 + 16;

const NOTHING = Buffer.alloc(0);

export class PacketLimit {
  readonly #bytesMax: number;
  readonly #onTooLarge: (announcedBytes: number) => void;
  /** A fixed header whose end has not come yet. */
  #header: Buffer = NOTHING;
  /** Bytes of the current packet that still pass, and that are dropped after them. */
  #passing = 0;
  #dropping = 0;

  constructor(options: PacketLimitOptions) {
    this.#bytesMax = Math.max(options.bytesMax, PACKET_BYTES_MIN);
    this.#onTooLarge = options.onTooLarge;
  }

  /** What of the next bytes the parser may see. */
  filter(chunk: Buffer): Buffer {
    const bytes = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    this.#header = NOTHING;
    const kept: Buffer[] = [];
    let start = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#passing > 0) {
        const count = Math.min(this.#passing, bytes.length - at);
        this.#passing -= count;
        at += count;
      } else if (this.#dropping > 0) {
        kept.push(bytes.subarray(start, at));
        const count = Math.min(this.#dropping, bytes.length - at);
        this.#dropping -= count;
        at += count;
        start = at;
      } else {
        const lengthBytes = lengthBytesAt(bytes, at + 1);
        if (lengthBytes === undefined) break;
        const announced = lengthAt(bytes, at + 1, lengthBytes);
        const bodyAt = at + 1 + lengthBytes;
        if (announced <= this.#bytesMax) {
          this.#passing = announced;
        } else {
          this.#onTooLarge(announced);
          this.#passing = this.#bytesMax + 1;
          this.#dropping = announced - this.#passing;
          kept.push(bytes.subarray(start, at), fixedHeader(bytes[at]!, this.#passing));
          start = bodyAt;
        }
        at = bodyAt;
      }
    }
    if (at < bytes.length) this.#header = Buffer.from(bytes.subarray(at));
    if (kept.length === 0 && start === 0) return at === bytes.length ? bytes : bytes.subarray(0, at);
    kept.push(bytes.subarray(start, at));
    return Buffer.concat(kept);
  }

  /** Whether a packet of this remaining length has been cut. */
  isCut(packetLength: number | undefined): boolean {
    return packetLength === this.#bytesMax + 1;
  }
}

function fixedHeader(first: number, length: number): Buffer {
  const bytes = [first];
  let rest = length;
  while (rest >= 128) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
