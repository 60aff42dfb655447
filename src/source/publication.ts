import type { PublishPacket } from "aedes";
import type { Delivery } from "../model/delivery.js";
import { packetIdentity } from "./identity.js";

export interface PublicationParts {
  readonly source: string;
  /** Undefined for what the broker itself publishes. */
  readonly clientId: string | undefined;
  readonly packet: PublishPacket;
  readonly payload: Uint8Array;
  readonly committed: () => void;
}

/** A publish to the embedded broker, as the intake sees it. */
export class Publication implements Delivery {
  readonly source: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained = false;
  readonly committed: () => void;
  readonly #packet: PublishPacket;
  readonly #clientId: string | undefined;

  constructor(parts: PublicationParts) {
    this.source = parts.source;
    this.topic = parts.packet.topic;
    this.payload = parts.payload;
    this.committed = parts.committed;
    this.#packet = parts.packet;
    this.#clientId = parts.clientId;
  }

  /** Worked out when asked for: readings with an event time of their own do not need it. */
  get identity(): number {
    const { qos, messageId, topic, dup } = this.#packet;
    const clientId = this.#clientId;
    if (qos === 0 || messageId === undefined || clientId === undefined) return 0;
    return packetIdentity({ clientId, messageId, topic, payload: this.payload, dup });
  }
}
