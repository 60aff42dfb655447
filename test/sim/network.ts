import type { Dice } from "./dice.js";
import type { Kernel } from "./kernel.js";

/**
 * Connections that carry messages in order until they break: at any byte of the conversation, with what was sent
 * before still arriving, with or without the other side hearing of it. A message that is cut in its middle has not
 * arrived. Of a connection that one side has given up, late messages may reach the other while a new one is in use.
 */
export interface NetworkFaults {
  readonly latencyMs: number;
  /** Chance that a connection breaks after some bytes, and how many on average. */
  readonly breaks: number;
  readonly breaksAfterBytes: number;
  /** Of these, those that nobody is told of. */
  readonly silently: number;
}

export interface End<Out, In> {
  readonly isOpen: boolean;
  onMessage: (message: In) => void;
  onClose: () => void;
  send(message: Out, bytes: number): void;
  /** Gives the connection up; the other side hears of it after what is on its way. */
  close(): void;
}

export class Network {
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  faults: NetworkFaults;
  /** Nothing gets through and nobody is told. */
  away = false;

  constructor(kernel: Kernel, dice: Dice, faults: NetworkFaults) {
    this.#kernel = kernel;
    this.#dice = dice;
    this.faults = faults;
  }

  /** Both ends of a new connection; it is up at once. */
  connect<Up, Down>(): { readonly client: End<Up, Down>; readonly server: End<Down, Up> } {
    const { breaks, breaksAfterBytes, silently } = this.faults;
    const dice = this.#dice;
    const wire: WireState = {
      network: this,
      kernel: this.#kernel,
      dice,
      bytesLeft: dice.chance(breaks) ? dice.wait(breaksAfterBytes) : Number.POSITIVE_INFINITY,
      silent: dice.chance(silently),
      broken: false,
    };
    const client = new WireEnd<Up, Down>(wire);
    const server = new WireEnd<Down, Up>(wire);
    client.peer = server;
    server.peer = client;
    return { client, server };
  }
}

interface WireState {
  readonly network: Network;
  readonly kernel: Kernel;
  readonly dice: Dice;
  readonly silent: boolean;
  bytesLeft: number;
  broken: boolean;
}

class WireEnd<Out, In> implements End<Out, In> {
  readonly #wire: WireState;
  peer!: WireEnd<In, Out>;
  isOpen = true;
  onMessage: (message: In) => void = () => {};
  onClose: () => void = () => {};
  /** When the last message to here arrives; the next one is not earlier. */
  #arrivesMs = 0;

  constructor(wire: WireState) {
    this.#wire = wire;
  }

  send(message: Out, bytes: number): void {
    const wire = this.#wire;
    if (!this.isOpen || wire.broken) return;
    wire.bytesLeft -= bytes;
    if (wire.network.away || wire.bytesLeft < 0) {
      wire.broken = true;
      if (!wire.silent) {
        this.hangUp();
        this.peer.hangUp();
      }
      return;
    }
    this.peer.#arrive(() => this.peer.onMessage(message));
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (!this.#wire.broken) this.peer.hangUp();
  }

  /** Hears of the end, behind everything that is still on its way. */
  hangUp(): void {
    this.#arrive(() => {
      this.isOpen = false;
      this.onClose();
    });
  }

  #arrive(what: () => void): void {
    const { kernel, dice, network } = this.#wire;
    const latencyMs = network.faults.latencyMs * (0.2 + dice.wait(0.8));
    this.#arrivesMs = Math.max(this.#arrivesMs, kernel.nowMs + latencyMs);
    kernel.after(this.#arrivesMs - kernel.nowMs, () => {
      if (this.isOpen) what();
    });
  }
}
