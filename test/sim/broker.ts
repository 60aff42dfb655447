import type { Delivery, Intake, Source } from "../../src/model/delivery.js";
import { packetIdentity } from "../../src/source/identity.js";
import type { End } from "./network.js";

/** What an MQTT client and a broker say to each other about publishing (MQTT 3.1.1, section 4.3). */
export type ToBroker =
  | {
      readonly type: "publish";
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly qos: 0 | 1 | 2;
      readonly messageId: number;
      readonly dup: boolean;
    }
  | { readonly type: "pubrel"; readonly messageId: number };
export type ToClient = { readonly type: "puback" | "pubrec" | "pubcomp"; readonly messageId: number };

const ACKNOWLEDGEMENT_BYTES = 4;

/**
 * The port `Source` as the embedded broker implements it, without sockets: every publish goes to the intake with the
 * identity of its packet, and is acknowledged when it is committed. It knows nothing of earlier lives, so a publish
 * of QoS 2 that comes again after a crash goes to the intake again.
 */
export class SimulatedBroker implements Source {
  readonly name: string;
  readonly #intake: Intake;
  readonly #isAlive: () => boolean;
  readonly #connections = new Map<string, End<ToClient, ToBroker>>();
  #listening = false;

  constructor(name: string, intake: Intake, isAlive: () => boolean) {
    this.name = name;
    this.#intake = intake;
    this.#isAlive = isAlive;
  }

  get isListening(): boolean {
    return this.#listening && this.#isAlive();
  }

  async start(): Promise<void> {
    this.#listening = true;
  }

  async stop(): Promise<void> {
    this.#listening = false;
    for (const connection of this.#connections.values()) connection.onMessage = () => {};
  }

  status() {
    return { state: this.#listening ? "listening" : "stopped" };
  }

  /** The process is gone, and with it the sockets. */
  die(): void {
    for (const connection of this.#connections.values()) connection.close();
  }

  accept(clientId: string, connection: End<ToClient, ToBroker>): void {
    // The client of an older connection is the same one: that connection is over (MQTT-3.1.4-2).
    this.#connections.get(clientId)?.close();
    this.#connections.set(clientId, connection);
    connection.onClose = () => this.#connections.delete(clientId);
    connection.onMessage = (message) => {
      if (!this.#isAlive()) return;
      if (message.type === "pubrel") {
        connection.send({ type: "pubcomp", messageId: message.messageId }, ACKNOWLEDGEMENT_BYTES);
        return;
      }
      this.#intake(this.#deliveryOf(clientId, message, connection));
    };
  }

  #deliveryOf(
    clientId: string,
    publish: Extract<ToBroker, { type: "publish" }>,
    connection: End<ToClient, ToBroker>,
  ): Delivery {
    const { topic, payload, qos, messageId, dup } = publish;
    return {
      source: this.name,
      topic,
      payload,
      retained: false,
      identity: qos === 0 ? 0 : packetIdentity({ clientId, messageId, topic, payload, dup }),
      repeated: qos > 0 && dup,
      committed: () => {
        if (qos === 0 || !this.#isAlive()) return;
        connection.send({ type: qos === 1 ? "puback" : "pubrec", messageId }, ACKNOWLEDGEMENT_BYTES);
      },
    };
  }
}
