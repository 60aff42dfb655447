import type { Random } from "./clock.js";

export interface BackoffOptions {
  /** Ceiling of the first wait. */
  readonly baseMs: number;
  /** Ceiling that the doubling stops at. */
  readonly maxMs: number;
}

/**
 * Waits between attempts: exponential with full jitter, uniform in `[0, min(maxMs, baseMs * 2^n))`, so that a fleet
 * that lost the same upstream does not come back in step.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export class Backoff {
  private readonly options: BackoffOptions;
  private readonly random: Random;
  private failed = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.options = options;
    this.random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.failed;
  }

  /** Counts a failure and says how long to wait, in whole milliseconds. */
  nextMs(): number {
    const ceilingMs = Math.min(this.options.maxMs, this.options.baseMs * 2 ** Math.min(this.failed, 52));
    this.failed++;
    return Math.floor(this.random() * ceilingMs);
  }

  reset(): void {
    this.failed = 0;
  }
}
