/** The part of a packet of aedes that is looked at here. */
export interface StoredPacket {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly messageId?: number | undefined;
}

/** What is counted of one client's kept session. */
export interface Session {
  /** Packets in its queue, sent or not. */
  queued: number;
  bytes: number;
  /** Payload sizes of sent packets, by message id: aedes replaces a QoS 2 packet by its PUBREL. */
  readonly sent: Map<number, number>;
  /** Packet ids of QoS 2 packets it has sent and not released. */
  readonly halfDone: Set<number>;
}

export interface Forgotten {
  readonly id: string;
  readonly session: Session;
}

export interface SessionBookOptions {
  readonly limits: {
    readonly sessionsMax: number;
    readonly queuedPerSessionMax: number;
    readonly queuedBytesMax: number;
  };
  readonly online: (clientId: string) => boolean;
  readonly drop: (reason: "session" | "queue") => void;
}

/** Counts what the broker keeps for the sessions of its clients, and says what does not fit any more. */
export class SessionBook {
  readonly #options: SessionBookOptions;
  /** In the order of use: the first is the one unused for longest. */
  readonly #sessions = new Map<string, Session>();
  #queuedBytes = 0;

  constructor(options: SessionBookOptions) {
    this.#options = options;
  }

  find(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** The session of a client, and the one that has to go for it: away, and unused for longest. */
  use(id: string): { readonly session: Session; readonly forgotten: Forgotten | undefined } {
    const session = this.#sessions.get(id) ?? newSession();
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    const full = this.#sessions.size > this.#options.limits.sessionsMax;
    return { session, forgotten: full ? this.#forgetOldest(id) : undefined };
  }

  /** Counts a packet into a session's queue, or says that it does not fit. */
  enters(id: string, packet: StoredPacket): boolean {
    const { limits, drop } = this.#options;
    const session = this.#sessions.get(id) ?? newSession();
    const bytes = packet.payload.length;
    if (session.queued >= limits.queuedPerSessionMax || this.#queuedBytes + bytes > limits.queuedBytesMax) {
      drop("queue");
      return false;
    }
    this.#sessions.set(id, session);
    session.queued++;
    this.#add(session, bytes);
    return true;
  }

  /** A queued packet has got its message id. */
  sent(id: string, packet: object): void {
    const { messageId, payload } = packet as Partial<StoredPacket>;
    if (messageId === undefined || payload === undefined) return;
    this.#sessions.get(id)?.sent.set(messageId, payload.length);
  }

  /**
   * Counts a packet out of a session's queue.
   * @param asked what aedes wanted cleared
   * @param cleared what there was
   */
  leaves(id: string, asked: object, cleared: object | undefined): void {
    const session = this.#sessions.get(id);
    if (session === undefined || cleared === undefined) return;
    const { messageId = 0 } = asked as Partial<StoredPacket>;
    const { payload } = cleared as Partial<StoredPacket>;
    this.#add(session, -(payload?.length ?? session.sent.get(messageId) ?? 0));
    session.sent.delete(messageId);
    session.queued--;
  }

  /** A clean session has ended or begun; aedes then clears what is queued packet by packet. */
  ended(id: string): void {
    const session = this.#sessions.get(id);
    if (session?.queued === 0) this.#sessions.delete(id);
    session?.halfDone.clear();
  }

  #forgetOldest(except: string): Forgotten | undefined {
    for (const [id, session] of this.#sessions) {
      if (id === except || this.#options.online(id)) continue;
      this.#sessions.delete(id);
      this.#add(session, -session.bytes);
      this.#options.drop("session");
      return { id, session };
    }
    return undefined;
  }

  #add(session: Session, bytes: number): void {
    session.bytes += bytes;
    this.#queuedBytes += bytes;
  }
}

function newSession(): Session {
  return { queued: 0, bytes: 0, sent: new Map(), halfDone: new Set() };
}
