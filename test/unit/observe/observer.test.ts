import { describe, expect, it } from "vitest";
import { defineEvent } from "../../../src/model/log-event.js";
import { createCounters } from "../../../src/observe/counters.js";
import { createLogger } from "../../../src/observe/logger.js";
import { createObserver } from "../../../src/observe/observer.js";
import { ManualClock } from "../../helpers/manual-clock.js";

const lost = defineEvent<{ source: string; attempt: number }>("source-lost", "warn", "Connection lost");
const loaded = defineEvent<{ profile: string }>("profile-loaded", "info", "Profile loaded");
const refused = defineEvent<{ problems: number }>("refused", "error", "Reload refused", { answer: true });
const traced = defineEvent<{ n: number }>("traced", "debug", "Trace");

function setup(repeatEveryMs = 10_000) {
  const clock = new ManualClock();
  const lines: string[] = [];
  const counters = createCounters();
  const log = createLogger({ level: "info", format: "logfmt", clock, write: (line) => lines.push(line) });
  return {
    clock,
    lines,
    counters,
    observer: createObserver({ log, counters, timers: clock, repeatEveryMs }),
  };
}

describe("the observer", () => {
  it("writes the first of a flood at once and the rest as one line with their number", () => {
    const { clock, lines, counters, observer } = setup();
    for (let i = 0; i < 1_000; i++) observer.emit(lost, { source: "plant", attempt: 1 });
    expect(lines).toHaveLength(1);
    clock.advance(10_000);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("attempt=1 repeated=999\n");
    expect(counters.snapshot()).toEqual([{ name: "source-lost", labels: { source: "plant" }, value: 1_000 }]);
  });

  it("shows some different ones of a kind, but not without end", () => {
    const { clock, lines, observer } = setup();
    for (let attempt = 1; attempt <= 1_000; attempt++) observer.emit(lost, { source: "plant", attempt });
    expect(lines.map((line) => /attempt=\d+.*/.exec(line)?.[0])).toEqual(
      Array.from({ length: 10 }, (_, i) => `attempt=${i + 1}`),
    );
    clock.advance(10_000);
    expect(lines.at(-1)).toContain("attempt=1000 repeated=990\n");
    for (let attempt = 1; attempt <= 50; attempt++) observer.emit(lost, { source: "plant", attempt });
    clock.advance(10_000);
    expect(lines).toHaveLength(12);
    expect(lines.at(-1)).toContain("attempt=50 repeated=50\n");
  });

  it("accounts for every warning in its lines, however they are spread over time", () => {
    const { clock, lines, observer } = setup();
    let emitted = 0;
    for (let step = 0; step < 500; step++) {
      const burst = (step * 7919) % 5;
      for (let i = 0; i < burst; i++, emitted++) observer.emit(lost, { source: "plant", attempt: i });
      clock.advance((step * 104_729) % 7_000);
    }
    observer.close();
    const shown = lines.reduce((sum, line) => sum + Number(/repeated=(\d+)/.exec(line)?.[1] ?? 1), 0);
    expect(shown).toBe(emitted);
    expect(lines.length).toBeLessThan(emitted);
  });

  it("does not let one source's flood hide another's first warning", () => {
    const { lines, observer } = setup();
    for (let i = 0; i < 10; i++) observer.emit(lost, { source: "noisy", attempt: 1 });
    observer.emit(lost, { source: "quiet", attempt: 1 });
    expect(lines).toHaveLength(2);
  });

  it("writes at once again after a quiet time", () => {
    const { clock, lines, observer } = setup();
    observer.emit(lost, { source: "plant", attempt: 1 });
    clock.advance(10_000);
    observer.emit(lost, { source: "plant", attempt: 1 });
    expect(lines).toHaveLength(2);
    expect(lines[1]).not.toContain("repeated");
  });

  it("writes what it held back when it is closed, and leaves no timer", () => {
    const { clock, lines, observer } = setup();
    for (let i = 0; i < 3; i++) observer.emit(lost, { source: "plant", attempt: 1 });
    observer.close();
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("repeated=2");
    expect(clock.timersPending()).toBe(0);
    observer.emit(lost, { source: "plant", attempt: 9 });
    expect(lines).toHaveLength(3);
    expect(clock.timersPending()).toBe(0);
  });

  it("never holds back what a person who gave a command waits for, however often it is the same", () => {
    const { clock, lines, observer } = setup();
    for (let i = 0; i < 30; i++) observer.emit(refused, { problems: 1 });
    expect(lines).toHaveLength(30);
    expect(clock.timersPending()).toBe(0);
  });

  it("never holds back an info line, and counts events below the level too", () => {
    const { lines, counters, observer } = setup();
    for (let i = 0; i < 5; i++) observer.emit(loaded, { profile: "p" });
    observer.emit(traced, { n: 1 });
    expect(lines).toHaveLength(5);
    expect(counters.snapshot()).toContainEqual({ name: "traced", labels: {}, value: 1 });
  });
});
