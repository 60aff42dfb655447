/**
 * Readings from somebody else's broker (Mosquitto, EMQX, a cloud).
 *
 * The session is persistent under a stable client id and the subscriptions are QoS 1: what arrives while the agent is
 * away waits in the broker, and what was not acknowledged comes again. A message is acknowledged after its commit
 * (`mqtt/session.ts` says how), so nothing the broker has let go of can be lost. A publisher's QoS 2 arrives as
 * QoS 1, and the duplicate filter does what the second handshake would; QoS 2 packets that an older subscription
 * of the session left in the broker are taken, too.
 *
 * Bounds: at most `inflightMax` messages or `waitingBytesMax` wait for their commit, then the socket is not read and
 * TCP pushes back on the broker, which queues. A packet longer than `packetBytesMax` is dropped, counted and
 * acknowledged, because the broker would send it again for ever.
 */
import type { Timer } from "../model/clock.js";
import type { Source } from "../model/delivery.js";
import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { defineEvent } from "../model/log-event.js";
import { MqttConnection, type MqttConnectionOptions } from "../mqtt/connection.js";
import type { IncomingMessage, MqttSession } from "../mqtt/session.js";
import { Gate } from "./gate.js";
import type { SourceParts } from "./parts.js";
import { Publication } from "./publication.js";

export interface MqttSourceOptions {
  readonly name: string;
  readonly connection: Omit<MqttConnectionOptions, "cleanSession" | "will">;
  /** Topic filters; at least one. */
  readonly topics: readonly string[];
  /** Messages that may wait for their commit before reading stops. */
  readonly inflightMax?: number;
  readonly waitingBytesMax?: number;
}

export const subscriptionRefused = defineEvent<{ readonly source: string; readonly filter: string }>(
  "mqtt-subscription-refused",
  "error",
  "the broker refuses a subscription; nothing comes in on it until the broker allows it",
);
export const subscribeFailed = defineEvent<{ readonly source: string; readonly detail: string }>(
  "mqtt-subscribe-failed",
  "error",
  "the broker did not take the subscriptions",
);
export const messageDropped = defineEvent<{
  readonly source: string;
  readonly reason: string;
  readonly topic: string;
}>("mqtt-message-dropped", "warn", "a message that is too long was dropped and acknowledged");

const INFLIGHT_MAX = 10_000;
/** A refused subscription may be allowed later, by a person. */
const RESUBSCRIBE_MS = 60_000;

export class MqttSource implements Source {
  readonly name: string;
  readonly #options: MqttSourceOptions;
  readonly #parts: SourceParts;
  readonly #connection: MqttConnection;
  readonly #gate: Gate;
  /** Goes on with the message after the one that closed the gate. */
  #next: (() => void) | undefined;
  #subscribed = false;
  #refused: readonly string[] = [];
  #retry: Timer | undefined;
  #stopping = false;

  /** @throws WeirError `bad-broker-url`, `bad-client-id`, `no-topics` */
  constructor(options: MqttSourceOptions, parts: SourceParts) {
    this.name = options.name;
    this.#options = options;
    this.#parts = parts;
    if (options.topics.length === 0) {
      throw new WeirError("no-topics", `the source ${options.name} has nothing to subscribe to`, {
        hint: "give topics, or a profile that claims MQTT topics",
      });
    }
    this.#gate = new Gate(
      {
        deliveriesMax: options.inflightMax ?? INFLIGHT_MAX,
        bytesMax: options.waitingBytesMax ?? LIMITS.commitBytesMax,
      },
      () => this.#goOn(),
    );
    this.#connection = new MqttConnection(
      { ...options.connection, cleanSession: false },
      { ...parts, owner: { source: options.name } },
      {
        connected: (session, sessionPresent) => void this.#onConnected(session, sessionPresent),
        message: (message, acknowledge, next) => this.#onMessage(message, acknowledge, next),
        disconnected: () => this.#onDisconnected(),
      },
    );
  }

  async start(): Promise<void> {
    this.#connection.start();
  }

  /** Resolves when everything handed over is committed and acknowledged; what else arrives stays with the broker. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#retry?.cancel();
    await this.#gate.drained();
    // Acknowledgements of the last commit leave at the end of its turn.
    await Promise.resolve();
    await this.#connection.end();
  }

  status(): { readonly state: string; readonly detail?: string } {
    const { state, detail } = this.#connection.status;
    if (state !== "connected" || this.#refused.length === 0) return { state, detail };
    return { state: "refused", detail: `${detail}: no subscription to ${this.#refused.join(", ")}` };
  }

  /**
   * Subscribes on the first connection of this life, because the filters may not be those of the last one, and when
   * the broker has lost the session. Otherwise the session still has them, and subscribing again would only bring
   * every retained message again.
   */
  async #onConnected(session: MqttSession, sessionPresent: boolean): Promise<void> {
    if (!sessionPresent) this.#subscribed = false;
    if (!this.#subscribed) await this.#subscribe(session, this.#options.topics);
    else if (this.#refused.length > 0) await this.#subscribe(session, this.#refused);
  }

  async #subscribe(session: MqttSession, filters: readonly string[]): Promise<void> {
    const { observer, timers } = this.#parts;
    try {
      const granted = await session.subscribe(filters, 1);
      this.#subscribed = true;
      this.#refused = granted.filter(({ qos }) => qos === undefined).map(({ filter }) => filter);
    } catch (error) {
      // A connection that ended meanwhile is not worth a word: the next one subscribes.
      if (!session.connected) return;
      this.#refused = filters;
      observer.emit(subscribeFailed, { source: this.name, detail: messageOf(error) });
    }
    for (const filter of this.#refused) observer.emit(subscriptionRefused, { source: this.name, filter });
    if (this.#refused.length === 0 || !session.connected) return;
    this.#retry = timers.after(RESUBSCRIBE_MS, () => {
      if (session.connected) void this.#subscribe(session, this.#refused);
    });
  }

  #onMessage(message: IncomingMessage, acknowledge: () => void, next: () => void): void {
    // While stopping nothing is taken in any more; unacknowledged, it stays with the broker.
    if (this.#stopping) return;
    if (message.cut) {
      const { topic } = message;
      this.#parts.observer.emit(messageDropped, { source: this.name, reason: "tooLarge", topic });
      acknowledge();
      next();
      return;
    }
    const bytes = message.payload.length + LIMITS.waitingMessageBytes;
    this.#gate.enter(bytes);
    const { clientId } = this.#options.connection;
    const committed = () => {
      acknowledge();
      this.#gate.leave(bytes);
    };
    this.#parts.intake(
      new Publication({ source: this.name, clientId, packet: message, retained: message.retain, committed }),
    );
    if (this.#gate.open) next();
    else this.#next = next;
  }

  #goOn(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.();
  }

  #onDisconnected(): void {
    this.#retry?.cancel();
    // The next session starts with a message of its own; this one's will not come any more.
    this.#next = undefined;
  }
}
