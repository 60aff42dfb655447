import type { Socket } from "node:net";
import type { Timer, Timers } from "../model/clock.js";

export interface PubacksOptions {
  readonly socket: Socket;
  readonly timers: Timers;
  /** Time for a client to take its acknowledgements. */
  readonly drainTimeoutMs: number;
  /** Called when there is room again. */
  readonly drained: () => void;
}

const PUBACK = 0x40;
const PACKET_BYTES = 4;

/**
 * Acknowledgements of QoS 1 publishes (MQTT 3.1.1, 3.4), in the order in which they are given. A commit gives many at
 * once; they go out together when it has given them all.
 */
export class Pubacks {
  readonly #options: PubacksOptions;
  #messageIds: number[] = [];
  /** Runs while the socket takes nothing more. */
  #draining: Timer | undefined;

  constructor(options: PubacksOptions) {
    this.#options = options;
  }

  /** Whether the client does not take what it has been sent. */
  get clogged(): boolean {
    return this.#draining !== undefined;
  }

  add(messageId: number): void {
    this.#messageIds.push(messageId);
    if (this.#messageIds.length === 1) process.nextTick(() => this.flush());
  }

  /** Sends what was given so far; to be called before anything that has to come after it. */
  flush(): void {
    const messageIds = this.#messageIds;
    const { socket } = this.#options;
    if (messageIds.length === 0) return;
    this.#messageIds = [];
    // Whoever is gone will send again what it has no acknowledgement of.
    if (socket.destroyed || !socket.writable) return;
    const packets = Buffer.allocUnsafe(messageIds.length * PACKET_BYTES);
    let at = 0;
    for (const messageId of messageIds) {
      packets[at] = PUBACK;
      packets[at + 1] = PACKET_BYTES - 2;
      packets.writeUInt16BE(messageId, at + 2);
      at += PACKET_BYTES;
    }
    if (!socket.write(packets)) this.#awaitDrain();
  }

  #awaitDrain(): void {
    if (this.#draining !== undefined) return;
    const { socket, timers, drainTimeoutMs, drained } = this.#options;
    const done = (): void => {
      this.#draining?.cancel();
      this.#draining = undefined;
      socket.off("drain", done);
      socket.off("close", done);
      if (!socket.destroyed) drained();
    };
    this.#draining = timers.after(drainTimeoutMs, () => socket.destroy(new Error("drain timeout")));
    socket.on("drain", done);
    socket.on("close", done);
  }
}
