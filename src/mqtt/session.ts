/**
 * One connection to a broker over mqtt.js, from CONNECT until it closes. A new connection is a new session with a
 * client of its own, so nothing of a dead connection (an acknowledgement, a packet id, a queued packet) can ever get
 * into the next one. mqtt.js's own reconnecting is off; `connection.ts` decides about that.
 *
 * How acknowledgements are held while later messages keep flowing: mqtt.js handles one message at a time and
 * acknowledges it when `handleMessage` calls back; when that calls back with an error, it sends nothing and goes on
 * with the next packet. So the session always calls back with one, and writes the PUBACKs itself, four bytes each,
 * those of a whole commit in one write (`ack-queue.ts`). A wrapped stream that filters the PUBACKs out of what
 * mqtt.js writes was the alternative; it would have to parse the outgoing bytes and guess which message each
 * belongs to. `customHandleAcks` is for MQTT 5 only.
 *
 * QoS 2: mqtt.js hands a message over at PUBREL, after it has sent PUBREC, and PUBREC is the promise. So the session
 * makes it a QoS 1 packet on arrival and answers with PUBREC once it is durable; mqtt.js then finds no message for
 * the PUBREL and answers PUBCOMP, which is right. A packet that comes again before that is handed over again with
 * DUP, and the duplicate filter knows its identity.
 *
 * Push-back: as long as `next` is not called, mqtt.js reads nothing more from the socket. It would take the PINGRESP
 * it cannot see for a dead broker, so the session then pings by itself and starts the keepalive anew.
 */
import { type IClientOptions, type IPublishPacket, MqttClient, type Packet } from "mqtt";
import type { Timer, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import "./number-cache.js";
import { AckQueue } from "./ack-queue.js";
import { type Endpoint, openStream } from "./endpoint.js";
import { PacketLimit } from "./packet-limit.js";
import type { TlsMaterial } from "./tls-files.js";

export type Qos = 0 | 1 | 2;

/** A message as the broker sent it. */
export interface IncomingMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly messageId: number;
  /** The payload was longer than `packetBytesMax` and is not all here. */
  readonly cut: boolean;
}

export interface MqttWill {
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface SessionOptions {
  readonly endpoint: Endpoint;
  readonly tls: TlsMaterial;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly will: MqttWill | undefined;
  /** False: the broker keeps subscriptions and unacknowledged messages while we are away. */
  readonly cleanSession: boolean;
  readonly keepaliveMs: number;
  readonly connectTimeoutMs: number;
  readonly packetBytesMax: number;
  readonly timers: Timers;
}

export interface SessionHandlers {
  /** The broker has accepted; queued messages may have come before. */
  connected(sessionPresent: boolean): void;
  /**
   * One message. `acknowledge` may be called at any time, also after the session is over, when it does nothing.
   * Nothing more is read before `next` is called.
   */
  message(message: IncomingMessage, acknowledge: () => void, next: () => void): void;
  /** Called once. `code` is short and stable, `reason` a sentence without secrets. */
  closed(code: string, reason: string): void;
  tooLarge(bytes: number): void;
}

export interface Granted {
  readonly filter: string;
  /** Undefined where the broker refuses the subscription. */
  readonly qos: Qos | undefined;
}

const HELD = new Error("acknowledged later");
/**
 * What mqtt.js itself refuses to send; it has no code. Every other error is the end of the connection, which mqtt.js
 * reports for what is in flight before it closes the stream. Taken for a refusal, it would cost that summary.
 */
const UNSENDABLE = /^Invalid topic/;
const NOTHING = (): void => {};
/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
const CONNACK_CODES: readonly (string | undefined)[] = [
  undefined,
  "refused-protocol",
  "refused-client-id",
  "refused-unavailable",
  "refused-credentials",
  "refused-not-authorized",
];

export class MqttSession {
  readonly #client: MqttClient;
  readonly #handlers: SessionHandlers;
  readonly #acks: AckQueue;
  readonly #limit: PacketLimit;
  readonly #exactlyOnce = new WeakSet<Packet>();
  /** Rejects what is waiting for the broker's answer when the connection ends before it. */
  readonly #pending = new Set<(error: WeirError) => void>();
  readonly #pinger: Timer;
  readonly #timers: Timers;
  #held = false;
  #established = false;
  #over = false;
  #code = "closed";
  #reason = "the broker closed the connection";

  constructor(options: SessionOptions, handlers: SessionHandlers) {
    this.#handlers = handlers;
    this.#timers = options.timers;
    this.#limit = new PacketLimit({
      bytesMax: options.packetBytesMax,
      onTooLarge: (bytes) => handlers.tooLarge(bytes),
    });
    const stream = openStream(options.endpoint, options.tls, this.#limit);
    stream.on("error", (error) => this.#note(error));
    this.#acks = new AckQueue((bytes) => {
      if (stream.writable) stream.write(bytes);
    });
    const client = new MqttClient(() => stream, clientOptions(options));
    this.#client = client;
    client.handleMessage = (packet, callback) => this.#onMessage(packet, callback);
    client.on("packetreceive", (packet) => this.#onPacket(packet));
    client.on("connect", ({ sessionPresent }) => {
      this.#established = true;
      handlers.connected(sessionPresent);
    });
    client.on("error", (error) => {
      // mqtt.js goes on after some errors, in the middle of a packet after a parser's; a new connection is safe.
      this.#note(error);
      stream.destroy();
    });
    client.on("close", () => this.#onClose());
    this.#pinger = options.timers.every(options.keepaliveMs / 2, () => this.#pingWhileHeld());
  }

  /** Between CONNACK and close. */
  get connected(): boolean {
    return this.#established && !this.#over;
  }

  /** Whether the broker ever accepted it. */
  get established(): boolean {
    return this.#established;
  }

  /** Messages taken in and not acknowledged yet. */
  get unacknowledged(): number {
    return this.#acks.size;
  }

  /**
   * Resolves when the broker has acknowledged (QoS 1 and 2) or the packet is written (QoS 0).
   * @throws WeirError `mqtt-disconnected`, retryable: whether the broker has the message is not known;
   * `mqtt-refused` when it cannot be sent at all
   */
  publish(
    topic: string,
    payload: string | Buffer,
    options: { readonly qos: Qos; readonly retain?: boolean },
  ): Promise<void> {
    return this.#answered<void>((done) => {
      const { qos, retain = false } = options;
      this.#client.publish(topic, payload, { qos, retain }, (error) => done(error ?? undefined, undefined));
    });
  }

  /**
   * What the broker grants, filter by filter; a refusal is an answer, not an error.
   * @throws WeirError `mqtt-disconnected`, retryable
   */
  subscribe(filters: readonly string[], qos: Qos): Promise<readonly Granted[]> {
    return this.#answered<readonly Granted[]>((done) => {
      this.#client.subscribe([...filters], { qos }, (error, _granted, packet) => {
        if (packet === undefined) done(error ?? new Error("no answer"), []);
        else
          done(
            undefined,
            filters.map((filter, i) => ({ filter, qos: grantedQos(packet.granted[i]) })),
          );
      });
    });
  }

  /** Says goodbye, so that no will is sent, and closes; a broker that does not react is left after `graceMs`. */
  end(graceMs = 1_000): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      const { stream } = this.#client;
      const timer = this.#timers.after(graceMs, () => stream.destroy());
      stream.once("close", () => {
        timer.cancel();
        resolve();
      });
      if (!this.#established) stream.destroy();
      else stream.end(Buffer.from([0xe0, 0]));
    });
  }

  /** Closes without a goodbye. */
  abort(): void {
    this.#client.stream.destroy();
  }

  #answered<T>(ask: (done: (error: Error | undefined, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.connected) {
        reject(disconnected());
        return;
      }
      this.#pending.add(reject);
      ask((error, value) => {
        this.#pending.delete(reject);
        if (error === undefined) resolve(value);
        else reject(UNSENDABLE.test(error.message) ? refused(error) : disconnected(error));
      });
    });
  }

  #onPacket(packet: Packet): void {
    if (packet.cmd !== "publish" || packet.qos !== 2) return;
    this.#exactlyOnce.add(packet);
    packet.qos = 1;
  }

  #onMessage(packet: IPublishPacket, callback: (error?: Error) => void): void {
    const qos: Qos = this.#exactlyOnce.has(packet) ? 2 : packet.qos;
    const messageId = packet.messageId ?? 0;
    const acknowledge = qos === 0 ? NOTHING : this.#acks.hold(qos === 2 ? "pubrec" : "puback", messageId);
    const message: IncomingMessage = {
      topic: packet.topic,
      payload: typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload,
      qos,
      retain: packet.retain,
      dup: packet.dup,
      messageId,
      cut: this.#limit.isCut(packet.length),
    };
    this.#held = true;
    let called = false;
    this.#handlers.message(message, acknowledge, () => {
      if (called) return;
      called = true;
      this.#held = false;
      callback(HELD);
    });
  }

  #pingWhileHeld(): void {
    if (!this.#held || !this.connected) return;
    this.#client.sendPing();
    this.#client.reschedulePing(true);
  }

  /** The first error is the cause; what follows are its effects. */
  #note(error: Error): void {
    if (this.#code !== "closed") return;
    this.#code = codeOf(error);
    this.#reason = messageOf(error) || this.#code;
  }

  #onClose(): void {
    if (this.#over) return;
    this.#over = true;
    this.#pinger.cancel();
    for (const reject of this.#pending) reject(disconnected());
    this.#pending.clear();
    this.#handlers.closed(this.#code, this.#reason);
  }
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  if (typeof code === "number") return CONNACK_CODES[code] ?? "refused";
  if (typeof code === "string") return code;
  // mqtt.js has no codes for these two.
  return /timeout/i.test(error.message) ? "timeout" : "protocol";
}

function clientOptions(options: SessionOptions): IClientOptions {
  const { username, password, will } = options;
  return {
    clientId: options.clientId,
    clean: options.cleanSession,
    keepalive: Math.min(65_535, Math.max(1, Math.ceil(options.keepaliveMs / 1_000))),
    connectTimeout: options.connectTimeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    timerVariant: "native",
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
  };
}

function grantedQos(code: number | undefined | object): Qos | undefined {
  return code === 0 || code === 1 || code === 2 ? code : undefined;
}

function refused(cause: Error): WeirError {
  return new WeirError("mqtt-refused", messageOf(cause), {
    hint: "give the target a topic that MQTT allows",
    cause,
  });
}

function disconnected(cause?: Error): WeirError {
  return new WeirError("mqtt-disconnected", "the connection to the broker ended before its answer", {
    retryable: true,
    hint: "look at the broker's log for why it ended the connection, and at the network in between",
    ...(cause === undefined ? {} : { cause }),
  });
}
