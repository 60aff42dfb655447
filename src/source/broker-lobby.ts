import type { Socket } from "node:net";
import type { Clock } from "../model/clock.js";

/** Time that a device on a slow line needs for its TLS handshake and CONNECT; nobody is sent away sooner. */
const SILENT_MS_MIN = 2_000;

/**
 * Connections that have not sent a whole CONNECT yet. When there are as many connections as allowed, the one that has
 * been silent for longest makes room: whoever only opens sockets must not lock out devices that speak.
 */
export class BrokerLobby {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** By address and port of the other side, which a TLS socket and the socket under it share; oldest first. */
  readonly #silent = new Map<string, { readonly socket: Socket; readonly sinceMs: number }>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  enter(socket: Socket): void {
    const key = keyOf(socket);
    this.#silent.set(key, { socket, sinceMs: this.#clock.monotonicMs() });
    socket.once("close", () => {
      if (this.#silent.get(key)?.socket === socket) this.#silent.delete(key);
    });
  }

  /** A whole CONNECT has come on this connection. */
  spoke(socket: Socket): void {
    this.#silent.delete(keyOf(socket));
  }

  /** Who has to go for another; undefined when nobody has been silent for long enough. */
  longestSilent(): Socket | undefined {
    for (const [key, { socket, sinceMs }] of this.#silent) {
      if (this.#clock.monotonicMs() - sinceMs < SILENT_MS_MIN) return undefined;
      this.#silent.delete(key);
      return socket;
    }
    return undefined;
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
