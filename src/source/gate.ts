/**
 * Counts what a source has handed over and not seen committed, and says when to stop reading. A bound may be passed
 * by what one read brings along; it is never passed by more.
 */
export interface GateOptions {
  readonly deliveriesMax: number;
  readonly bytesMax: number;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #reopened: () => void;
  #deliveries = 0;
  #bytes = 0;
  #closed = false;
  #idle: (() => void)[] = [];

  /** @param reopened called when a gate that was seen closed has room again; reading may go on */
  constructor(options: GateOptions, reopened: () => void) {
    this.#options = options;
    this.#reopened = reopened;
  }

  /** Deliveries that wait for their commit. */
  get waiting(): number {
    return this.#deliveries;
  }

  /** Whether to go on reading. After false it stays so, whoever asks, until `reopened` is called. */
  get open(): boolean {
    const { deliveriesMax, bytesMax } = this.#options;
    if (this.#deliveries >= deliveriesMax || this.#bytes >= bytesMax) this.#closed = true;
    return !this.#closed;
  }

  enter(bytes: number): void {
    this.#deliveries++;
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#deliveries--;
    this.#bytes -= bytes;
    if (this.#deliveries === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
    // Reopens at half of the bound, so that a full source does not stop and go for every message.
    if (!this.#closed || this.#deliveries > this.#options.deliveriesMax / 2) return;
    if (this.#bytes > this.#options.bytesMax / 2) return;
    this.#closed = false;
    this.#reopened();
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    if (this.#deliveries === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }
}
