/**
 * A connection to a broker that is kept up: connects, and after every end connects again, with exponential backoff
 * and full jitter, so that a fleet does not come back in step. No failure is final: a wrong password may be put
 * right on the broker, a name may resolve again, a certificate may be renewed (its files are read for each attempt).
 *
 * The backoff starts afresh only after a connection has held for `STABLE_MS`; two gateways that use one client id,
 * and so throw each other out, do not do it at full speed.
 */

import { Backoff, type BackoffOptions } from "../model/backoff.js";
import type { Random, Timer, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import { type Endpoint, endpointName, parseBrokerUrl } from "./endpoint.js";
import { connectRemedy } from "./remedies.js";
import { type IncomingMessage, MqttSession, type MqttWill } from "./session.js";
import { askStatedLimit, type Inquiry } from "./stated-limit.js";
import { readTlsFiles, type TlsFiles } from "./tls-files.js";

export interface MqttConnectionOptions {
  /** `mqtt://host:port` or `mqtts://host:port`, without credentials. */
  readonly url: string;
  /** Stable and unique: the broker keeps the session under it. */
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: TlsFiles;
  /** False: the broker keeps subscriptions and unacknowledged messages while we are away. */
  readonly cleanSession: boolean;
  readonly will?: MqttWill;
  readonly keepaliveMs?: number;
  readonly connectTimeoutMs?: number;
  /** Longest packet that is taken from the broker. */
  readonly packetBytesMax?: number;
  /** What is left out is as `BACKOFF_DEFAULT`. */
  readonly backoff?: Partial<BackoffOptions>;
}

/** Who the connection belongs to, for events and counters. */
export type MqttOwner = { readonly source: string } | { readonly target: string };

export interface MqttConnectionParts {
  readonly owner: MqttOwner;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer: Observer;
}

export interface MqttHandlers {
  /** The broker has accepted. Messages of a kept session may have come before. */
  connected?(session: MqttSession, sessionPresent: boolean): void;
  /** As in `SessionHandlers`; a connection without this handler must not subscribe. */
  message?(message: IncomingMessage, acknowledge: () => void, next: () => void): void;
  /** A session that was connected is over. */
  disconnected?(session: MqttSession): void;
  /** What the broker has said to `askLimit`, bytes of a whole packet; undefined where it has said nothing. */
  limitStated?(bytes: number | undefined): void;
}

export interface MqttStatus {
  readonly state: "connected" | "waiting" | "stopped";
  readonly detail: string;
}

type About = Partial<Record<"source" | "target", string>> & { readonly broker: string };

export const mqttConnected = defineEvent<About & { readonly sessionPresent: boolean }>(
  "mqtt-connected",
  "info",
  "connected to the broker",
);
export const mqttDisconnected = defineEvent<About & { readonly code: string; readonly detail: string }>(
  "mqtt-disconnected",
  "warn",
  "the connection to the broker is gone; it is tried again",
);
export const mqttConnectFailed = defineEvent<
  About & { readonly code: string; readonly detail: string; readonly hint: string }
>("mqtt-connect-failed", "warn", "the broker cannot be reached or refuses; it is tried again");
export const mqttPacketTooLarge = defineEvent<About & { readonly bytes: number }>(
  "mqtt-packet-too-large",
  "warn",
  "the broker sent a packet that is longer than allowed; its payload is dropped",
);

const STABLE_MS = 10_000;
const KEEPALIVE_MS = 60_000;
const CONNECT_TIMEOUT_MS = 20_000;
const PACKET_BYTES_MAX = 262_144;
const BACKOFF_DEFAULT: BackoffOptions = { baseMs: 1_000, maxMs: 30_000 };

export class MqttConnection {
  readonly #options: MqttConnectionOptions;
  readonly #parts: MqttConnectionParts;
  readonly #handlers: MqttHandlers;
  readonly #endpoint: Endpoint;
  readonly #about: About;
  readonly #backoff: Backoff;
  #session: MqttSession | undefined;
  #timer: Timer | undefined;
  #limitWanted = false;
  #inquiry: Inquiry<number> | undefined;
  #problem = "connecting";
  #ended = false;

  /** @throws WeirError `bad-broker-url`, `bad-client-id` */
  constructor(options: MqttConnectionOptions, parts: MqttConnectionParts, handlers: MqttHandlers) {
    this.#options = options;
    this.#parts = parts;
    this.#handlers = handlers;
    this.#endpoint = parseBrokerUrl(options.url);
    if (options.clientId === "" || Buffer.byteLength(options.clientId) > 65_535) {
      throw new WeirError("bad-client-id", "the client id must have 1 to 65535 bytes", {
        hint: "give every gateway a clientId of its own",
      });
    }
    this.#about = { ...parts.owner, broker: endpointName(this.#endpoint) };
    this.#backoff = new Backoff({ ...BACKOFF_DEFAULT, ...options.backoff }, parts.random);
  }

  /** The session while it is connected. */
  get session(): MqttSession | undefined {
    return this.#session?.connected === true ? this.#session : undefined;
  }

  get status(): MqttStatus {
    const { broker } = this.#about;
    if (this.#ended) return { state: "stopped", detail: broker };
    if (this.session !== undefined) return { state: "connected", detail: broker };
    return { state: "waiting", detail: `${broker}: ${this.#problem}` };
  }

  /** Begins to connect; never fails. */
  start(): void {
    void this.#attempt();
  }

  /** Has the broker asked for the longest packet that it takes, before the next session begins. */
  askLimit(): void {
    this.#limitWanted = true;
  }

  /** Disconnects with a goodbye, so that no will is sent, and stays away. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    this.#inquiry?.abort();
    await this.#session?.end();
  }

  async #attempt(): Promise<void> {
    const options = this.#options;
    const parts = this.#parts;
    try {
      const login = {
        endpoint: this.#endpoint,
        tls: await readTlsFiles(options.tls ?? {}),
        clientId: options.clientId,
        username: options.username,
        password: options.password,
        connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      };
      if (this.#limitWanted && !this.#ended) await this.#inquire(login);
      if (this.#ended) return;
      const session: MqttSession = new MqttSession(
        {
          ...login,
          will: options.will,
          cleanSession: options.cleanSession,
          keepaliveMs: options.keepaliveMs ?? KEEPALIVE_MS,
          packetBytesMax: options.packetBytesMax ?? PACKET_BYTES_MAX,
          timers: parts.timers,
        },
        {
          connected: (sessionPresent) => this.#onConnected(session, sessionPresent),
          message: (message, acknowledge, next) => this.#handlers.message?.(message, acknowledge, next),
          closed: (code, detail) => this.#onClosed(session, code, detail),
          tooLarge: (bytes) => parts.observer.emit(mqttPacketTooLarge, { ...this.#about, bytes }),
        },
      );
      this.#session = session;
    } catch (error) {
      // Files that cannot be read, or certificates that cannot be used: they may be in the middle of a renewal.
      const { code = "tls-unusable", hint } = error instanceof WeirError ? error : {};
      this.#failed(code, messageOf(error), hint);
    }
  }

  async #inquire(login: Parameters<typeof askStatedLimit>[0]): Promise<void> {
    this.#limitWanted = false;
    this.#inquiry = askStatedLimit(login);
    const bytes = await this.#inquiry.answer;
    this.#inquiry = undefined;
    if (!this.#ended) this.#handlers.limitStated?.(bytes);
  }

  #onConnected(session: MqttSession, sessionPresent: boolean): void {
    this.#timer = this.#parts.timers.after(STABLE_MS, () => this.#backoff.reset());
    this.#parts.observer.emit(mqttConnected, { ...this.#about, sessionPresent });
    this.#handlers.connected?.(session, sessionPresent);
  }

  #onClosed(session: MqttSession, code: string, detail: string): void {
    this.#timer?.cancel();
    this.#session = undefined;
    if (session.established) this.#handlers.disconnected?.(session);
    if (this.#ended) return;
    if (!session.established) {
      this.#failed(code, detail);
      return;
    }
    this.#parts.observer.emit(mqttDisconnected, { ...this.#about, code, detail });
    this.#retry(detail);
  }

  #failed(code: string, detail: string, hint = connectRemedy(code)): void {
    if (this.#ended) return;
    this.#parts.observer.emit(mqttConnectFailed, { ...this.#about, code, detail, hint });
    this.#retry(detail);
  }

  #retry(problem: string): void {
    this.#problem = problem;
    this.#timer = this.#parts.timers.after(this.#backoff.nextMs(), () => void this.#attempt());
  }
}
