/**
 * Readings from a serial port, one a frame.
 *
 * A serial port has no acknowledgement and no memory: what is on the line while nobody reads, or in the commit that
 * is gathering when the power goes, is lost. When more than `framesWaitingMax` frames wait for their commit the port
 * is not read; then the tty's buffer (4 KiB) and, with hardware or software flow control, the device hold on, and
 * what the operating system drops beyond that nobody can count.
 *
 * A port that is missing, taken or vanishes is looked for again with backoff, for ever, and said once per change. What
 * had come of a frame is forgotten then, and the profile's decoder starts afresh (its header line comes again).
 * serialport may report one end two or three times ('error', 'close', 'close'), and reads a hung-up terminal as an
 * end without closing; every opened port is its own object here, and its end counts once.
 */
import { SerialPort } from "serialport";
import { Backoff } from "../model/backoff.js";
import type { Timer } from "../model/clock.js";
import type { Delivery, Source } from "../model/delivery.js";
import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { defineEvent } from "../model/log-event.js";
import type { Profile } from "../model/profile.js";
import type { Framer } from "./framing/framer.js";
import { LineFramer, type LineFramerOptions } from "./framing/line.js";
import { Gate } from "./gate.js";
import type { SourceParts } from "./parts.js";
import { findUsbPort, type UsbId } from "./serial-ports.js";
import { noticeHangUp } from "./serial-read.js";

export interface SerialSourceOptions {
  readonly name: string;
  /** By path, also one under `/dev/serial/by-id`, or by the adapter's USB id. */
  readonly port: string | UsbId;
  readonly baudRate: number;
  readonly dataBits?: 5 | 6 | 7 | 8;
  readonly parity?: "none" | "even" | "odd";
  readonly stopBits?: 1 | 1.5 | 2;
  readonly flowControl?: "none" | "hardware" | "software";
  readonly profile: Profile;
  /** Name of the device where the profile does not find one in the payload. */
  readonly device: string;
  readonly framing: { readonly type: "line" } & Omit<LineFramerOptions, "tooLarge">;
  /** Frames that may wait for their commit before the port is not read. */
  readonly framesWaitingMax?: number;
}

type About = { readonly source: string; readonly port: string };

export const serialOpened = defineEvent<About>("serial-opened", "info", "the serial port is open");
export const serialWaiting = defineEvent<About & { readonly code: string; readonly detail: string }>(
  "serial-waiting",
  "warn",
  "the serial port cannot be read; it is tried again",
);
export const lineTooLarge = defineEvent<About & { readonly reason: string }>(
  "serial-line-too-large",
  "warn",
  "a line without an end, or longer than allowed, was dropped",
);

const FRAMES_WAITING_MAX = 2_000;
/** Short enough for a person who plugs a cable in and watches. */
const BACKOFF = { baseMs: 500, maxMs: 5_000 };

const NOTHING = new Uint8Array(0);

/** One opening of the port; `over` makes the end of it count once. */
interface Opening {
  readonly port: SerialPort;
  readonly path: string;
  over: boolean;
}

export class SerialSource implements Source {
  readonly name: string;
  readonly #options: SerialSourceOptions;
  readonly #parts: SourceParts;
  readonly #framer: Framer;
  readonly #gate: Gate;
  readonly #backoff: Backoff;
  #opening: Opening | undefined;
  #attempt: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #problem: { readonly code: string; readonly detail: string } | undefined;
  #isOpen = false;
  /** Of the present opening, or of the last one. */
  #stream: Delivery["stream"];
  #stopping = false;

  /** @throws WeirError `bad-delimiter` */
  constructor(options: SerialSourceOptions, parts: SourceParts) {
    this.name = options.name;
    this.#options = options;
    this.#parts = parts;
    this.#backoff = new Backoff(BACKOFF, parts.random);
    const deliveriesMax = options.framesWaitingMax ?? FRAMES_WAITING_MAX;
    this.#gate = new Gate({ deliveriesMax, bytesMax: LIMITS.commitBytesMax }, () =>
      this.#opening?.port.resume(),
    );
    const about = { source: options.name, port: this.#portName };
    this.#framer = new LineFramer({
      ...options.framing,
      tooLarge: () => {
        parts.observer.emit(lineTooLarge, { ...about, reason: "tooLarge" });
        if (this.#stream !== undefined) this.#handOver(NOTHING, this.#stream, true);
      },
    });
  }

  async start(): Promise<void> {
    this.#attempt = this.#open();
    await this.#attempt;
  }

  /** Resolves when the port is closed and everything handed over is committed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#retry?.cancel();
    // An open that is under way closes what it gets.
    await this.#attempt;
    const opening = this.#opening;
    this.#opening = undefined;
    this.#isOpen = false;
    if (opening !== undefined) await close(opening);
    await this.#gate.drained();
  }

  status(): { readonly state: string; readonly detail?: string } {
    if (this.#stopping) return { state: "stopped" };
    if (this.#isOpen) return { state: "open", detail: this.#opening?.path ?? this.#portName };
    return { state: "waiting", detail: this.#problem?.detail ?? this.#portName };
  }

  get #portName(): string {
    const { port } = this.#options;
    return typeof port === "string" ? port : Object.values(port).join(":");
  }

  /** One attempt; failures are retried later, so that a call never fails. */
  async #open(): Promise<void> {
    const { port, profile, device } = this.#options;
    try {
      const path = typeof port === "string" ? port : await findUsbPort(port);
      if (this.#stopping) return;
      const opening: Opening = { port: this.#createPort(path), path, over: false };
      this.#opening = opening;
      this.#framer.reset();
      await opened(opening.port);
      if (this.#stopping) return await close(opening);
      noticeHangUp(opening.port);
      this.#listen(opening, { decoder: profile.openStream(), profile, device });
    } catch (error) {
      this.#wait(error);
    }
  }

  #createPort(path: string): SerialPort {
    const { baudRate, dataBits, parity, stopBits, flowControl } = this.#options;
    const created = new SerialPort({
      path,
      baudRate,
      dataBits: dataBits ?? 8,
      parity: parity ?? "none",
      stopBits: stopBits ?? 1,
      rtscts: flowControl === "hardware",
      xon: flowControl === "software",
      xoff: flowControl === "software",
      autoOpen: false,
    });
    // An error that nobody listens to would end the process.
    created.on("error", () => undefined);
    return created;
  }

  #listen(opening: Opening, stream: NonNullable<Delivery["stream"]>): void {
    const { port, path } = opening;
    this.#isOpen = true;
    this.#stream = stream;
    this.#problem = undefined;
    this.#backoff.reset();
    this.#parts.observer.emit(serialOpened, { source: this.name, port: path });
    const lost = (error: unknown): void => {
      if (opening.over) return;
      void close(opening);
      if (this.#opening === opening) this.#wait(error);
    };
    port.on("close", (error: Error | null) => lost(error ?? new Error("the port was closed")));
    port.on("error", lost);
    port.on("end", () => lost(new Error("the port hung up")));
    port.on("data", (chunk: Buffer) => {
      if (opening.over) return;
      this.#framer.push(chunk, (frame) => this.#take(frame, stream));
      if (!this.#gate.open) port.pause();
    });
  }

  #take(frame: Uint8Array, stream: NonNullable<Delivery["stream"]>): void {
    // The frame lies in a buffer that is used again.
    this.#handOver(Uint8Array.from(frame), stream, false);
  }

  #handOver(payload: Uint8Array, stream: NonNullable<Delivery["stream"]>, tooLarge: boolean): void {
    this.#gate.enter(payload.length);
    this.#parts.intake({
      source: this.name,
      topic: undefined,
      payload,
      retained: false,
      identity: 0,
      repeated: false,
      stream,
      tooLarge,
      committed: () => this.#gate.leave(payload.length),
    });
  }

  #wait(error: unknown): void {
    if (this.#stopping) return;
    const problem = { code: codeOf(error), detail: messageOf(error) };
    if (problem.code !== this.#problem?.code) {
      this.#parts.observer.emit(serialWaiting, { source: this.name, port: this.#portName, ...problem });
    }
    this.#problem = problem;
    this.#opening = undefined;
    this.#isOpen = false;
    this.#retry = this.#parts.timers.after(this.#backoff.nextMs(), () => {
      this.#attempt = this.#open();
    });
  }
}

function opened(port: SerialPort): Promise<void> {
  return new Promise((resolve, reject) => {
    port.open((error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** Closes what may be closed already, or closing. */
async function close(opening: Opening): Promise<void> {
  const { port } = opening;
  opening.over = true;
  if (!port.isOpen) return;
  await new Promise<void>((resolve) => {
    port.close(() => resolve());
  });
}

/** serialport's errors have no codes, only messages of the system. */
const CODES: readonly (readonly [RegExp, string])[] = [
  [/no such file/i, "missing"],
  [/permission denied/i, "forbidden"],
  [/cannot lock port|busy|temporarily unavailable/i, "busy"],
  [/closed|hung up|bad file descriptor|i\/o error|input\/output|disconnect|no such device/i, "unplugged"],
];

function codeOf(error: unknown): string {
  if (error instanceof WeirError) return error.code;
  const message = messageOf(error);
  return CODES.find(([pattern]) => pattern.test(message))?.[1] ?? "failed";
}
