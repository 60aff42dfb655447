import { describe, expect, it } from "vitest";
import { ManualClock } from "../../helpers/manual-clock.js";

describe("the manual clock", () => {
  it("fires timers in the order of their due time, not of their setting", () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push("b"));
    clock.after(10, () => fired.push("a"));
    clock.after(20, () => fired.push("c"));
    clock.advance(19);
    expect(fired).toEqual(["a"]);
    clock.advance(1);
    expect(fired).toEqual(["a", "b", "c"]);
    expect(clock.timersPending()).toBe(0);
  });

  it("fires a timer that a callback sets within the same advance", () => {
    const clock = new ManualClock();
    const at: number[] = [];
    const startMs = clock.monotonicMs();
    clock.after(10, () => clock.after(5, () => at.push(clock.monotonicMs() - startMs)));
    clock.advance(100);
    expect(at).toEqual([15]);
  });

  it("repeats until cancelled, also from inside the callback", () => {
    const clock = new ManualClock();
    let count = 0;
    const timer = clock.every(10, () => {
      count++;
      if (count === 3) timer.cancel();
    });
    clock.advance(1_000);
    expect(count).toBe(3);
  });

  it("steps the wall clock without any timer noticing", () => {
    const clock = new ManualClock({ trusted: false });
    let fired = false;
    clock.after(10, () => {
      fired = true;
    });
    clock.stepWall(clock.wallMs() + 86_400_000, { trusted: true });
    expect(fired).toBe(false);
    expect(clock.wallTrusted()).toBe(true);
  });

  it("lets promises run between timers", async () => {
    const clock = new ManualClock();
    const log: string[] = [];
    clock.after(10, () => void Promise.resolve().then(() => log.push("promise")));
    clock.after(20, () => log.push("timer"));
    await clock.run(20);
    expect(log).toEqual(["promise", "timer"]);
  });
});
