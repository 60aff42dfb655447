import type { Clock, Random, Timer, Timers } from "../model/clock.js";
import { MqttConnection, type MqttConnectionParts } from "../mqtt/connection.js";
import type { SerialLine } from "./serial-line.js";

/** What a simulated device can do at each beat of its program. */
export interface Hands {
  /** 0, 1, 2, … */
  readonly beat: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly random: Random;
  readonly online: boolean;
  /** An object goes out as JSON. Without a connection it is lost, as with most real sensors. */
  send(payload: object | string): void;
  /** Loses the connection without a goodbye, as with a flat battery. */
  drop(): void;
  connect(): void;
  /** Tells the person who watches what is going on. */
  note(text: string): void;
}

/** A simulated device: what it is, and what it does at each beat. */
export interface Script {
  /** As the agent names it. */
  readonly device: string;
  /** Id of the profile that is meant for it. */
  readonly profile: string;
  readonly everyMs: number;
  /** MQTT topic; undefined for the device on the serial port. */
  readonly topic: string | undefined;
  /** Its last will, and what it says instead when it comes. */
  readonly presence?: { readonly topic: string; readonly online: string; readonly offline: string };
  beat(hands: Hands): void;
}

export interface DeviceWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly note: (device: string, text: string) => void;
}

/** How a device reaches the agent. */
export interface Wire {
  readonly online: boolean;
  send(payload: string): void;
  drop(): void;
  connect(): void;
  /** Resolves when what was sent has been acknowledged, or soon. */
  close(): Promise<void>;
}

/** A device at work. */
export class SimulatedDevice {
  readonly #wire: Wire;
  readonly #timer: Timer;

  constructor(script: Script, wire: Wire, world: DeviceWorld) {
    const { clock, timers, random, note } = world;
    this.#wire = wire;
    wire.connect();
    let beat = 0;
    this.#timer = timers.every(script.everyMs, () => {
      script.beat({
        beat: beat++,
        nowMs: clock.wallMs(),
        random,
        online: wire.online,
        send: (payload) => wire.send(typeof payload === "string" ? payload : JSON.stringify(payload)),
        drop: () => wire.drop(),
        connect: () => wire.connect(),
        note: (text) => note(script.device, text),
      });
    });
  }

  async stop(): Promise<void> {
    this.#timer.cancel();
    await this.#wire.close();
  }
}

const CLOSE_MS_MAX = 2_000;

/** A real MQTT client over TCP: QoS 1, and a last will where the script has one. */
export class MqttWire implements Wire {
  readonly #script: Script;
  readonly #url: string;
  readonly #parts: Omit<MqttConnectionParts, "owner">;
  readonly #waiting = new Set<Promise<void>>();
  #connection: MqttConnection | undefined;

  constructor(script: Script, url: string, parts: Omit<MqttConnectionParts, "owner">) {
    this.#script = script;
    this.#url = url;
    this.#parts = parts;
  }

  get online(): boolean {
    return this.#connection?.session !== undefined;
  }

  connect(): void {
    if (this.#connection !== undefined) return;
    const { device, presence } = this.#script;
    const will =
      presence === undefined
        ? {}
        : { will: { topic: presence.topic, payload: presence.offline, qos: 1 as const, retain: true } };
    this.#connection = new MqttConnection(
      { url: this.#url, clientId: `demo-${device}`, cleanSession: true, ...will },
      { ...this.#parts, owner: { source: device } },
      {
        connected: () => {
          if (presence !== undefined) this.#publish(presence.topic, presence.online, true);
        },
      },
    );
    this.#connection.start();
  }

  send(payload: string): void {
    this.#publish(this.#script.topic!, payload, false);
  }

  drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.session?.abort();
    void connection?.end();
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      const limit = this.#parts.timers.after(CLOSE_MS_MAX, resolve);
      void Promise.all(this.#waiting).then(() => {
        limit.cancel();
        resolve();
      });
    });
    await this.#connection?.end();
  }

  #publish(topic: string, payload: string, retain: boolean): void {
    const acknowledged = this.#connection?.session?.publish(topic, payload, { qos: 1, retain });
    if (acknowledged === undefined) return;
    // A device that loses its connection does not know what became of its last publish.
    const over = acknowledged.catch(() => undefined).then(() => void this.#waiting.delete(over));
    this.#waiting.add(over);
  }
}

/** A line on a serial port: nobody acknowledges, nobody connects. The line outlives its device, as cables do. */
export class SerialWire implements Wire {
  readonly online = true;
  readonly #line: SerialLine;

  constructor(line: SerialLine) {
    this.#line = line;
  }

  send(payload: string): void {
    this.#line.write(`${payload}\n`);
  }

  drop(): void {}

  connect(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
