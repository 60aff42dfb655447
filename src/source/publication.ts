import type { Delivery } from "../model/delivery.js";
import { packetIdentity } from "./identity.js";

/** What matters of a PUBLISH. */
export interface PublishParts {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** Undefined with QoS 0, and for a will. */
  readonly messageId?: number | undefined;
  readonly dup: boolean;
}

export interface PublicationParts {
  readonly source: string;
  /** Of the client that the packet is from, or to; undefined for what the broker itself publishes. */
  readonly clientId: string | undefined;
  readonly packet: PublishParts;
  /** False unless given. */
  readonly retained?: boolean;
  readonly committed: () => void;
}

/** A PUBLISH as the intake sees it. */
export class Publication implements Delivery {
  readonly source: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
  readonly committed: () => void;
  readonly #packet: PublishParts;
  readonly #clientId: string | undefined;

  constructor(parts: PublicationParts) {
    this.source = parts.source;
    this.topic = parts.packet.topic;
    this.payload = parts.packet.payload;
    this.retained = parts.retained === true;
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

  get repeated(): boolean {
    return this.#packet.dup && this.identity < 0;
  }
}
