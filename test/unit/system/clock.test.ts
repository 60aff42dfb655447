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

describe("a wait of less than a millisecond", () => {
  let nowMs = 0;
  beforeEach(() => {
    nowMs = 0;
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("ends with the first turn of the event loop in which its time has come, whatever Node's timers can do", async () => {
    let fired = 0;
    systemTimers.after(0.3, () => fired++);
    await turn();
    nowMs = 0.29;
    await turn();
    expect(fired).toBe(0);
    nowMs = 0.3;
    await turn();
    expect(fired).toBe(1);
    await turn();
    expect(fired).toBe(1);
  });

  it("never calls back after a cancel, also after some turns", async () => {
    let fired = 0;
    const timer = systemTimers.after(0.5, () => fired++);
    await turn();
    timer.cancel();
    nowMs = 1;
    await turn();
    await turn();
    expect(fired).toBe(0);
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("jitter", () => {
  it("is in [0, 1)", () => {
    for (let i = 0; i < 100; i++) {
      const value = systemRandom();
      expect(value >= 0 && value < 1).toBe(true);
    }
  });
});
