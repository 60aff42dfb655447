import { WeirError } from "../../src/model/errors.js";
import type { LogEntry } from "../../src/model/summary.js";
import type { Target } from "../../src/model/summary-log.js";
import type { ProcessTime } from "./clocks.js";
import type { End, Network } from "./network.js";

interface Numbered {
  readonly number: number;
  readonly json: string;
}

/**
 * What is upstream: it keeps everything that it was ever sent, in the order of arrival, and confirms each. It
 * outlives the agent. `onReceive` sees each arrival, repeated ones too.
 */
export class SimulatedUpstream {
  readonly name: string;
  onReceive: (json: string) => void = () => {};
  /** What came while it is mute: it is taken in later. */
  #held: (() => void)[] | undefined;

  constructor(name: string) {
    this.name = name;
  }

  mute(): void {
    this.#held ??= [];
  }

  unmute(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const take of held) take();
  }

  accept(connection: End<number, Numbered>): void {
    connection.onMessage = ({ number, json }) => {
      const take = () => {
        this.onReceive(json);
        connection.send(number, 4);
      };
      if (this.#held === undefined) take();
      else this.#held.push(take);
    };
  }
}

const CONFIRMED_MS_MAX = 15_000;

/** The port `Target` over a connection that may break at any byte. */
export class SimulatedTarget implements Target {
  readonly name: string;
  readonly batch: { readonly entriesMax: number; readonly bytesMax: number };
  readonly #upstream: SimulatedUpstream;
  readonly #network: Network;
  readonly #time: ProcessTime;
  #connection: End<Numbered, number> | undefined;
  #next = 0;
  #stopped = false;
  /** Gives the delivery that is open up. */
  #abandon: (reason: string) => void = () => {};

  constructor(on: {
    readonly upstream: SimulatedUpstream;
    readonly network: Network;
    readonly time: ProcessTime;
    readonly entriesMax: number;
  }) {
    this.name = on.upstream.name;
    this.batch = { entriesMax: on.entriesMax, bytesMax: 100_000 };
    this.#upstream = on.upstream;
    this.#network = on.network;
    this.#time = on.time;
  }

  start(): void {}

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#abandon("stopped");
    this.die();
  }

  die(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  status() {
    return { state: this.#connection === undefined ? "waiting" : "connected" };
  }

  async deliver(entries: readonly LogEntry[]): Promise<void> {
    if (this.#stopped) throw away("stopped");
    if (this.#network.away) throw away("nobody answers");
    const connection = this.#connected();
    const unconfirmed = new Set<number>();
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string) => {
        timer.cancel();
        this.die();
        reject(away(reason));
      };
      this.#abandon = fail;
      const timer = this.#time.after(CONFIRMED_MS_MAX, () => fail("no confirmation"));
      connection.onClose = () => fail("the connection was lost");
      connection.onMessage = (number) => {
        unconfirmed.delete(number);
        if (unconfirmed.size > 0) return;
        timer.cancel();
        resolve();
      };
      for (const { json } of entries) {
        const number = this.#next++;
        unconfirmed.add(number);
        connection.send({ number, json }, json.length);
      }
    });
  }

  #connected(): End<Numbered, number> {
    if (this.#connection?.isOpen === true) return this.#connection;
    const { client, server } = this.#network.connect<Numbered, number>();
    this.#upstream.accept(server);
    this.#connection = client;
    return client;
  }
}

function away(reason: string): WeirError {
  return new WeirError("target-away", reason, { retryable: true });
}
