import { describe, expect, it } from "vitest";
import { WritePace } from "../../../src/store/write-pace.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { EventNames } from "../../helpers/store.js";

function rig() {
  const clock = new ManualClock();
  const events = new EventNames();
  const pace = new WritePace({ clock, timers: clock, observer: events });
  const write = (ms: number, plain = true) => {
    pace.began();
    clock.advance(ms);
    pace.ended({ plain });
  };
  return { clock, events, pace, write };
}

describe("the pace of writes", () => {
  it("says once that the disk is slow, and once that it is well again", () => {
    const { events, pace, write } = rig();
    for (let i = 0; i < 20; i++) write(300);
    expect(pace.writeMs).toBeGreaterThan(250);
    for (let i = 0; i < 20; i++) write(10);
    expect(pace.writeMs).toBeLessThan(20);
    expect(events.names).toEqual(["store-slow", "store-fast"]);
  });

  it("makes nothing of a card that is busy for a moment, nor of a write that failed", () => {
    const { events, write } = rig();
    for (let i = 0; i < 20; i++) {
      write(700);
      for (let well = 0; well < 20; well++) write(10);
      write(4_000, false);
    }
    expect(events.names).toEqual([]);
  });

  it("tells of a write that does not end while it lasts, in the log and in the figure", () => {
    const { clock, events, pace } = rig();
    pace.began();
    clock.advance(4_999);
    expect(events.names).toEqual([]);
    clock.advance(1);
    expect(events.names).toEqual(["store-slow"]);
    clock.advance(55_000);
    expect(pace.writeMs).toBe(60_000);
    expect(events.names).toEqual(["store-slow"]);
  });
});
