import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);

describe.skipIf(!existsSync("/proc/self/io"))("scripts/bench", () => {
  it("prints one object for each metric, all readings being in closed windows", async () => {
    // It ends with a failure when a reading that was acknowledged is in no window, or in two.
    const { stdout } = await run("scripts/bench", ["--quick", "--json", "replay", "mqtt-qos1", "mqtt-half"]);
    const metrics = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const metric of metrics) {
      expect(Object.keys(metric)).toEqual(["bench", "metric", "value", "unit", "reference", "ratio"]);
      expect(metric.value).toEqual(expect.any(Number));
      expect(metric.ratio === null).toBe(metric.reference === null);
    }
    const named = metrics.map(({ bench, metric }) => `${bench} ${metric}`);
    expect(named).toEqual(
      expect.arrayContaining([
        "replay-made-up throughput",
        "mqtt-qos1, 8 connections, 200 waiting ack p99",
        "mqtt-half ack p99, commits at most 5 ms apart",
      ]),
    );
  });

  it("measures what a store writes in a day, every commit being synced to the device where it may mount one", async () => {
    const { stdout } = await run("scripts/bench", ["--quick", "--json", "wear"]);
    const point = JSON.parse(stdout) as Record<string, number> & { readonly ofDevice: boolean };
    expect(point).toMatchObject({ bench: "wear", readingsPerSecond: 100, maxDelayMs: 100 });
    // A tenth of a second between commits, and as many again as can be saved up: never more in the long run.
    expect(point.syncsPerDay).toBeGreaterThan(86_400);
    expect(point.syncsPerDay).toBeLessThanOrEqual(2.2 * 864_000);
    if (point.ofDevice) {
      expect(point.flushesPerDay).toBeGreaterThanOrEqual(point.syncsPerDay!);
      expect(point.bytesPerDay).toBeGreaterThan(point.syncsPerDay! * 4_096);
    }
  });

  it("says what is wrong with its command line", async () => {
    await expect(run("scripts/bench", ["mqtt-qos7"])).rejects.toMatchObject({ code: 2 });
    await expect(run("scripts/bench", ["--window", "0"])).rejects.toMatchObject({ code: 2 });
  });
});
