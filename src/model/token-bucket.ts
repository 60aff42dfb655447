import type { Clock } from "./clock.js";

/**
 * A rate limit on the monotonic clock: `perSecond` tokens flow in each second, and at most `capacity` of them are
 * kept, so that a pause earns no burst beyond that. Unless given, that is one second's worth, but at least one.
 */
export class TokenBucket {
  readonly capacity: number;
  private readonly perSecond: number;
  private readonly clock: Pick<Clock, "monotonicMs">;
  private tokens: number;
  private filledMs: number;

  constructor(perSecond: number, clock: Pick<Clock, "monotonicMs">, capacity?: number) {
    this.perSecond = perSecond;
    this.capacity = capacity ?? Math.max(1, Math.floor(perSecond));
    this.clock = clock;
    this.tokens = this.capacity;
    this.filledMs = clock.monotonicMs();
  }

  /** Milliseconds until `count` tokens are there, 0 when they are; `count` is at most `capacity`. */
  waitMs(count: number): number {
    this.fill();
    const missing = count - this.tokens;
    return missing <= 0 ? 0 : Math.ceil((missing / this.perSecond) * 1000);
  }

  take(count: number): void {
    this.fill();
    this.tokens -= count;
  }

  private fill(): void {
    const nowMs = this.clock.monotonicMs();
    this.tokens = Math.min(this.capacity, this.tokens + ((nowMs - this.filledMs) / 1000) * this.perSecond);
    this.filledMs = nowMs;
  }
}
