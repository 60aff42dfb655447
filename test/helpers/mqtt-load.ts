/**
 * Devices under load: clients that publish a list of messages in order over the wire, survive the end of every
 * connection as the protocol says (MQTT 3.1.1, 4.4: what is not acknowledged is sent again, in order, with DUP), and
 * know exactly which publish was acknowledged when. QoS 1 and 2.
 */
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { connectPacket, idPacket, publishPacket } from "./raw-mqtt.js";
import { until } from "./tools.js";

export interface Message {
  readonly topic: string;
  readonly payload: string;
}

export interface LoadOptions {
  readonly port: number;
  /** Default: the loopback. */
  readonly host?: string;
  readonly clientId: string;
  /** Asked for the next one when there is room for it, so it may be endless until the test has seen enough. */
  readonly messages: Iterable<Message>;
  readonly qos: 1 | 2;
  /** Messages without acknowledgement at a time. */
  readonly inflightMax: number;
  /** Messages until `allow` allows more; default: all. */
  readonly firstMax?: number;
}

const [CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP] = [0x20, 0x40, 0x50, 0x62, 0x70];
/** Every packet that a client without subscriptions gets. */
const ANSWER_BYTES = 4;
const RECONNECT_MS = 10;

/** A message on its way. `released`: QoS 2, and the broker has said that it has it. */
interface OnItsWay {
  readonly message: Message;
  readonly stage: "sent" | "released";
}

export class LoadClient {
  readonly #options: LoadOptions;
  /** By index of the message, oldest first. */
  readonly #inflight = new Map<number, OnItsWay>();
  readonly #messages: Iterator<Message>;
  #upcoming: IteratorResult<Message, unknown>;
  #socket: Socket | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #connected = false;
  #next = 0;
  #allowed: number;
  #ended = false;
  /** Messages whose delivery is complete: PUBACK, or PUBREC for QoS 2. */
  acknowledged = 0;
  /** Publishes that went out again, with DUP. */
  repeated = 0;
  connections = 0;
  /** Called for each message of which `acknowledged` tells, in the moment in which its acknowledgement is read. */
  onAcknowledged: () => void = () => undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#allowed = options.firstMax ?? Number.POSITIVE_INFINITY;
    this.#messages = options.messages[Symbol.iterator]();
    this.#upcoming = this.#messages.next();
    onTestFinished(() => this.end());
  }

  get done(): boolean {
    return this.#upcoming.done === true && this.#inflight.size === 0;
  }

  /** Whether all that it may send so far has been sent, and no handshake is half done. */
  get settled(): boolean {
    return this.#inflight.size === 0 && (this.#next >= this.#allowed || this.#upcoming.done === true);
  }

  start(): void {
    if (this.#ended) return;
    const { port, host = "127.0.0.1" } = this.#options;
    const socket = connect({ port, host, noDelay: true });
    this.#socket = socket;
    this.#bytes = Buffer.alloc(0);
    socket.on("connect", () =>
      socket.write(connectPacket(this.#options.clientId, { clean: false, keepaliveS: 0 })),
    );
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#connected = false;
      if (!this.#ended) setTimeout(() => this.start(), RECONNECT_MS);
    });
  }

  /** Lets so many more messages go out, beyond those that were allowed before. */
  allow(count: number): void {
    this.#allowed += count;
    if (this.#connected) this.#pump();
  }

  end(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    for (; at + ANSWER_BYTES <= this.#bytes.length; at += ANSWER_BYTES) {
      this.#onAnswer(this.#bytes[at]!, this.#bytes.readUInt16BE(at + 2));
    }
    this.#bytes = this.#bytes.subarray(at);
    this.#pump();
  }

  #onAnswer(first: number, id: number): void {
    switch (first) {
      case CONNACK:
        // The second half is the return code.
        if ((id & 0xff) !== 0) throw new Error(`the broker refuses the connection: ${id & 0xff}`);
        this.connections++;
        this.#connected = true;
        this.#repeat();
        return;
      case PUBACK:
        if (this.#inflight.delete(this.#indexOf(id))) this.#acknowledge();
        return;
      case PUBREC:
        this.#release(this.#indexOf(id));
        this.#socket!.write(idPacket(PUBREL, id));
        return;
      case PUBCOMP:
        this.#inflight.delete(this.#indexOf(id));
        return;
      default:
        throw new Error(`unexpected packet ${first.toString(16)}`);
    }
  }

  #acknowledge(): void {
    this.acknowledged++;
    this.onAcknowledged();
  }

  #release(index: number): void {
    const { message, stage } = this.#inflight.get(index)!;
    this.#inflight.set(index, { message, stage: "released" });
    if (stage === "sent") this.#acknowledge();
  }

  #repeat(): void {
    for (const [index, { message, stage }] of this.#inflight) {
      if (stage === "released") this.#socket!.write(idPacket(PUBREL, idOf(index)));
      else {
        this.repeated++;
        this.#socket!.write(this.#packet(index, message, true));
      }
    }
  }

  #pump(): void {
    const packets: Buffer[] = [];
    const mayGo = (): boolean =>
      this.#next < this.#allowed && this.#inflight.size < this.#options.inflightMax;
    while (this.#upcoming.done !== true && mayGo()) {
      const index = this.#next++;
      const message = this.#upcoming.value;
      this.#inflight.set(index, { message, stage: "sent" });
      packets.push(this.#packet(index, message, false));
      this.#upcoming = this.#messages.next();
    }
    if (packets.length > 0) this.#socket!.write(Buffer.concat(packets));
  }

  #packet(index: number, message: Message, dup: boolean): Buffer {
    return publishPacket({ ...message, qos: this.#options.qos, messageId: idOf(index), dup });
  }

  /** The message on its way that has this packet id. */
  #indexOf(id: number): number {
    for (const index of this.#inflight.keys()) if (idOf(index) === id) return index;
    throw new Error(`the broker acknowledges packet ${id}, which is not on its way`);
  }
}

function idOf(index: number): number {
  return (index % 65_535) + 1;
}

/** A crowd of clients, each with its own list. */
export class Load {
  readonly clients: readonly LoadClient[];

  constructor(clients: readonly LoadOptions[]) {
    this.clients = clients.map((options) => new LoadClient(options));
  }

  start(): void {
    for (const client of this.clients) client.start();
  }

  allow(count: number): void {
    for (const client of this.clients) client.allow(count);
  }

  /** Calls `what` within the moment in which so many more acknowledgements have been read, whoever got them. */
  whenAcknowledged(count: number, what: () => void): void {
    let left = count;
    for (const client of this.clients) {
      client.onAcknowledged = () => {
        if (--left === 0) what();
      };
    }
  }

  get acknowledged(): number {
    return this.#sum((client) => client.acknowledged);
  }

  get repeated(): number {
    return this.#sum((client) => client.repeated);
  }

  #sum(of: (client: LoadClient) => number): number {
    return this.clients.reduce((sum, client) => sum + of(client), 0);
  }

  /** Waits until this many more publishes are acknowledged, or all are. */
  async progress(count: number): Promise<void> {
    const goal = this.acknowledged + count;
    await until(() => this.acknowledged >= goal || this.done, {
      what: `${count} more publishes are acknowledged (${this.acknowledged} are)`,
    });
  }

  get done(): boolean {
    return this.clients.every((client) => client.done);
  }

  get settled(): boolean {
    return this.clients.every((client) => client.settled);
  }

  async finished(timeoutMs = 60_000): Promise<void> {
    await until(() => this.done, { what: "every publish is acknowledged", timeoutMs });
  }
}
