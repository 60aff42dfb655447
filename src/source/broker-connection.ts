import type { Socket } from "node:net";
import { PacketLimit } from "../mqtt/packet-limit.js";
import { Gate } from "./gate.js";

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
  /** Told of the bytes of a payload that waits no more. */
  readonly leave: (bytes: number) => void;
}

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
  #starved = false;
  #ending = false;

  constructor(options: BrokerConnectionOptions) {
    const { socket, mayRead } = options;
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
    const read = socket.read.bind(socket);
    socket.read = (size?: number): Buffer | null => {
      // Node itself asks for 0 bytes to get the stream going.
      if (size === 0 || this.#ending) return read(size);
      if (!this.gate.open || !mayRead()) {
        this.#starved = true;
        return null;
      }
      const chunk: Buffer | null = read(size);
      if (chunk === null || refused) return null;
      const kept = limit.filter(chunk);
      if (!refused) return kept;
      socket.destroy();
      return null;
    };
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

  /** What is to be called when a publish with a payload of this size waits no more. */
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

  /** Lets aedes read again if it was refused. */
  wake(): void {
    if (!this.#starved) return;
    this.#starved = false;
    this.socket.emit("readable");
  }
}
