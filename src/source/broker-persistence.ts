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

/** The part of a packet that is looked at here. */
interface StoredPacket {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly messageId?: number | undefined;
}

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

interface Session {
  queued: number;
  /** Payload sizes of sent packets, by message id: aedes replaces a QoS 2 packet by its PUBREL. */
  readonly sent: Map<number, number>;
  readonly halfDone: Set<number>;
}

function newSession(): Session {
  return { queued: 0, sent: new Map(), halfDone: new Set() };
}

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
): Omit<Persistence, "storeRetained"> {
  const { limits, online } = options;
  const drop = dropper(options);
  // In the order of use: the first is the one unused for longest.
  const sessions = new Map<string, Session>();
  let queuedBytes = 0;

  const sessionOf = async (id: string): Promise<Session> => {
    const session = sessions.get(id) ?? newSession();
    sessions.delete(id);
    sessions.set(id, session);
    if (sessions.size > limits.sessionsMax) await forgetOldest(id);
    return session;
  };

  const forgetOldest = async (except: string): Promise<void> => {
    for (const [id, session] of sessions) {
      if (id === except || online(id)) continue;
      sessions.delete(id);
      drop("session");
      await inner.cleanSubscriptions({ id });
      await inner.cleanIncoming({ id });
      const sent = [...session.sent.keys()].map((messageId) => ({ messageId }));
      // Packets that were never sent have no message id; asking for that clears one of them.
      const unsent = Array.from({ length: session.queued - sent.length }, () => ({}));
      for (const ref of [...sent, ...unsent])
        leaves(session, ref, await inner.outgoingClearMessageId({ id }, ref));
      return;
    }
  };

  /** Counts a packet out of a session's queue; `ref` is what aedes asked for, `cleared` what there was. */
  const leaves = (session: Session | undefined, ref: object, cleared: object | undefined): void => {
    if (session === undefined || cleared === undefined) return;
    const { messageId } = ref as Partial<StoredPacket>;
    const { payload } = cleared as Partial<StoredPacket>;
    queuedBytes -= payload?.length ?? session.sent.get(messageId ?? 0) ?? 0;
    session.sent.delete(messageId ?? 0);
    session.queued--;
  };

  /** Counts a packet into a session's queue, or says that it does not fit. */
  const enters = ({ clientId }: SubscriptionRef, packet: StoredPacket): boolean => {
    const session = sessions.get(clientId) ?? newSession();
    const bytes = packet.payload.length;
    if (session.queued >= limits.queuedPerSessionMax || queuedBytes + bytes > limits.queuedBytesMax) {
      drop("queue");
      return false;
    }
    sessions.set(clientId, session);
    session.queued++;
    queuedBytes += bytes;
    return true;
  };

  return {
    async addSubscriptions(client, subscriptions) {
      await sessionOf(client.id);
      return inner.addSubscriptions(client, subscriptions);
    },
    cleanSubscriptions: (client) => inner.cleanSubscriptions(client),
    async outgoingEnqueue(subscription, packet) {
      if (enters(subscription, packet)) await inner.outgoingEnqueue(subscription, packet);
    },
    async outgoingEnqueueCombi(subscriptions, packet) {
      // Nearly every publish: nobody is subscribed with a session that is kept.
      if (subscriptions.length === 0) return;
      const fitting = subscriptions.filter((subscription) => enters(subscription, packet));
      await inner.outgoingEnqueueCombi(fitting, packet);
    },
    /** aedes looks for the queued copy before it sends; one that did not fit is sent all the same. */
    async outgoingUpdate(client, packet) {
      await inner.outgoingUpdate(client, packet).then(
        () => {
          const { messageId, payload } = packet as Partial<StoredPacket>;
          if (messageId !== undefined && payload !== undefined) {
            sessions.get(client.id)?.sent.set(messageId, payload.length);
          }
        },
        () => undefined,
      );
    },
    async outgoingClearMessageId(client, packet) {
      const cleared = await inner.outgoingClearMessageId(client, packet);
      leaves(sessions.get(client.id), packet, cleared);
      return cleared;
    },
    async incomingStorePacket(client, packet) {
      const session = await sessionOf(client.id);
      const id = packet.messageId ?? 0;
      if (session.halfDone.size >= limits.halfDonePerSessionMax && !session.halfDone.has(id)) {
        drop("qos2");
        throw new Error("too many QoS 2 packets await their PUBREL");
      }
      session.halfDone.add(id);
      // aedes only asks whether the packet is there.
      await inner.incomingStorePacket(client, { ...packet, payload: EMPTY });
    },
    async incomingDelPacket(client, packet) {
      sessions.get(client.id)?.halfDone.delete(packet.messageId ?? 0);
      await inner.incomingDelPacket(client, packet);
    },
    async cleanIncoming(client) {
      // The end of a clean session, or the beginning of one; aedes then clears the queue packet by packet.
      const session = sessions.get(client.id);
      if (session?.queued === 0) sessions.delete(client.id);
      session?.halfDone.clear();
      await inner.cleanIncoming(client);
    },
  };
}
