import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { until } from "./tools.js";

/** A client that sends what it is told to, byte by byte, and keeps what comes back as packets. */
export class RawMqtt {
  readonly packets: Buffer[] = [];
  closed = false;
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#collect(chunk));
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("error", () => undefined);
  }

  static async open(port: number): Promise<RawMqtt> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const raw = new RawMqtt(socket);
    onTestFinished(() => raw.close());
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return raw;
  }

  /** Connects as an MQTT client and waits for the CONNACK. */
  static async login(port: number, clientId: string, options: ConnectOptions = {}): Promise<RawMqtt> {
    const raw = await RawMqtt.open(port);
    raw.send(connectPacket(clientId, options));
    await raw.received(0x20);
    return raw;
  }

  /** @returns false when the kernel did not take everything */
  send(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  /** Bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Takes nothing of what is sent to it. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  ofType(first: number): Buffer[] {
    return this.packets.filter((packet) => (packet[0]! & 0xf0) === (first & 0xf0));
  }

  async received(first: number, count = 1): Promise<Buffer[]> {
    await until(() => this.ofType(first).length >= count || this.closed, {
      what: `${count} packets of type ${first.toString(16)} have come`,
    });
    return this.ofType(first);
  }

  async ended(): Promise<void> {
    await until(() => this.closed, { what: "the connection is closed" });
  }

  #collect(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const end = packetEnd(this.#bytes);
      if (end === undefined) return;
      this.packets.push(this.#bytes.subarray(0, end));
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}

export interface ConnectOptions {
  readonly clean?: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly keepaliveS?: number;
  /** 4 is MQTT 3.1.1. */
  readonly version?: number;
  readonly will?: { readonly topic: string; readonly payload: string };
}

export function connectPacket(clientId: string, options: ConnectOptions = {}): Buffer {
  const { clean = true, username, password, keepaliveS = 60, version = 4, will } = options;
  let flags = clean ? 2 : 0;
  const parts = [text(clientId)];
  if (will !== undefined) {
    flags |= 4;
    parts.push(text(will.topic), text(will.payload));
  }
  if (username !== undefined) {
    flags |= 0x80;
    parts.push(text(username));
  }
  if (password !== undefined) {
    flags |= 0x40;
    parts.push(text(password));
  }
  const head = Buffer.concat([
    text("MQTT"),
    Buffer.from([version, flags, keepaliveS >> 8, keepaliveS & 0xff]),
  ]);
  // MQTT 5 has properties there: none.
  if (version === 5) parts.unshift(Buffer.from([0]));
  return packet(0x10, Buffer.concat([head, ...parts]));
}

export interface PublishOptions {
  readonly topic: string | Buffer;
  readonly payload: string | Buffer;
  readonly qos?: 0 | 1 | 2;
  readonly messageId?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
}

export function publishPacket(options: PublishOptions): Buffer {
  const { topic, payload, qos = 1, messageId = 1, dup = false, retain = false } = options;
  const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const id = qos === 0 ? Buffer.alloc(0) : Buffer.from([messageId >> 8, messageId & 0xff]);
  return packet(first, Buffer.concat([text(topic), id, Buffer.from(payload)]));
}

/** PUBACK, PUBREL and the like. */
export function idPacket(first: number, messageId: number): Buffer {
  return packet(first, Buffer.from([messageId >> 8, messageId & 0xff]));
}

export function packet(first: number, body: Buffer): Buffer {
  return Buffer.concat([fixedHeader(first, body.length), body]);
}

export function fixedHeader(first: number, length: number): Buffer {
  const bytes = [first];
  let rest = length;
  do {
    bytes.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** Where the first packet ends, if all of it is there. */
export function packetEnd(bytes: Buffer): number | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length && at <= 4; at++) {
    length += (bytes[at]! & 0x7f) * 128 ** (at - 1);
    if (bytes[at]! >= 0x80) continue;
    const end = at + 1 + length;
    return end > bytes.length ? undefined : end;
  }
  return undefined;
}
