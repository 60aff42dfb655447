import { getTasks } from "node-cron";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  CATCH_UP_MS_MAX,
  createSchedule,
  type Schedule,
  validateSchedule,
} from "../../../src/forward/schedule.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { MemoryLog } from "../../helpers/memory-log.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Rig {
  readonly clock: ManualClock;
  readonly log: MemoryLog;
  readonly schedule: Schedule;
  /** Wall times of the calls. */
  readonly due: string[];
}

function begin(expression: string, at: string, zone = "UTC"): Rig {
  const clock = new ManualClock({ wallMs: Date.parse(at) });
  const log = new MemoryLog();
  const schedule = createSchedule({ expression, zone, log, clock, timers: clock });
  const due: string[] = [];
  onTestFinished(() => schedule.stop());
  schedule.start(() => due.push(new Date(clock.wallMs()).toISOString().slice(0, 19)));
  return { clock, log, schedule, due };
}

describe("immediate schedule", () => {
  it("is due at the start, for what an earlier life left, and after every append until it is stopped", () => {
    const { log, schedule, due } = begin("immediate", "2026-01-14T12:00:00Z");
    expect(due).toHaveLength(1);
    log.append("{}");
    log.append("{}", "{}");
    expect(due).toHaveLength(3);
    schedule.stop();
    log.append("{}");
    expect(due).toHaveLength(3);
    expect(log.listening()).toBe(0);
  });
});

describe("cron schedule", () => {
  it("comes at the minutes of a five-field expression, once each", () => {
    const { clock, due } = begin("*/20 * * * *", "2026-01-14T12:01:30Z");
    clock.advance(HOUR);
    expect(due).toEqual(["2026-01-14T12:20:00", "2026-01-14T12:40:00", "2026-01-14T13:00:00"]);
  });

  it("comes at the seconds of a six-field expression", () => {
    const { clock, due } = begin("*/25 * * * * *", "2026-01-14T12:00:00Z");
    clock.advance(2 * MINUTE);
    expect(due.map((at) => at.slice(14))).toEqual(["00:25", "00:50", "01:00", "01:25", "01:50", "02:00"]);
  });

  it("does not come at the instant it was started in, nor twice when a timer is early or late", () => {
    const { clock, due } = begin("* * * * *", "2026-01-14T12:00:00Z");
    clock.stepWall(clock.wallMs() - 3); // the timer for 12:01:00 now fires at 12:00:59.997
    clock.advance(MINUTE + 100);
    expect(due).toEqual(["2026-01-14T12:01:00"]);
    clock.advance(MINUTE);
    expect(due).toHaveLength(2);
  });

  it("reads the expression in its time zone", () => {
    const { clock, due } = begin("30 6 * * *", "2026-07-01T00:00:00Z", "Asia/Kolkata");
    clock.advance(24 * HOUR);
    expect(due).toEqual(["2026-07-01T01:00:00"]);
  });

  it("does not come at a local time that spring leaves out, and comes twice at one that autumn has twice", () => {
    const spring = begin("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin");
    spring.clock.advance(48 * HOUR);
    expect(spring.due).toEqual(["2026-03-30T00:30:00"]);
    const autumn = begin("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin");
    autumn.clock.advance(24 * HOUR);
    expect(autumn.due).toEqual(["2026-10-25T00:30:00", "2026-10-25T01:30:00"]);
  });

  it("makes up, once, for the times that a short forward step or a stall jumps over", () => {
    const { clock, due } = begin("0 13,14 * * *", "2026-01-14T12:30:00Z");
    clock.stepWall(Date.parse("2026-01-14T14:45:00Z"));
    clock.advance(MINUTE);
    expect(due).toHaveLength(1);
    expect(due[0]).toMatch(/^2026-01-14T14:4[56]/);
  });

  it("takes a long forward step for a clock being set, at no cost, and goes on from there", () => {
    const { clock, due } = begin("0 * * * * *", "1970-01-01T00:00:10Z");
    clock.stepWall(Date.parse("2026-01-14T12:00:30Z"));
    const began = process.cpuUsage();
    clock.advance(2 * MINUTE);
    const { user } = process.cpuUsage(began);
    // The step was in the middle of a sleep of 50 s, so the first look is at 12:01:20.
    expect(due).toEqual(["2026-01-14T12:02:00"]);
    expect(user).toBeLessThan(500_000);
    expect(CATCH_UP_MS_MAX).toBe(3 * HOUR);
  });

  it("goes on at once after a backward step of a year", () => {
    const { clock, due } = begin("*/5 * * * *", "2027-01-14T12:01:00Z");
    clock.advance(5 * MINUTE);
    clock.stepWall(Date.parse("2026-01-14T12:01:00Z"));
    clock.advance(5 * MINUTE);
    expect(due).toEqual(["2027-01-14T12:05:00", "2026-01-14T12:05:00"]);
  });

  it("leaves no timer behind, and nothing in node-cron's global table", () => {
    const tasksBefore = getTasks().size;
    const { clock, schedule, due } = begin("* * * * *", "2026-01-14T12:00:30Z");
    expect(getTasks().size).toBe(tasksBefore + 1);
    schedule.stop();
    clock.advance(HOUR);
    expect(due).toEqual([]);
    expect(clock.timersPending()).toBe(0);
    expect(getTasks().size).toBe(tasksBefore);
  });

  it("can be stopped by its own call", () => {
    const clock = new ManualClock();
    const options = { expression: "* * * * *", zone: "UTC", log: new MemoryLog(), clock, timers: clock };
    const schedule = createSchedule(options);
    let calls = 0;
    schedule.start(() => {
      calls++;
      schedule.stop();
    });
    clock.advance(HOUR);
    expect(calls).toBe(1);
    expect(clock.timersPending()).toBe(0);
  });
});

describe("validateSchedule", () => {
  it.each([
    "immediate",
    "* * * * *",
    "*/10 * * * * *",
    "0 2 * * MON-FRI",
    "@hourly",
    "0 0 L * *",
    "0 0 29 2 *",
  ])("takes %s", (expression) => {
    expect(validateSchedule(expression, "Europe/Berlin")).toBeUndefined();
  });

  it.each([
    ["", "illegal characters"],
    ["Immediate", "5 or 6 fields"],
    ["* * * *", "5 or 6 fields but got 4"],
    ["61 * * * *", "61 is not a valid minute"],
    ["*/0 * * * *", "*/0 is not a valid minute"],
    ["0 0 30 2 *", "impossible day"],
    ["0 25 * * FOO", "25 is not a valid hour"],
    ["0-99999999 * * * *", "99999999 is too large"],
    ["* ".repeat(200), "at most 256 characters"],
  ])("says what is wrong with %j", (expression, message) => {
    expect(validateSchedule(expression, "UTC")).toContain(message);
  });

  it("says that a zone does not exist", () => {
    expect(validateSchedule("* * * * *", "Mars/Olympus")).toContain("Mars/Olympus");
  });

  it("lets no bad expression become a schedule", () => {
    const clock = new ManualClock();
    const options = { zone: "UTC", log: new MemoryLog(), clock, timers: clock };
    expect(() => createSchedule({ ...options, expression: "nonsense" })).toThrow(
      expect.objectContaining({ code: "bad-schedule" }),
    );
  });
});
