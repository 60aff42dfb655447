import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PacketLimit } from "./packet-limit.js";

/**
 * A socket whose incoming bytes pass a `PacketLimit`. It is the socket in every other respect: it ends, fails and
 * closes when the socket does, stops reading when nobody takes, and writes through without a buffer of its own.
 */
export class LimitedSocket extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket, limit: PacketLimit) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(limit.filter(chunk))) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket.write(chunk, callback);
  }

  /** What was written within one cork leaves in one segment. */
  override _writev(chunks: { readonly chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    const bytes = chunks.length === 1 ? chunks[0]!.chunk : Buffer.concat(chunks.map(({ chunk }) => chunk));
    this.#socket.write(bytes, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#socket.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket.destroy();
    callback(error);
  }
}
