import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, systemRandom, systemTimers } from "../../../src/system/clock.js";
import { RELEASED_MS } from "../../../src/system/clock-trust.js";

describe("the system's clock", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is not trusted on a gateway that came up in 1970", () => {
    vi.setSystemTime(0);
    expect(systemClock.wallTrusted()).toBe(false);
    vi.setSystemTime(RELEASED_MS);
    expect(systemClock.wallTrusted()).toBe(true);
  });

  it("has one monotonic clock for all processes since the machine came up: the kernel's", () => {
    const kernelMs = Number(process.hrtime.bigint()) / 1e6;
    expect(Math.abs(systemClock.monotonicMs() - kernelMs)).toBeLessThan(1_000);
    expect(systemClock.boot).toBeGreaterThan(0);
  });

  it("does not turn a very long wait into none", () => {
    let fired = 0;
    const timer = systemTimers.after(365 * 86_400_000, () => fired++);
    const period = systemTimers.every(Number.POSITIVE_INFINITY, () => fired++);
    vi.advanceTimersByTime(86_400_000);
    expect(fired).toBe(0);
    timer.cancel();
    period.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("never calls back after a cancel", () => {
    let fired = 0;
    systemTimers.after(10, () => fired++).cancel();
    systemTimers.every(10, () => fired++).cancel();
    vi.advanceTimersByTime(1_000);
    expect(fired).toBe(0);
  });
});

describe("jitter", () => {
  it("is in [0, 1)", () => {
    for (let i = 0; i < 100; i++) {
      const value = systemRandom();
      expect(value >= 0 && value < 1).toBe(true);
    }
  });
});
