import { type Block, newGroup, type ReadingGroup } from "../../src/model/block.js";
import type { EngineProfile } from "../../src/model/profile.js";
import { RELEASED_MS, RETIRED_MS } from "../../src/system/clock-trust.js";

/** When the true time of a scene begins. */
export const TRUE_START_MS = Date.UTC(2026, 5, 1, 12);

/** A reading as it came: what a test knows of it. */
export interface SceneReading {
  readonly device: string;
  readonly number: number;
  /** When it really came. */
  readonly trueMs: number;
  readonly timed: boolean;
}

/**
 * A machine whose wall clock is set, stepped and lost, and the blocks that a committer makes on it: the wall clock
 * stands still for nobody, the machine's own counts from its boot. Reading number n of a device has the value 2^n.
 */
export class ClockScene {
  readonly readings: SceneReading[] = [];
  readonly #profile: EngineProfile;
  readonly #counts = new Map<string, number>();
  #trueMs = TRUE_START_MS;
  #wallMs = TRUE_START_MS;
  #uptimeMs = 5_000;
  #aheadMs = 0;
  #boot = 1;
  #sequence = 0;
  #processingMs = 0;
  #gathered: { readonly reading: SceneReading; readonly uptimeMs: number; readonly timeMs: number }[] = [];

  constructor(profile: EngineProfile) {
    this.#profile = profile;
  }

  get trueMs(): number {
    return this.#trueMs;
  }

  get trusted(): boolean {
    return this.#wallMs >= RELEASED_MS && this.#wallMs < RETIRED_MS;
  }

  wait(ms: number): void {
    this.#trueMs += ms;
    this.#wallMs += ms;
    this.#uptimeMs += ms;
    this.#processingMs += ms;
  }

  step(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Somebody tells the machine the time. */
  set(): void {
    this.#wallMs = this.#trueMs;
  }

  /** The power is out for a while, and there is no clock battery. */
  reboot(offMs: number): void {
    this.#trueMs += offMs;
    this.#wallMs = 10_000;
    this.#uptimeMs = 10_000;
    this.#boot++;
  }

  /** Devices with event time are ahead by this much from now on. */
  claim(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }

  /** @param timed whether the reading has an event time of its own */
  read(device: string, timed: boolean): SceneReading {
    const number = this.#counts.get(device) ?? 0;
    this.#counts.set(device, number + 1);
    const reading = { device, number, trueMs: this.#trueMs, timed };
    this.readings.push(reading);
    const timeMs = timed ? this.#trueMs + this.#aheadMs : Number.NaN;
    this.#gathered.push({ reading, uptimeMs: this.#uptimeMs, timeMs });
    return reading;
  }

  /** A block of what has gathered. */
  block(): Block {
    const groups = new Map<string, ReadingGroup>();
    const offsetMs = this.#wallMs - this.#uptimeMs;
    for (const { reading, uptimeMs, timeMs } of this.#gathered) {
      const { device, number } = reading;
      const group = groups.get(device) ?? newGroup(this.#profile.hash, device, false);
      groups.set(device, group);
      group.arrivals.push(uptimeMs + offsetMs);
      group.times.push(timeMs);
      group.values.push([2 ** number]);
      group.deliveries.push(0);
    }
    this.#gathered = [];
    return {
      sequence: ++this.#sequence,
      processingMs: this.#processingMs,
      clockTrusted: this.trusted,
      bootClock: { boot: this.#boot, offsetMs },
      tick: true,
      groups: [...groups.values()],
    };
  }
}
