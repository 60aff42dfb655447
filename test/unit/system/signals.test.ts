import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { handleSignals } from "../../../src/system/signals.js";

describe("signals", () => {
  it("tell the first request to stop from the second, and reload from both", () => {
    const process = new EventEmitter();
    const calls: unknown[] = [];
    const release = handleSignals(
      { stop: (signal, times) => calls.push([signal, times]), reload: () => calls.push("reload") },
      process,
    );
    process.emit("SIGHUP", "SIGHUP");
    process.emit("SIGTERM", "SIGTERM");
    process.emit("SIGINT", "SIGINT");
    expect(calls).toEqual(["reload", ["SIGTERM", 1], ["SIGINT", 2]]);
    release();
    expect(process.eventNames()).toEqual([]);
  });
});
