/**
 * The embedded MQTT broker (aedes): sensors connect to the gateway itself.
 *
 * Acknowledged is kept: aedes writes PUBACK and PUBREC after `authorizePublish` has called back, so that is where a
 * publish is taken in, and for QoS 1 and 2 the callback waits for the commit. A bad payload is counted by the intake
 * and acknowledged like any other; an error would cut the connection and the device would send it for ever. A publish
 * that no profile claims is committed at once and goes to the local subscribers, as on any broker. For QoS 0 nobody
 * waits. A will comes through the same hook, without a packet id. QoS 2 redeliveries come through it every time,
 * before aedes looks at their packet id, and aedes forgets those ids in a crash: `identity.ts` lets the duplicate
 * filter, which is durable, recognise them.
 *
 * Plain publishes do not reach aedes at all while nobody here has subscribed (`publish-lane.ts`): they go from the
 * socket to the intake, and their PUBACKs go out together when a commit has made them safe (`pubacks.ts`).
 *
 * Bounds, each with a counter when it acts: connections, bytes of a packet, topic levels, publishes waiting per
 * connection and payload bytes waiting in all (then sockets are not read), length of a client id, subscriptions per
 * client, retained messages, kept sessions and their queues (`broker-persistence.ts`), passwords being checked
 * (`authenticator.ts`), time for a CONNECT (`broker-lobby.ts`: less when all connections are taken), for a TLS handshake
 * and for a slow subscriber to take what it is sent.
 *
 * A stop publishes no wills: that the gateway restarts says nothing about the device.
 */
import type { Socket } from "node:net";
import type { Client, PublishPacket, Subscription } from "aedes";
import type { Source } from "../model/delivery.js";
import { LIMITS } from "../model/limits.js";
import { defineEvent } from "../model/log-event.js";
import { BrokerConnection, wakeInTurn } from "./broker-connection.js";
import { BrokerDoor } from "./broker-door.js";
import { BrokerListener } from "./broker-listener.js";
import { BrokerLobby } from "./broker-lobby.js";
import { isWrongVersion, reasonOf } from "./broker-lost.js";
import {
  BROKER_DEFAULTS,
  type BrokerSettings,
  type BrokerSourceOptions,
  checkAccess,
  MEMORY_DEFAULTS,
} from "./broker-options.js";
import { boundPersistence, type Persistence } from "./broker-persistence.js";
import { Gate } from "./gate.js";
import { LocalBroker, SYSTEM_TOPICS } from "./local-broker.js";
import type { SourceParts } from "./parts.js";
import { Publication, type PublishParts } from "./publication.js";
import { readUsers } from "./users.js";

type About = { readonly source: string; readonly client: string };

export const connectionRefused = defineEvent<{ readonly source: string; readonly address: string }>(
  "broker-connection-refused",
  "warn",
  "there are already as many connections as allowed",
);
export const silentEvicted = defineEvent<{ readonly source: string; readonly address: string }>(
  "broker-silent-evicted",
  "warn",
  "a connection on which no CONNECT had come made room for another",
);
export const clientLost = defineEvent<About & { readonly reason: string; readonly detail: string }>(
  "broker-client-lost",
  "info",
  "the connection of a client failed or broke a rule",
);
export const versionRefused = defineEvent<{ readonly source: string; readonly address: string }>(
  "broker-version-refused",
  "warn",
  "a client speaks another version of MQTT, such as 5, and was not let in; set it to MQTT 3.1.1",
);
export const packetTooLarge = defineEvent<About & { readonly bytes: number }>(
  "broker-packet-too-large",
  "warn",
  "a client sent a packet that is longer than allowed and was disconnected",
);
export const subscriptionLimit = defineEvent<About>(
  "broker-subscription-limit",
  "warn",
  "a client wants more subscriptions than allowed",
);
export const brokerFailed = defineEvent<{ readonly source: string; readonly detail: string }>(
  "broker-failed",
  "error",
  "the embedded broker met an error of its own",
);

/** For what follows the last commit (PUBREC is some turns away), and for clients to see that we close. */
const FLUSH_MS = 50;
const GOODBYE_MS = 500;
/** What aedes has and its types do not show. */
type AedesInside = LocalBroker & {
  persistence: Persistence;
  readonly clients: Readonly<Record<string, Client>>;
};

export class BrokerSource implements Source {
  readonly name: string;
  readonly #options: BrokerSettings;
  readonly #parts: SourceParts;
  readonly #listener: BrokerListener;
  readonly #aedes: LocalBroker;
  readonly #gate: Gate;
  /** Raw sockets, also those still in their TLS handshake. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Map<object, BrokerConnection>();
  readonly #subscriptions = new WeakMap<Client, Set<string>>();
  readonly #door: BrokerDoor;
  readonly #lobby: BrokerLobby;
  #stopping = false;

  /** @throws WeirError as `checkAccess` */
  constructor(options: BrokerSourceOptions, parts: SourceParts) {
    this.name = options.name;
    this.#options = { ...BROKER_DEFAULTS, ...options };
    this.#parts = parts;
    checkAccess(options);
    const { anonymous = false, clientIdBytesMax } = this.#options;
    this.#door = new BrokerDoor({ ...parts, source: options.name, anonymous, clientIdBytesMax });
    this.#lobby = new BrokerLobby(parts.clock);
    const { waitingBytesMax, connectTimeoutMs } = this.#options;
    this.#gate = new Gate({ deliveriesMax: Number.POSITIVE_INFINITY, bytesMax: waitingBytesMax }, () =>
      wakeInTurn(this.#connections, this.#gate),
    );
    this.#aedes = this.#createBroker();
    this.#listener = new BrokerListener({
      ...parts,
      source: options.name,
      host: options.host,
      port: options.port,
      tls: options.tls,
      handshakeTimeoutMs: connectTimeoutMs,
      admit: (socket) => this.#admit(socket),
      connected: (socket, certified) => this.#onConnected(socket, certified),
    });
  }

  /** The port it listens on; undefined while it does not. */
  get port(): number | undefined {
    return this.#listener.port;
  }

  /** @throws WeirError when the user file cannot be read or has a mistake */
  async start(): Promise<void> {
    const { usersFile } = this.#options;
    if (usersFile !== undefined) this.#door.replaceUsers(await readUsers(usersFile));
    await this.#aedes.listen();
    const broker = this.#aedes as AedesInside;
    broker.persistence = boundPersistence(broker.persistence, {
      source: this.name,
      limits: { ...MEMORY_DEFAULTS, ...this.#options.memory },
      observer: this.#parts.observer,
      online: (id) => broker.clients[id] !== undefined,
    });
    await this.#listener.start();
  }

  /**
   * Reads the user file and the certificates again, and disconnects who may no longer be here.
   * @throws WeirError when one of them is bad; the old one stays
   */
  async reload(): Promise<void> {
    const { usersFile } = this.#options;
    if (usersFile !== undefined) {
      const mayStay = this.#door.replaceUsers(await readUsers(usersFile));
      for (const { user, socket } of this.#connections.values()) {
        if (user !== undefined && !mayStay(user)) socket.destroy();
      }
    }
    await this.#listener.reloadTls();
  }

  /** Resolves when everything handed over is committed and acknowledged, and all connections are closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#listener.close();
    await this.#gate.drained();
    await this.#pause(FLUSH_MS);
    for (const connection of this.#connections.values()) connection.end();
    if (this.#sockets.size > 0) await this.#allClosed();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
  }

  status(): { readonly state: string; readonly detail?: string } {
    const { address, problem, port } = this.#listener;
    if (this.#stopping) return { state: "stopped" };
    if (port === undefined) return { state: "waiting", detail: `${address}: ${problem ?? "starting"}` };
    return { state: "listening", detail: `${address}, ${this.#connections.size} clients` };
  }

  #createBroker(): LocalBroker {
    const options = this.#options;
    const broker = new LocalBroker({
      connectTimeout: options.connectTimeoutMs,
      drainTimeout: options.drainTimeoutMs,
      keepaliveLimit: Math.ceil((options.keepaliveMaxMs ?? 0) / 1_000),
      // What a client may send behind CONNECT while its password is checked; bounded by one read in any case.
      queueLimit: options.inflightMax,
      maxInflightInbound: options.inflightMax,
      maxClientsIdLength: options.clientIdBytesMax,
      maxTopicLevels: options.topicLevelsMax,
      preConnect: (client, packet, callback) => {
        const connection = this.#connections.get(client.conn);
        if (connection !== undefined) {
          this.#lobby.spoke(connection.socket);
          connection.nameless = packet.clientId === "";
        }
        const problem = packet.will === undefined ? undefined : badWillTopic(packet.will.topic);
        if (problem === undefined) callback(null, true);
        else callback(new Error(problem), false);
      },
      authenticate: (client, username, password, done) => {
        const connection = this.#connections.get(client.conn);
        void this.#door.refusal({ client, connection, username, password }).then((error) => {
          done(error ?? null, error === undefined);
        });
      },
      authorizePublish: (client, packet, callback) => this.#onPublish(client, packet, callback),
      authorizeSubscribe: (client, subscription, callback) =>
        callback(null, this.#maySubscribe(client, subscription) ? subscription : null),
    });
    broker.on("clientReady", (client) => this.#connections.get(client.conn)?.admit(client));
    const lost = (client: Client, error: Error): void => this.#onLost(client, error);
    broker.on("clientError", lost);
    broker.on("connectionError", lost);
    broker.on("unsubscribe", (filters, client) => {
      for (const filter of filters) this.#subscriptions.get(client)?.delete(filter);
    });
    const { observer } = this.#parts;
    // Not in aedes's types: its own memory has failed.
    (broker as NodeJS.EventEmitter).on("error", (error: Error) =>
      observer.emit(brokerFailed, { source: this.name, detail: error.message }),
    );
    return broker;
  }

  #admit(socket: Socket): boolean {
    if (this.#stopping) return false;
    if (this.#sockets.size >= this.#options.connectionsMax && !this.#makeRoom()) {
      this.#parts.observer.emit(connectionRefused, { source: this.name, address: addressOf(socket) });
      return false;
    }
    this.#lobby.enter(socket);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return true;
  }

  #makeRoom(): boolean {
    const silent = this.#lobby.longestSilent();
    if (silent === undefined) return false;
    this.#parts.observer.emit(silentEvicted, { source: this.name, address: addressOf(silent) });
    this.#sockets.delete(silent);
    silent.destroy();
    return true;
  }

  #onConnected(socket: Socket, certified: boolean): void {
    const connection = new BrokerConnection({
      ...this.#options,
      socket,
      certified,
      timers: this.#parts.timers,
      reserved: SYSTEM_TOPICS,
      mayRead: () => !this.#stopping && this.#gate.open,
      leave: (bytes) => this.#gate.leave(bytes),
      isUnheard: () => !this.#aedes.isHeard,
      publish: (packet) =>
        this.#takeIn(client, packet, connection, connection.committed(packet.messageId, bytesOf(packet))),
      onTooLarge: (bytes) =>
        this.#parts.observer.emit(packetTooLarge, { source: this.name, client: client.id ?? "", bytes }),
    });
    this.#connections.set(socket, connection);
    socket.once("close", () => this.#connections.delete(socket));
    const client: Client = this.#aedes.handle(socket);
  }

  #onPublish(client: Client | null, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    if (packet.topic.startsWith(SYSTEM_TOPICS)) {
      callback(new Error("topics under $SYS belong to the broker"));
      return;
    }
    if (!isText(packet.topic)) {
      callback(new Error("the topic is not UTF-8"));
      return;
    }
    // MQTT 3.1.1, 2.3.1; aedes would acknowledge it. A will has none.
    if (packet.qos > 0 && packet.messageId === 0) {
      callback(new Error("a packet id of 0"));
      return;
    }
    if (this.#stopping) {
      callback(new Error("the broker is stopping"));
      return;
    }
    const connection = client === null ? undefined : this.#connections.get(client.conn);
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    const { topic, qos, messageId, dup } = packet;
    const parts = { topic, payload, qos, messageId, dup };
    const bytes = bytesOf(parts);
    const leave = connection?.leaving(bytes) ?? (() => this.#gate.leave(bytes));
    const acknowledge = (): void => {
      // What went the short way has been acknowledged before, and its acknowledgement has to go out before this one.
      connection?.pubacks.flush();
      callback();
      leave();
    };
    this.#takeIn(client, parts, connection, qos === 0 ? leave : acknowledge);
    if (qos === 0) callback();
  }

  #takeIn(
    client: Client | null,
    packet: PublishParts,
    connection: BrokerConnection | undefined,
    committed: () => void,
  ): void {
    connection?.gate.enter(1);
    this.#gate.enter(bytesOf(packet));
    this.#parts.intake(new Publication({ source: this.name, clientId: client?.id, packet, committed }));
  }

  #maySubscribe(client: Client, { topic }: Subscription): boolean {
    const filters = this.#subscriptions.get(client) ?? new Set<string>();
    this.#subscriptions.set(client, filters);
    if (filters.size >= this.#options.subscriptionsPerClientMax && !filters.has(topic)) {
      this.#parts.observer.emit(subscriptionLimit, { source: this.name, client: client.id });
      return false;
    }
    filters.add(topic);
    if (!client.clean) this.#aedes.keepsSubscriptions = true;
    return true;
  }

  #onLost(client: Client, error: Error): void {
    // What follows the end of a connection, such as an acknowledgement that has nowhere to go, is no news.
    if (client.closed) return;
    const { observer } = this.#parts;
    if (isWrongVersion(error)) {
      observer.emit(versionRefused, { source: this.name, address: addressOf(client.conn as Socket) });
      return;
    }
    observer.emit(clientLost, {
      source: this.name,
      client: client.id ?? "",
      reason: reasonOf(error),
      detail: error.message,
    });
  }

  #allClosed(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.timers.after(GOODBYE_MS, resolve);
      for (const socket of this.#sockets) {
        socket.once("close", () => {
          if (this.#sockets.size > 0) return;
          timer.cancel();
          resolve();
        });
      }
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(ms, resolve);
    });
  }
}

/** What a publish takes while it waits for its commit, about. */
function bytesOf({ payload }: PublishParts): number {
  return payload.length + LIMITS.waitingMessageBytes;
}

/** aedes does not look at the topic of a will. */
function badWillTopic(topic: string): string | undefined {
  if (topic === "") return "the topic of the will is empty";
  if (!isText(topic)) return "the topic of the will is not UTF-8";
  return /[#+]/.test(topic) ? "the topic of the will has a wildcard" : undefined;
}

/**
 * MQTT 3.1.1, 1.5.3: what is no UTF-8 or has a null character ends the connection. The parser puts U+FFFD where bytes
 * are no UTF-8, so that different names would become one; that somebody means that character is less likely.
 */
function isText(topic: string): boolean {
  return !topic.includes("\uFFFD") && !topic.includes("\0");
}

function addressOf(socket: Socket): string {
  return socket.remoteAddress ?? "";
}
