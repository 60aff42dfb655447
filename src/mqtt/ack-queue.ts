/**
 * Acknowledgements that are held back until their message is durable.
 *
 * They leave in the order in which the messages came (MQTT 3.1.1, 4.6: a receiver must), and all that become free in
 * one turn, those of a whole commit, leave in one write.
 */
export type AckKind = "puback" | "pubrec";

const FIRST_BYTE: Readonly<Record<AckKind, number>> = { puback: 0x40, pubrec: 0x50 };
const ACK_BYTES = 4;
/** Answered entries at the front are cut off when there are more than this, so that cutting costs little. */
const SPENT_MAX = 1_024;

interface HeldAck {
  readonly firstByte: number;
  readonly messageId: number;
  free: boolean;
}

export class AckQueue {
  readonly #write: (bytes: Buffer) => void;
  #held: HeldAck[] = [];
  #head = 0;
  #flushing = false;

  /** @param write sends bytes to the connection the messages came on, or drops them when it is gone */
  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  /** Messages that are not acknowledged yet. */
  get size(): number {
    return this.#held.length - this.#head;
  }

  /** Takes the next message's acknowledgement; call the result when it may leave. */
  hold(kind: AckKind, messageId: number): () => void {
    const ack: HeldAck = { firstByte: FIRST_BYTE[kind], messageId, free: false };
    this.#held.push(ack);
    return () => {
      ack.free = true;
      if (this.#flushing) return;
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    };
  }

  #flush(): void {
    this.#flushing = false;
    let end = this.#head;
    while (end < this.#held.length && this.#held[end]!.free) end++;
    if (end === this.#head) return;
    const bytes = Buffer.allocUnsafe((end - this.#head) * ACK_BYTES);
    let at = 0;
    for (let i = this.#head; i < end; i++) {
      const { firstByte, messageId } = this.#held[i]!;
      bytes[at] = firstByte;
      bytes[at + 1] = 2;
      bytes.writeUInt16BE(messageId, at + 2);
      at += ACK_BYTES;
    }
    this.#head = end;
    if (this.#head === this.#held.length || this.#head > SPENT_MAX) {
      this.#held = this.#held.slice(this.#head);
      this.#head = 0;
    }
    this.#write(bytes);
  }
}
