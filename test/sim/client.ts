import type { Timer } from "../../src/model/clock.js";
import type { SimulatedBroker, ToBroker, ToClient } from "./broker.js";
import type { Dice } from "./dice.js";
import type { Kernel } from "./kernel.js";
import type { End, Network } from "./network.js";

/** A payload on its way, and whether the sender has been promised that it is kept. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** It was put on the wire at least once. */
  sent: boolean;
  acknowledged: boolean;
  messageId: number;
}

const INFLIGHT_MAX = 8;
const ANSWER_MS_MAX = 20_000;
const RECONNECT_MS = 2_000;
const HEADER_BYTES = 8;

/**
 * An MQTT client with a session of its own: it keeps what is not acknowledged, and after a new connection sends it
 * again in order with DUP set, with the same packet identifier. It gives a connection up on which no answer comes.
 */
export class SimulatedClient {
  readonly id: string;
  readonly #kernel: Kernel;
  readonly #network: Network;
  readonly #dice: Dice;
  readonly #broker: () => SimulatedBroker | undefined;
  readonly #queue: Outgoing[] = [];
  /** Sent and not acknowledged, in order. */
  #inflight: Outgoing[] = [];
  /** Of QoS 2, those whose PUBREC has come: only PUBREL is repeated. */
  readonly #released = new Set<number>();
  #connection: End<ToBroker, ToClient> | undefined;
  #nextMessageId = 1;
  #patience: Timer | undefined;
  #reconnecting = false;

  constructor(on: {
    readonly id: string;
    readonly kernel: Kernel;
    readonly network: Network;
    readonly dice: Dice;
    readonly broker: () => SimulatedBroker | undefined;
  }) {
    this.id = on.id;
    this.#kernel = on.kernel;
    this.#network = on.network;
    this.#dice = on.dice;
    this.#broker = on.broker;
  }

  /** Whether everything of QoS 1 and 2 is acknowledged, and QoS 0 sent. */
  get isDone(): boolean {
    return this.#queue.length === 0 && this.#inflight.length === 0 && this.#released.size === 0;
  }

  publish(outgoing: Outgoing): void {
    this.#queue.push(outgoing);
    if (this.#connection === undefined) this.#connect();
    else this.#pump();
  }

  /** The device is switched off and on again: a session that it keeps, a connection that nobody hears the end of. */
  restart(): void {
    this.#drop();
  }

  #connect(): void {
    if (this.#reconnecting || this.#connection !== undefined) return;
    const broker = this.#broker();
    if (broker?.isListening !== true || this.#network.away) {
      this.#connectLater();
      return;
    }
    const { client, server } = this.#network.connect<ToBroker, ToClient>();
    this.#connection = client;
    client.onMessage = (message) => this.#onMessage(message);
    client.onClose = () => this.#drop();
    broker.accept(this.id, server);
    for (const outgoing of this.#inflight) {
      if (!this.#released.has(outgoing.messageId)) this.#send(outgoing, true);
    }
    for (const messageId of this.#released) this.#release(messageId);
    this.#pump();
  }

  #connectLater(): void {
    this.#reconnecting = true;
    this.#kernel.after(this.#dice.wait(RECONNECT_MS), () => {
      this.#reconnecting = false;
      this.#connect();
    });
  }

  #drop(): void {
    this.#patience?.cancel();
    this.#patience = undefined;
    this.#connection?.close();
    this.#connection = undefined;
    if (!this.isDone) this.#connectLater();
  }

  #pump(): void {
    while (this.#connection !== undefined && this.#queue.length > 0 && this.#inflight.length < INFLIGHT_MAX) {
      const outgoing = this.#queue.shift()!;
      if (outgoing.qos > 0) {
        outgoing.messageId = this.#nextMessageId;
        this.#nextMessageId = (this.#nextMessageId % 65_535) + 1;
        this.#inflight.push(outgoing);
      }
      this.#send(outgoing, false);
    }
  }

  #send(outgoing: Outgoing, dup: boolean): void {
    const { topic, payload, qos, messageId } = outgoing;
    outgoing.sent = true;
    const bytes = HEADER_BYTES + topic.length + payload.length;
    this.#connection?.send({ type: "publish", topic, payload, qos, messageId, dup }, bytes);
    this.#expectAnswer();
  }

  #release(messageId: number): void {
    this.#connection?.send({ type: "pubrel", messageId }, 4);
    this.#expectAnswer();
  }

  #onMessage({ type, messageId }: ToClient): void {
    this.#patience?.cancel();
    this.#patience = undefined;
    if (type === "pubrec") {
      const outgoing = this.#inflight.find((each) => each.messageId === messageId);
      if (outgoing !== undefined) outgoing.acknowledged = true;
      this.#released.add(messageId);
      this.#release(messageId);
      return;
    }
    this.#released.delete(messageId);
    const at = this.#inflight.findIndex((each) => each.messageId === messageId);
    if (at >= 0) {
      this.#inflight[at]!.acknowledged = true;
      this.#inflight.splice(at, 1);
    }
    if (!this.isDone) this.#expectAnswer();
    this.#pump();
  }

  #expectAnswer(): void {
    if (this.#patience !== undefined || (this.#inflight.length === 0 && this.#released.size === 0)) return;
    this.#patience = this.#kernel.after(ANSWER_MS_MAX, () => this.#drop());
  }
}
