/** The two clocks, injected. Only `system/` implements them over the real ones. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; may jump. */
  wallMs(): number;
  /** Never goes back, runs at the rate of time, starts anywhere. One clock for all processes of one `boot`. */
  monotonicMs(): number;
  /** Tells one start of the machine from another; a whole number from 1 to 2^48. */
  readonly boot: number;
  /** Whether the wall clock is plausible (set since boot on a gateway without a clock battery). */
  wallTrusted(): boolean;
}

export interface Timer {
  cancel(): void;
}

/** Timers on the monotonic clock. */
export interface Timers {
  /** Calls back once after `ms`; keeps the process alive, and busy for fractions of a millisecond. */
  after(ms: number, callback: () => void): Timer;
  every(ms: number, callback: () => void): Timer;
}

/** Uniform in [0, 1); for jitter only. */
export type Random = () => number;
