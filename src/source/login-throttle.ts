import { isIPv6 } from "node:net";
import type { Clock } from "../model/clock.js";
import { isLoopback } from "../model/loopback.js";

/**
 * Slows down guessing of passwords: every remote address has a bucket of failures that refills over time, and with
 * an empty one is refused without a look at the password. A device with a wrong password that tries now and then
 * stays below it, so it does not lock out others behind the same address.
 *
 * Loopback is exempt: all local programs share that address, and one of them could lock out the rest.
 */
const FAILURES_MAX = 10;
const REFILL_MS = 5_000;
/** The address that failed longest ago is forgotten first. */
const ADDRESSES_MAX = 1_024;

interface Bucket {
  readonly failures: number;
  readonly atMs: number;
}

export class LoginThrottle {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Whether a password of this address is to be looked at. */
  allows(address: string | undefined): boolean {
    const key = keyOf(address);
    return key === undefined || this.#failures(key) <= FAILURES_MAX - 1;
  }

  failed(address: string | undefined): void {
    const key = keyOf(address);
    if (key === undefined) return;
    const failures = this.#failures(key) + 1;
    this.#buckets.delete(key);
    if (this.#buckets.size >= ADDRESSES_MAX) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    this.#buckets.set(key, { failures, atMs: this.#clock.monotonicMs() });
  }

  /** What is left of the failures after the time that has gone by. */
  #failures(key: string): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    const refilled = (this.#clock.monotonicMs() - bucket.atMs) / REFILL_MS;
    return Math.max(0, bucket.failures - refilled);
  }
}

/** An IPv6 host has a whole /64 to itself, so that is what counts; undefined for the loopback. */
function keyOf(address: string | undefined): string | undefined {
  if (address === undefined) return "unknown";
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (isLoopback(plain)) return undefined;
  if (!isIPv6(plain)) return plain;
  const [head = ""] = plain.split("%");
  const groups = head.split("::")[0]!.split(":");
  return groups.slice(0, 4).join(":");
}
