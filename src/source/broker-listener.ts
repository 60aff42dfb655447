/**
 * Where clients of the embedded broker connect: one TCP port, with TLS or without.
 *
 * A port that is taken, an address that is not there yet or a certificate that cannot be read is not the end: it is
 * said once per cause and tried again with backoff, because at boot the network and the old process come and go.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { Backoff } from "../model/backoff.js";
import type { Random, Timer, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import { readTlsFiles, type TlsFiles } from "../mqtt/tls-files.js";

export interface BrokerTls extends TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** With it, clients must show a certificate signed by it. */
  readonly ca?: string;
}

export interface BrokerListenerOptions {
  readonly source: string;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly tls: BrokerTls | undefined;
  readonly handshakeTimeoutMs: number;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer: Observer;
  /** @returns whether the connection is taken; otherwise it is closed */
  readonly admit: (socket: Socket) => boolean;
  readonly connected: (socket: Socket, certified: boolean) => void;
}

type Place = { readonly source: string; readonly address: string };

export const brokerListening = defineEvent<Place & { readonly tls: boolean }>(
  "broker-listening",
  "info",
  "the embedded broker takes connections",
);
export const brokerNotListening = defineEvent<Place & { readonly code: string; readonly detail: string }>(
  "broker-not-listening",
  "error",
  "the embedded broker cannot take connections; it is tried again",
);
export const brokerTlsFailed = defineEvent<{ readonly source: string; readonly detail: string }>(
  "broker-tls-failed",
  "info",
  "a client did not get through the TLS handshake",
);

const BACKOFF = { baseMs: 1_000, maxMs: 15_000 };

export class BrokerListener {
  readonly #options: BrokerListenerOptions;
  readonly #backoff: Backoff;
  #server: Server | undefined;
  #tlsServer: TlsServer | undefined;
  #retry: Timer | undefined;
  #problem: string | undefined;
  #closed = false;

  constructor(options: BrokerListenerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(BACKOFF, options.random);
  }

  /** The port it listens on; undefined while it does not. */
  get port(): number | undefined {
    const address = this.#server?.address();
    return address === null || address === undefined || typeof address === "string"
      ? undefined
      : address.port;
  }

  get address(): string {
    const { host, port } = this.#options;
    return `${host.includes(":") ? `[${host}]` : host}:${this.port ?? port}`;
  }

  /** Why it does not listen. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    const { source, observer, tls, timers } = this.#options;
    try {
      await this.#listen();
      this.#problem = undefined;
      this.#backoff.reset();
      observer.emit(brokerListening, { source, address: this.address, tls: tls !== undefined });
    } catch (error) {
      if (this.#closed) return;
      const detail = messageOf(error);
      const code = codeOf(error);
      if (detail !== this.#problem)
        observer.emit(brokerNotListening, { source, address: this.address, code, detail });
      this.#problem = detail;
      this.#retry = timers.after(this.#backoff.nextMs(), () => void this.start());
    }
  }

  /**
   * Reads the certificate again for the connections to come.
   * @throws WeirError when it cannot be used; the old one stays
   */
  async reloadTls(): Promise<void> {
    const { tls } = this.#options;
    if (tls === undefined || this.#tlsServer === undefined) return;
    const material = await readTlsFiles(tls);
    try {
      this.#tlsServer.setSecureContext(material);
    } catch (error) {
      throw unusable(error);
    }
  }

  /** Takes no more connections; those that are open stay. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#server?.close();
  }

  async #listen(): Promise<void> {
    const { host, port, tls, source, observer } = this.#options;
    if (tls !== undefined) await this.#prepareTls(tls);
    if (this.#closed) return;
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    server.on("error", (error) => {
      const detail = messageOf(error);
      observer.emit(brokerNotListening, { source, address: this.address, code: codeOf(error), detail });
    });
    this.#server = server;
    if (this.#closed) server.close();
  }

  async #prepareTls(tls: BrokerTls): Promise<void> {
    const { source, observer, connected, handshakeTimeoutMs } = this.#options;
    const material = await readTlsFiles(tls);
    const asks = tls.ca !== undefined;
    try {
      this.#tlsServer = createTlsServer({
        ...material,
        requestCert: asks,
        rejectUnauthorized: asks,
        handshakeTimeout: handshakeTimeoutMs,
      });
    } catch (error) {
      throw unusable(error);
    }
    this.#tlsServer.on("secureConnection", (socket: TLSSocket) => connected(socket, socket.authorized));
    this.#tlsServer.on("tlsClientError", (error, socket) => {
      observer.emit(brokerTlsFailed, { source, detail: messageOf(error) });
      socket.destroy();
    });
  }

  #accept(socket: Socket): void {
    if (!this.#options.admit(socket)) socket.destroy();
    else if (this.#tlsServer === undefined) this.#options.connected(socket, false);
    else this.#tlsServer.emit("connection", socket);
  }
}

function unusable(error: unknown): WeirError {
  return new WeirError("tls-unusable", `the certificate or key cannot be used: ${messageOf(error)}`, {
    hint: "check that cert and key under tls belong together and are PEM files",
    retryable: true,
    cause: error,
  });
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "unknown";
}
