import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A PUBLISH as it came. */
export interface ScriptedPublish {
  readonly topic: string;
  readonly payload: string;
  readonly messageId: number;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly socket: Socket;
}

const [CONNECT, PUBLISH, PINGREQ] = [1, 3, 12];

/**
 * As little of an MQTT 3.1.1 broker as it takes to look at what a client sends, byte by byte, and to answer when the
 * test says so: real brokers cannot be made to hold one PUBACK back.
 */
export class ScriptedBroker {
  readonly connects: Buffer[] = [];
  readonly publishes: ScriptedPublish[] = [];
  /** CONNECT packets of MQTT 5. */
  readonly inquiries: Buffer[] = [];
  /** Maximum Packet Size that the CONNACK of MQTT 5 states; it knows only 3.1.1 where this is undefined. */
  statedLimit: number | undefined;
  /** Called for each publish; the default acknowledges at once. */
  onPublish: (publish: ScriptedPublish) => void = (publish) => this.acknowledge(publish);
  readonly url: string;
  readonly sockets = new Set<Socket>();

  private constructor(port: number) {
    this.url = `mqtt://127.0.0.1:${port}`;
  }

  static async open(): Promise<ScriptedBroker> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port was given");
    const broker = new ScriptedBroker(address.port);
    server.on("connection", (socket) => broker.accept(socket));
    onTestFinished(() => {
      for (const socket of broker.sockets) socket.destroy();
      server.close();
    });
    return broker;
  }

  /** PUBACK; on a connection that is gone it goes nowhere. */
  acknowledge({ socket, messageId }: ScriptedPublish): void {
    if (socket.writable) socket.write(Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]));
  }

  /** Ends every connection. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => {});
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let packet = take(bytes); packet !== undefined; packet = take(bytes)) {
        bytes = bytes.subarray(packet.end);
        this.packet(socket, packet.first, packet.body);
      }
    });
  }

  private packet(socket: Socket, first: number, body: Buffer): void {
    const kind = first >> 4;
    if (kind === CONNECT && body[6] === 5) {
      this.inquiries.push(body);
      socket.write(connack5(this.statedLimit));
    } else if (kind === CONNECT) {
      this.connects.push(body);
      socket.write(Buffer.from([0x20, 2, 0, 0]));
    } else if (kind === PINGREQ) {
      socket.write(Buffer.from([0xd0, 0]));
    } else if (kind === PUBLISH) {
      const topicEnd = 2 + body.readUInt16BE(0);
      const publish = {
        topic: body.toString("utf8", 2, topicEnd),
        messageId: body.readUInt16BE(topicEnd),
        payload: body.toString("utf8", topicEnd + 2),
        dup: (first & 8) !== 0,
        retain: (first & 1) !== 0,
        socket,
      };
      this.publishes.push(publish);
      this.onPublish(publish);
    }
  }
}

/** MQTT 5.0, 3.2; a broker of 3.1.1 refuses with return code 1 (MQTT 3.1.1, 3.1.2.2). */
function connack5(limit: number | undefined): Buffer {
  if (limit === undefined) return Buffer.from([0x20, 2, 0, 1]);
  const packet = Buffer.from([0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 0]);
  packet.writeUInt32BE(limit, 6);
  return packet;
}

/** The first whole packet of `bytes`. */
function take(
  bytes: Buffer,
): { readonly first: number; readonly body: Buffer; readonly end: number } | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length && at <= 4; at++) {
    length += (bytes[at]! & 0x7f) * 128 ** (at - 1);
    if (bytes[at]! >= 0x80) continue;
    const end = at + 1 + length;
    return end > bytes.length ? undefined : { first: bytes[0]!, body: bytes.subarray(at + 1, end), end };
  }
  return undefined;
}
