import type { Socket } from "node:net";
import type { Client } from "aedes";
import type { Timers } from "../model/clock.js";
import { PacketLimit } from "../mqtt/packet-limit.js";
import { Gate } from "./gate.js";
import { Pubacks } from "./pubacks.js";
import { type PlainPublish, PublishLane } from "./publish-lane.js";

export interface BrokerConnectionOptions {
  readonly socket: Socket;
  /** Whether TLS has verified a certificate of the client. */
  readonly certified: boolean;
  readonly packetBytesMax: number;
  /** Publishes of this connection that may wait for their commit before it is not read any more. */
  readonly inflightMax: number;
  /** Whether the broker as a whole may read; it calls `wake` when it may again. */
  readonly mayRead: () => boolean;
  readonly onTooLarge: (announcedBytes: number) => void;
  readonly timers: Timers;
  readonly drainTimeoutMs: number;
  readonly topicLevelsMax: number;
  /** Beginning of the topics that are the broker's own. */
  readonly reserved: string;
  /** Whether nobody here has subscribed, so that publishes may go the short way (`publish-lane.ts`). */
  readonly isUnheard: () => boolean;
  /** Takes what goes the short way. */
  readonly publish: (publish: PlainPublish) => void;
  /** Told of the bytes of a payload that waits no more. */
  readonly leave: (bytes: number) => void;
}

/** What aedes has and its types do not show: a timer while the client has asked for a keepalive. */
type ClientInside = Client & { readonly _keepaliveTimer: NodeJS.Timeout | null };

/** A device sends payloads of few different sizes. */
const SIZES_MAX = 32;

/**
 * A client's socket with what aedes does not bound.
 *
 * aedes takes everything that has arrived with one `read(null)` whenever it wants more. So that is where packets that
 * are too long are noticed, before the parser collects them, and where push-back happens: a `read` that gives nothing
 * leaves the bytes in the socket's buffer, Node stops reading when that is full, and TCP tells the device. aedes's own
 * push-back (it reads on when every packet of the last chunk has called back) lets through a chunk for every
 * 'readable' event, and so does not hold for a device that sends packet by packet while the disk stands still.
 */
export class BrokerConnection {
  readonly socket: Socket;
  readonly gate: Gate;
  readonly certified: boolean;
  /** Name the client logged in with. */
  user: string | undefined;
  /** Whether its CONNECT came without a client id. */
  nameless = false;
  readonly #leave: (bytes: number) => void;
  /** By size of the payload, so that thousands of publishes that wait need not have a function each. */
  readonly #leaving = new Map<number, () => void>();
  /** Of what went the short way. */
  readonly pubacks: Pubacks;
  #client: ClientInside | undefined;
  #starved = false;
  #ending = false;

  constructor(options: BrokerConnectionOptions) {
    const { socket, mayRead, timers, drainTimeoutMs } = options;
    this.#leave = options.leave;
    this.socket = socket;
    this.certified = options.certified;
    const { inflightMax } = options;
    // Bytes are bounded over all connections together.
    this.gate = new Gate({ deliveriesMax: inflightMax, bytesMax: Number.POSITIVE_INFINITY }, () =>
      this.wake(),
    );
    let refused = false;
    const limit = new PacketLimit({
      bytesMax: options.packetBytesMax,
      onTooLarge: (bytes) => {
        refused = true;
        options.onTooLarge(bytes);
      },
    });
    this.pubacks = new Pubacks({ socket, timers, drainTimeoutMs, drained: () => this.wake() });
    const lane = new PublishLane({
      ...options,
      isOpen: () => this.#client !== undefined && options.isUnheard(),
    });
    const read = socket.read.bind(socket);
    socket.read = (size?: number): Buffer | null => {
      // Node itself asks for 0 bytes to get the stream going.
      if (size === 0 || this.#ending) return read(size);
      if (!this.gate.open || this.pubacks.clogged || !mayRead()) {
        this.#starved = true;
        return null;
      }
      const chunk: Buffer | null = read(size);
      if (chunk === null || refused) return null;
      const kept = limit.filter(chunk);
      if (refused) {
        socket.destroy();
        return null;
      }
      const rest = lane.take(kept);
      if (rest.length > 0) return rest;
      this.#client?._keepaliveTimer?.refresh();
      return null;
    };
  }

  /** The client is logged in, and nothing of it waits to be looked at. */
  admit(client: Client): void {
    this.#client = client as ClientInside;
  }

  /**
   * Says that nothing more will come. What still arrives is thrown away: closing a socket with unread bytes would make
   * the system send a reset, which may overtake the last acknowledgements.
   */
  end(): void {
    this.#ending = true;
    this.socket.removeAllListeners("readable");
    this.socket.resume();
    this.socket.end();
  }

  /**
   * What is to be called when a publish that went the short way is safe. Thousands may wait: a function of its own, which
   * holds on to these three and nothing else.
   */
  committed(messageId: number | undefined, bytes: number): () => void {
    if (messageId === undefined) return this.leaving(bytes);
    return () => {
      this.pubacks.add(messageId);
      this.gate.leave(1);
      this.#leave(bytes);
    };
  }

  /** What is to be called when a publish of this size waits no more. */
  leaving(bytes: number): () => void {
    const known = this.#leaving.get(bytes);
    if (known !== undefined) return known;
    const leave = (): void => {
      this.gate.leave(1);
      this.#leave(bytes);
    };
    if (this.#leaving.size < SIZES_MAX) this.#leaving.set(bytes, leave);
    return leave;
  }

  /** Lets aedes read again if it was refused. @returns whether it was */
  wake(): boolean {
    if (!this.#starved) return false;
    this.#starved = false;
    this.socket.emit("readable");
    return true;
  }
}

/** Lets connections read that were refused, until the gate closes again. Who has read is the last in the next turn. */
export function wakeInTurn<C extends Pick<BrokerConnection, "wake">>(
  connections: Map<object, C>,
  gate: Pick<Gate, "open">,
): void {
  for (const [key, connection] of [...connections]) {
    if (!gate.open) return;
    if (!connection.wake() || !connections.delete(key)) continue;
    connections.set(key, connection);
  }
}
