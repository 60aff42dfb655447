/**
 * A cable between an MQTT client and its broker that looks at every packet and does to it what the test says: resets
 * the connection at it, in the middle of it, swallows it and all that follows, or delivers it twice. It can be slow,
 * and it can lead nowhere. `up` is from the client to the broker.
 */
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { packetEnd } from "./raw-mqtt.js";

export type Way = "up" | "down";

export interface PassingPacket {
  readonly way: Way;
  /** Which connection, and which packet of it in this direction; both from 0. */
  readonly connection: number;
  readonly index: number;
  readonly bytes: Buffer;
}

/**
 * - `reset`: nothing of the packet gets through, both ends get a reset.
 * - `half`: the first half of it gets through, and then the connection ends.
 * - `swallow`: neither this nor anything later gets through in either direction, and neither end hears of it.
 * - `repeat`: it comes twice; a PUBLISH the second time with DUP.
 */
export type Verdict = "pass" | "reset" | "half" | "swallow" | "repeat";

export interface ChaosProxy {
  readonly url: string;
  /** Decides; default: everything passes. */
  judge: (packet: PassingPacket) => Verdict;
  /** Called when a packet has been passed on. */
  passed: (packet: PassingPacket) => void;
  /** Every packet takes so long, in both directions, and arrives although its sender has gone meanwhile. */
  delayMs: number;
  /** New connections are reset. */
  refusing: boolean;
  /** Connections that were let in. */
  readonly connections: number;
  /** Resets every connection that is open. */
  cut(): void;
  /** Resets them for the clients only; what they have sent is on its way. */
  cutClients(): void;
}

/** For the broker to read what has arrived before its sender is heard to be gone. */
const AFTERWARDS_MS = 50;
const DUP = 0x08;
const PUBLISH = 0x30;

export async function startChaosProxy(port: number): Promise<ChaosProxy> {
  const lines = new Set<Line>();
  const state = {
    url: "",
    judge: (): Verdict => "pass",
    passed: () => undefined,
    delayMs: 0,
    refusing: false,
    connections: 0,
    cut: () => {
      for (const line of lines) line.reset();
    },
    cutClients: () => {
      for (const line of lines) line.resetClient();
    },
  };
  const proxy: { -readonly [K in keyof ChaosProxy]: ChaosProxy[K] } = state;
  const server = createServer({ noDelay: true }, (client) => {
    client.on("error", () => undefined);
    if (proxy.refusing) {
      client.resetAndDestroy();
      return;
    }
    const broker = connect({ port, host: "127.0.0.1", noDelay: true });
    const line: Line = new Line({ proxy, connection: proxy.connections++, client, broker });
    lines.add(line);
    client.on("close", () => lines.delete(line));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  proxy.url = `mqtt://127.0.0.1:${address.port}`;
  onTestFinished(() => {
    proxy.cut();
    server.close();
  });
  return proxy;
}

interface LineOptions {
  readonly proxy: ChaosProxy;
  readonly connection: number;
  readonly client: Socket;
  readonly broker: Socket;
}

/** One connection, both ways. */
class Line {
  readonly #options: LineOptions;
  #deaf = false;
  /** When the last packet that is on its way to the broker arrives. */
  #lastArrivalMs = 0;

  constructor(options: LineOptions) {
    this.#options = options;
    const { client, broker } = options;
    broker.on("error", () => undefined);
    this.#lead("up", client, broker);
    this.#lead("down", broker, client);
    // Whoever ends a connection that is half open is heard by nobody.
    client.on("close", () => {
      const waitMs = this.#lastArrivalMs - performance.now();
      // Behind the last packet, whose timer is older.
      if (waitMs <= 0) broker.destroy();
      else setTimeout(() => broker.destroy(), waitMs + AFTERWARDS_MS);
    });
    broker.on("close", () => {
      if (!this.#deaf) client.destroy();
    });
  }

  reset(): void {
    const { client, broker } = this.#options;
    client.resetAndDestroy();
    broker.resetAndDestroy();
  }

  resetClient(): void {
    this.#options.client.resetAndDestroy();
  }

  #lead(way: Way, from: Socket, to: Socket): void {
    const { proxy, connection } = this.#options;
    let waiting: Buffer = Buffer.alloc(0);
    let index = 0;
    from.on("data", (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (let end = packetEnd(waiting); end !== undefined; end = packetEnd(waiting)) {
        const packet = { way, connection, index: index++, bytes: waiting.subarray(0, end) };
        waiting = waiting.subarray(end);
        // Timers of one length go off in the order in which they were set.
        if (proxy.delayMs > 0) {
          if (way === "up") this.#lastArrivalMs = performance.now() + proxy.delayMs;
          setTimeout(() => this.#pass(packet, to), proxy.delayMs);
        } else this.#pass(packet, to);
      }
    });
  }

  #pass(packet: PassingPacket, to: Socket): void {
    if (this.#deaf || to.destroyed) return;
    const { proxy, client, broker } = this.#options;
    const { bytes } = packet;
    switch (proxy.judge(packet)) {
      case "reset":
        this.#deaf = true;
        this.reset();
        return;
      case "half":
        this.#deaf = true;
        to.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => {
          client.destroy();
          broker.destroy();
        });
        return;
      case "swallow":
        this.#deaf = true;
        return;
      case "repeat":
        to.write(bytes);
        to.write(repetition(bytes));
        break;
      default:
        to.write(bytes);
    }
    proxy.passed(packet);
  }
}

function repetition(packet: Buffer): Buffer {
  const again = Buffer.from(packet);
  if ((again[0]! & 0xf0) === PUBLISH) again[0]! |= DUP;
  return again;
}
