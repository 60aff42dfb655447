import { Aedes, type AedesPublishPacket, type PublishPacket } from "aedes";
import "../mqtt/number-cache.js";

type Deliver = (packet: AedesPublishPacket, callback: () => void) => void;
type Done = (error?: Error) => void;

/** As aedes calls it; its types show the form without a client. */
type PublishMethod = (this: Aedes, packet: PublishPacket, client: unknown, done?: Done) => void;
const publishToAll = Aedes.prototype.publish as unknown as PublishMethod;

/** Under which the broker talks about itself. */
export const SYSTEM_TOPICS = "$SYS/";

/**
 * aedes, without the way to local subscribers where there are none, as on most gateways: what a device publishes is
 * for Weir, which has taken it in before. That way (a copy of the packet, a promise and two searches of its trees)
 * costs more than everything Weir does with a reading of two values.
 *
 * Any subscription of a connected client turns it on again. So does the first one of a client that wants its session
 * kept, for good: it may be away and its messages have to be queued.
 */
export class LocalBroker extends Aedes {
  /** One function per subscription of a connected client. */
  readonly #deliveries = new Set<Deliver>();
  /** Set before aedes stores a subscription that outlives its connection. */
  keepsSubscriptions = false;

  /** Whether anybody here may be waiting for what devices publish. */
  get isHeard(): boolean {
    return this.keepsSubscriptions || this.#deliveries.size > 0;
  }

  override publish(packet: PublishPacket, client: unknown, done?: Done): void {
    const heard = packet.retain || this.isHeard;
    if (heard || typeof client === "function" || packet.topic.startsWith(SYSTEM_TOPICS)) {
      publishToAll.call(this, packet, client, done);
    } else done?.();
  }

  override subscribe(topic: string, deliver: Deliver, done: () => void): void {
    if (!topic.startsWith(SYSTEM_TOPICS)) this.#deliveries.add(deliver);
    super.subscribe(topic, deliver, done);
  }

  override unsubscribe(topic: string, deliver: Deliver, done: () => void): void {
    this.#deliveries.delete(deliver);
    super.unsubscribe(topic, deliver, done);
  }
}
