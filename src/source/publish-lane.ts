/**
 * The short way of plain publishes (QoS 0 or 1, not retained): from the bytes that a socket gives to the intake, past
 * the broker's parser and its queues, which cost more than all that Weir does with a reading. What is not plain goes to
 * the broker, and so does everything behind it in the same chunk: packets are taken in the order in which they came.
 *
 * The lane judges nothing. A packet that is odd in any way is the broker's, which knows what to do about it.
 */
import { fixedHeaderAt } from "../mqtt/fixed-header.js";

export interface PlainPublish {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
  /** Undefined with QoS 0. */
  readonly messageId: number | undefined;
  readonly dup: boolean;
}

export interface PublishLaneOptions {
  /** Whether publishes may go the short way now: the client is logged in and nobody here has subscribed. */
  readonly isOpen: () => boolean;
  readonly topicLevelsMax: number;
  /** Topics with these first characters are the broker's. */
  readonly reserved: string;
  readonly publish: (publish: PlainPublish) => void;
}

const PUBLISH = 3;
const RETAIN = 0x01;
const DUP = 0x08;
/** Longer packets whose end has not come are the broker's, which collects them without copying. */
const HELD_BYTES_MAX = 65_536;
const NOTHING = Buffer.alloc(0);
const WILDCARD_MANY = 0x23;
const WILDCARD_ONE = 0x2b;
const LEVEL = 0x2f;
/** What a decoder puts where bytes are no UTF-8. */
const REPLACEMENT = 0xfffd;

export class PublishLane {
  readonly #options: PublishLaneOptions;
  /** The beginning of a plain publish whose end has not come. */
  #held: Buffer = NOTHING;
  /** Bytes to come of a packet that the broker has the beginning of. */
  #brokers = 0;
  /** Most connections have one topic. */
  #topicBytes: Buffer = NOTHING;
  #topic = "";

  constructor(options: PublishLaneOptions) {
    this.#options = options;
  }

  /**
   * Takes the plain publishes at the beginning of a chunk.
   * @param chunk behind a `PacketLimit`, which does not cut through fixed headers
   * @returns what the broker is to have; may be empty
   */
  take(chunk: Buffer): Buffer {
    if (this.#brokers >= chunk.length) {
      this.#brokers -= chunk.length;
      return chunk;
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    let at = 0;
    if (this.#brokers === 0 && this.#options.isOpen()) {
      for (let end = this.#publishAt(bytes, 0); end > at; end = this.#publishAt(bytes, at)) at = end;
      if (at === bytes.length) return NOTHING;
      if (this.#isHeld(bytes, at)) {
        this.#held = Buffer.from(bytes.subarray(at));
        return NOTHING;
      }
    }
    this.#follow(bytes, at + this.#brokers);
    return at === 0 ? bytes : bytes.subarray(at);
  }

  /** Hands over the publish that begins there. @returns where it ends; 0 when it is none for this lane */
  #publishAt(bytes: Buffer, at: number): number {
    if (at === bytes.length) return 0;
    const first = bytes[at]!;
    if (!isPlain(first)) return 0;
    const { bodyAt, end } = fixedHeaderAt(bytes, at);
    if (end > bytes.length || bodyAt + 2 > end) return 0;
    const topicAt = bodyAt + 2;
    const topicEnd = topicAt + bytes.readUInt16BE(bodyAt);
    const qos = first & 0x06 ? 1 : 0;
    const payloadAt = topicEnd + qos * 2;
    if (payloadAt > end) return 0;
    const messageId = qos === 0 ? undefined : bytes.readUInt16BE(topicEnd);
    const topic = this.#topicOf(bytes, topicAt, topicEnd);
    if (messageId === 0 || topic === undefined) return 0;
    const payload = bytes.subarray(payloadAt, end);
    this.#options.publish({ topic, payload, qos, messageId, dup: (first & DUP) !== 0 });
    return end;
  }

  /** Undefined for a name that is not one for publishing, or that the broker keeps to itself. */
  #topicOf(bytes: Buffer, at: number, end: number): string | undefined {
    if (at === end) return undefined;
    const known = this.#topicBytes;
    if (known.length === end - at && known.compare(bytes, at, end) === 0) return this.#topic;
    const topic = bytes.toString("utf8", at, end);
    const { topicLevelsMax, reserved } = this.#options;
    if (topic.startsWith(reserved)) return undefined;
    let levels = 1;
    for (let i = 0; i < topic.length; i++) {
      const unit = topic.charCodeAt(i);
      if (unit === 0 || unit === WILDCARD_MANY || unit === WILDCARD_ONE || unit === REPLACEMENT)
        return undefined;
      if (unit === LEVEL) levels++;
    }
    if (levels > topicLevelsMax) return undefined;
    this.#topicBytes = Buffer.from(bytes.subarray(at, end));
    this.#topic = topic;
    return topic;
  }

  /** Whether a plain publish begins there that is not all there, and short enough to wait for. */
  #isHeld(bytes: Buffer, at: number): boolean {
    if (!isPlain(bytes[at]!)) return false;
    const { end } = fixedHeaderAt(bytes, at);
    return end > bytes.length && end - at <= HELD_BYTES_MAX;
  }

  /** Goes along with the packets that the broker gets, to know where the next one begins. */
  #follow(bytes: Buffer, from: number): void {
    let at = from;
    while (at < bytes.length) at = fixedHeaderAt(bytes, at).end;
    this.#brokers = at - bytes.length;
  }
}

/** QoS 2 has a conversation of its own; DUP is nothing for QoS 0. */
function isPlain(first: number): boolean {
  if (first >> 4 !== PUBLISH || (first & RETAIN) !== 0) return false;
  const qos = (first & 0x06) >> 1;
  return qos === 1 || (qos === 0 && (first & DUP) === 0);
}
