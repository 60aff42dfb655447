/**
 * Bounds for what the embedded broker remembers.
 *
 * aedes keeps retained messages, sessions and their queues in memory and without a limit, so any client could make it
 * grow until the process dies. This puts limits around aedes's own in-memory persistence; what does not fit is dropped
 * and counted, and never what Weir itself has taken in: that is in its store before the broker sees it.
 *
 * - retained messages: a topic beyond the limit is not retained (it is still delivered to who is subscribed);
 * - the queue of a session: a message beyond the limit is not queued; a client that is connected still gets it;
 * - sessions: beyond the limit the one that is away and was used longest ago is forgotten;
 * - half-done QoS 2 packets of a session: beyond the limit the client is disconnected; their payloads are not kept.
 */
import { defineEvent, type Observer } from "../model/log-event.js";
import { type Forgotten, type Session, SessionBook, type StoredPacket } from "./broker-sessions.js";

interface ClientRef {
  readonly id: string;
  readonly clean?: boolean;
}

interface SubscriptionRef {
  readonly clientId: string;
}

/** The methods of aedes-persistence that are wrapped; the others are passed on as they are. */
export interface Persistence {
  storeRetained(packet: StoredPacket): Promise<void>;
  addSubscriptions(client: ClientRef, subscriptions: readonly object[]): Promise<unknown>;
  cleanSubscriptions(client: ClientRef): Promise<unknown>;
  outgoingEnqueue(subscription: SubscriptionRef, packet: StoredPacket): Promise<void>;
  outgoingEnqueueCombi(subscriptions: readonly SubscriptionRef[], packet: StoredPacket): Promise<void>;
  outgoingUpdate(client: ClientRef, packet: StoredPacket): Promise<void>;
  outgoingClearMessageId(client: ClientRef, packet: object): Promise<object | undefined>;
  incomingStorePacket(client: ClientRef, packet: StoredPacket): Promise<void>;
  incomingDelPacket(client: ClientRef, packet: StoredPacket): Promise<void>;
  cleanIncoming(client: ClientRef): Promise<void>;
}

export interface PersistenceLimits {
  readonly retainedMax: number;
  readonly retainedBytesMax: number;
  readonly sessionsMax: number;
  readonly queuedPerSessionMax: number;
  readonly queuedBytesMax: number;
  readonly halfDonePerSessionMax: number;
}

type Dropped = { readonly source: string; readonly reason: string };

export const brokerDropped = defineEvent<Dropped>(
  "broker-dropped",
  "warn",
  "the broker's memory for other clients is full; something was not kept for them",
);

const EMPTY = Buffer.alloc(0);

export interface BoundedPersistenceOptions {
  readonly source: string;
  readonly limits: PersistenceLimits;
  readonly observer: Observer;
  /** Whether a client of this id is connected. */
  readonly online: (clientId: string) => boolean;
}

export function boundPersistence<P extends Persistence>(inner: P, options: BoundedPersistenceOptions): P {
  // Everything else of the inner one is reached through the prototype.
  return Object.assign(Object.create(inner) as P, retainedPart(inner, options), sessionPart(inner, options));
}

function dropper({ source, observer }: BoundedPersistenceOptions): (reason: string) => void {
  return (reason) => observer.emit(brokerDropped, { source, reason });
}

function retainedPart(
  inner: Persistence,
  options: BoundedPersistenceOptions,
): Pick<Persistence, "storeRetained"> {
  const { retainedMax, retainedBytesMax } = options.limits;
  const drop = dropper(options);
  const sizes = new Map<string, number>();
  let bytes = 0;
  return {
    storeRetained(packet) {
      const { topic } = packet;
      const before = sizes.get(topic) ?? 0;
      const size = packet.payload.length === 0 ? 0 : topic.length + packet.payload.length;
      const fits = bytes - before + size <= retainedBytesMax && (before > 0 || sizes.size < retainedMax);
      const kept = fits ? size : 0;
      bytes += kept - before;
      if (kept === 0) sizes.delete(topic);
      else sizes.set(topic, kept);
      if (fits || size === 0) return inner.storeRetained(packet);
      drop("retained");
      // The old value must not outlive the new one that did not fit.
      return before === 0 ? Promise.resolve() : inner.storeRetained({ ...packet, payload: EMPTY });
    },
  };
}

function sessionPart(
  inner: Persistence,
  options: BoundedPersistenceOptions,
): Omit<Persistence, "storeRetained" | "cleanSubscriptions"> {
  const drop = dropper(options);
  const sessions = new SessionBook({ ...options, drop });

  /** Makes room for the session of a client, and marks it as used. */
  const use = async (id: string): Promise<Session> => {
    const { session, forgotten } = sessions.use(id);
    if (forgotten !== undefined) await forget(inner, forgotten);
    return session;
  };

  return {
    async addSubscriptions(client, subscriptions) {
      await use(client.id);
      return inner.addSubscriptions(client, subscriptions);
    },
    async outgoingEnqueue(subscription, packet) {
      if (sessions.enters(subscription.clientId, packet)) await inner.outgoingEnqueue(subscription, packet);
    },
    async outgoingEnqueueCombi(subscriptions, packet) {
      // Nearly every publish: nobody is subscribed with a session that is kept.
      if (subscriptions.length === 0) return;
      const fitting = subscriptions.filter(({ clientId }) => sessions.enters(clientId, packet));
      await inner.outgoingEnqueueCombi(fitting, packet);
    },
    /** aedes looks for the queued copy before it sends; one that did not fit is sent all the same. */
    async outgoingUpdate(client, packet) {
      await inner.outgoingUpdate(client, packet).then(
        () => sessions.sent(client.id, packet),
        () => undefined,
      );
    },
    async outgoingClearMessageId(client, packet) {
      const cleared = await inner.outgoingClearMessageId(client, packet);
      sessions.leaves(client.id, packet, cleared);
      return cleared;
    },
    async incomingStorePacket(client, packet) {
      const { halfDone } = await use(client.id);
      const id = packet.messageId ?? 0;
      if (halfDone.size >= options.limits.halfDonePerSessionMax && !halfDone.has(id)) {
        drop("qos2");
        throw new Error("too many QoS 2 packets await their PUBREL");
      }
      halfDone.add(id);
      // aedes only asks whether the packet is there.
      await inner.incomingStorePacket(client, { ...packet, payload: EMPTY });
    },
    async incomingDelPacket(client, packet) {
      sessions.find(client.id)?.halfDone.delete(packet.messageId ?? 0);
      await inner.incomingDelPacket(client, packet);
    },
    async cleanIncoming(client) {
      sessions.ended(client.id);
      await inner.cleanIncoming(client);
    },
  };
}

/** Removes all that aedes keeps for a session. */
async function forget(inner: Persistence, { id, session }: Forgotten): Promise<void> {
  await inner.cleanSubscriptions({ id });
  await inner.cleanIncoming({ id });
  const sent = [...session.sent.keys()].map((messageId) => ({ messageId }));
  // Packets that were never sent have no message id; asking for that clears one of them.
  const unsent = Array.from({ length: session.queued - sent.length }, () => ({}));
  for (const packet of [...sent, ...unsent]) await inner.outgoingClearMessageId({ id }, packet);
}
