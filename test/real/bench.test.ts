import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);

describe.skipIf(!existsSync("/proc/self/io"))("scripts/bench", () => {
  it("prints one object for each metric, all readings being in closed windows", async () => {
    // It ends with a failure when a reading that was acknowledged is in no window, or in two.
    const { stdout } = await run("scripts/bench", ["--quick", "--json", "replay", "mqtt-qos1"]);
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
    expect(named).toEqual(expect.arrayContaining(["replay-made-up throughput", "mqtt-qos1 ack p99"]));
  });

  it("says what is wrong with its command line", async () => {
    await expect(run("scripts/bench", ["mqtt-qos7"])).rejects.toMatchObject({ code: 2 });
    await expect(run("scripts/bench", ["--window", "0"])).rejects.toMatchObject({ code: 2 });
  });
});
