/** Days that are not 24 hours long and a minute that is not 60 seconds long, from a device's payload to the archive. */
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { Load } from "../helpers/mqtt-load.js";
import { freePort, until } from "../helpers/tools.js";

const HOUR_MS = 3_600_000;

const PROFILE = [
  "schema: device-profile/1",
  "id: meter",
  "version: 1.0.0",
  'match: { mqtt: { topics: ["m/{device}"] } }',
  "decode: { format: json }",
  "time: { from: /t, format: iso, maxFuture: never, outOfOrderness: 0s, idleTimeout: never }",
  "fields: { kwh: { from: /kwh } }",
  "windows:",
  '  - { name: day, tumbling: 1d, zone: Europe/Berlin, fields: { "*": [count, sum] } }',
  '  - { name: 1m, tumbling: 1m, fields: { "*": [count] } }',
  "",
].join("\n");

/** A reading for each hour from one instant to another. */
function hourly(from: string, to: string): string[] {
  const count = (Date.parse(to) - Date.parse(from)) / HOUR_MS;
  return Array.from({ length: count }, (_, i) => new Date(Date.parse(from) + i * HOUR_MS).toISOString());
}

const SENT: Readonly<Record<string, readonly string[]>> = {
  spring: [...hourly("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z"), "2026-04-02T00:00:00Z"],
  autumn: [...hourly("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z"), "2026-10-29T00:00:00Z"],
  // RFC 3339, section 5.7; POSIX counts it as the second after it.
  leap: ["2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.999Z", "2017-01-03T00:00:00Z"],
};

describe("a day by the clock on the wall", () => {
  it("has 23 hours in spring and 25 in autumn, and a leap second belongs to the next minute", async () => {
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      config: [
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
        "targets: [{ name: archive, type: file, path: archive.jsonl }]",
      ].join("\n"),
      profiles: { meter: PROFILE },
    });
    await agent.start();
    const load = new Load(
      Object.entries(SENT).map(([device, times]) => ({
        ...{ port, clientId: device, qos: 1 as const, inflightMax: 10 },
        messages: times.map((t, i) => ({ topic: `m/${device}`, payload: JSON.stringify({ t, kwh: i + 1 }) })),
      })),
    );
    load.start();
    await load.finished();
    const all = (await agent.summaries()).length;
    await until(async () => (await agent.lines("archive.jsonl")).length === all, {
      what: "all are archived",
    });
    const summaries = (await agent.lines("archive.jsonl")).map((line) => JSON.parse(line) as Summary);
    const counts = (device: string, name: string) =>
      summaries
        .filter((each) => each.device === device && each.window.name === name)
        .map(({ window, fields }) => [window.start, window.end, fields.kwh?.count]);
    expect(counts("spring", "day")).toEqual([
      ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", 24],
      ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23],
      ["2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z", 24],
    ]);
    expect(counts("autumn", "day")).toEqual([
      ["2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", 24],
      ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25],
      ["2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z", 24],
    ]);
    expect(counts("leap", "1m")).toEqual([
      ["2016-12-31T23:59:00Z", "2017-01-01T00:00:00Z", 1],
      ["2017-01-01T00:00:00Z", "2017-01-01T00:01:00Z", 2],
    ]);
    for (const { accepted, rejected, device } of (await agent.status()).byDevice) {
      expect([accepted, rejected]).toEqual([SENT[device]!.length, {}]);
    }
  });
});
