import { connect, type Socket } from "node:net";
import type { LoadOptions } from "./load-contract.js";
import { connectPacket, PublishWriter } from "./mqtt-packets.js";

/** Event time between two readings of a device: a window of ten seconds has a hundred. */
const STEP_MS = 100;
/** Devices that are apart spread the ends of their windows over this time. */
const APART_MS = 10_000;
/** A sequence of its multiples, without the whole parts, is spread as evenly as any. */
const GOLDEN = 0.618_033_988_749_895;
/** What the last reading is ahead by: far beyond the window and the out-of-orderness. */
const LAST_AHEAD_MS = 100_000;
const CHUNK_PACKETS_MAX = 500;
const MESSAGE_IDS = 65_535;
/** Chunks of QoS 0 on their way, at most: the system would take megabytes. */
const MARKS_MAX = 8;
const PACE_MS = 10;

/** One connection that publishes the readings of one device. */
export class Publisher {
  readonly ackMs: number[] = [];
  /** Readings sent so far, which is the number of the next one. */
  readings = 0;
  readonly #socket: Socket;
  readonly #options: LoadOptions;
  readonly #stepMs: number;
  readonly #writer: PublishWriter;
  readonly #acknowledged: PublishWriter;
  readonly #sentMs = new Float64Array(MESSAGE_IDS + 1);
  #messageId = 0;
  #inFlight = 0;
  /** Bytes of the PUBACK that is coming in. */
  #ackBytes = 0;
  #ackId = 0;
  #deadlineMs = 0;
  #startMs = 0;
  #sentInPhase = 0;
  /** Part of a period by which it is ahead of others. */
  readonly #ahead: number;
  #finished: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, options: LoadOptions, number: number) {
    this.#socket = socket;
    this.#options = options;
    this.#ahead = options.apart ? (number * GOLDEN) % 1 : 0;
    this.#stepMs = options.apart
      ? Math.round((1_000 * options.connections) / options.ratePerSecond)
      : STEP_MS;
    const writing = {
      topic: `bench/bench-${number}`,
      stepMs: this.#stepMs,
      firstMs: Math.round(this.#ahead * APART_MS),
    };
    this.#acknowledged = new PublishWriter({ ...writing, qos: 1 });
    this.#writer = options.qos === 1 ? this.#acknowledged : new PublishWriter({ ...writing, qos: 0 });
  }

  /** Resolves after the CONNACK. */
  static async connect(options: LoadOptions, number: number): Promise<Publisher> {
    const socket = connect({ port: options.port, host: "127.0.0.1", noDelay: true });
    socket.on("error", (error) => {
      throw error;
    });
    socket.write(connectPacket(`bench-${number}`));
    const answer = await new Promise<Buffer>((resolve) => {
      socket.once("data", resolve);
    });
    if (answer[0] !== 0x20 || answer[3] !== 0) throw new Error("the broker refused the connection");
    const publisher = new Publisher(socket, options, number);
    socket.on("data", (chunk: Buffer) => publisher.#onData(chunk));
    socket.on("drain", () => publisher.#more());
    socket.on("close", () => {
      if (publisher.#finished !== undefined) throw new Error("the broker closed the connection");
    });
    return publisher;
  }

  forgetTimes(): void {
    this.ackMs.length = 0;
  }

  /** Publishes for a while; resolves when everything is acknowledged. */
  publishFor(durationMs: number): Promise<void> {
    this.#startMs = performance.now();
    this.#deadlineMs = this.#startMs + durationMs;
    this.#sentInPhase = 0;
    return new Promise((resolve) => {
      this.#finished = resolve;
      if (this.#options.ratePerSecond > 0) this.#timer = setInterval(() => this.#more(), PACE_MS);
      this.#more();
    });
  }

  /** A reading that is far ahead in event time. */
  publishLast(): Promise<void> {
    return new Promise((resolve) => {
      this.#finished = resolve;
      this.#sendOne(this.readings + Math.ceil(LAST_AHEAD_MS / this.#stepMs));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #more(): void {
    if (this.#finished === undefined) return;
    const nowMs = performance.now();
    if (nowMs >= this.#deadlineMs) {
      this.#end();
      return;
    }
    const count = Math.min(this.#allowed(nowMs), CHUNK_PACKETS_MAX);
    if (count <= 0) return;
    const { packetBytes } = this.#writer;
    const chunk = Buffer.allocUnsafe(count * packetBytes);
    for (let i = 0; i < count; i++) {
      this.#writer.write(
        chunk,
        i * packetBytes,
        this.readings++,
        this.#options.qos === 1 ? this.#nextId(nowMs) : 0,
      );
    }
    this.#sentInPhase += count;
    const roomLeft = this.#socket.write(chunk);
    if (this.#options.qos === 0) this.#sendMark();
    // A turn of the event loop in between lets acknowledgements in.
    if (roomLeft) setImmediate(() => this.#more());
  }

  /** How many publishes may go out now. */
  #allowed(nowMs: number): number {
    const { qos, window, ratePerSecond, connections } = this.#options;
    const full = this.#inFlight >= MARKS_MAX || this.#socket.writableNeedDrain;
    const room = qos === 1 ? window - this.#inFlight : full ? 0 : CHUNK_PACKETS_MAX;
    if (ratePerSecond === 0) return room;
    const due = Math.floor(((nowMs - this.#startMs) / 1_000) * (ratePerSecond / connections) + this.#ahead);
    return Math.min(room, due - this.#sentInPhase);
  }

  #nextId(nowMs: number): number {
    this.#messageId = (this.#messageId % MESSAGE_IDS) + 1;
    this.#sentMs[this.#messageId] = nowMs;
    this.#inFlight++;
    return this.#messageId;
  }

  /** The time is up. */
  #end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#deadlineMs = Number.NEGATIVE_INFINITY;
    this.#finishIfQuiet();
  }

  /** One publish with QoS 1 behind many with QoS 0: its acknowledgement tells that they have arrived. */
  #sendMark(): void {
    this.#sentInPhase++;
    this.#sendOne(this.readings++);
  }

  #sendOne(reading: number): void {
    const packet = Buffer.allocUnsafe(this.#acknowledged.packetBytes);
    this.#acknowledged.write(packet, 0, reading, this.#nextId(performance.now()));
    this.#socket.write(packet);
  }

  #finishIfQuiet(): void {
    if (this.#inFlight > 0) return;
    const finished = this.#finished;
    this.#finished = undefined;
    finished?.();
  }

  #onData(chunk: Buffer): void {
    const nowMs = performance.now();
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.#ackBytes === 0 && byte !== 0x40)
        throw new Error(`expected a PUBACK, not 0x${byte.toString(16)}`);
      if (this.#ackBytes >= 2) this.#ackId = ((this.#ackId << 8) | byte) & 0xffff;
      if (++this.#ackBytes < 4) continue;
      this.#ackBytes = 0;
      this.#inFlight--;
      if (this.#options.qos === 1) this.ackMs.push(nowMs - this.#sentMs[this.#ackId]!);
    }
    if (this.#deadlineMs === Number.NEGATIVE_INFINITY) this.#finishIfQuiet();
    else this.#more();
  }
}
