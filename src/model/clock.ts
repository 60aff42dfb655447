/** The two clocks, injected. Only `system/` implements them over the real ones. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; may jump. */
  wallMs(): number;
  /** Never goes back, runs at the rate of time, starts anywhere. */
  monotonicMs(): number;
  /** Whether the wall clock is plausible (set since boot on a gateway without a clock battery). */
  wallTrusted(): boolean;
}

export interface Timer {
  cancel(): void;
}

/** Timers on the monotonic clock. */
export interface Timers {
  /** Calls back once after `ms`; keeps the process alive. */
  after(ms: number, callback: () => void): Timer;
  every(ms: number, callback: () => void): Timer;
}

/** Uniform in [0, 1); for jitter only. */
export type Random = () => number;
