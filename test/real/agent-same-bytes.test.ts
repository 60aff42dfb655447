/**
 * Same readings, same bytes, on a recording of a real sensor with a day that came late: in file order, shuffled within
 * the allowed lateness with every tenth row twice, and live over MQTT with a crash in the middle.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess, replay } from "../helpers/agent-process.js";
import { Load } from "../helpers/mqtt-load.js";
import { expectAccounted } from "../helpers/numbered-readings.js";
import { type Seeded, seeded } from "../helpers/seeded.js";
import { freePort, until } from "../helpers/tools.js";
import { bodies, Summaries } from "../helpers/upstream.js";

/** For a slow machine with other work to do. */
const TIMEOUT_MS = 180_000;

const FILE = fileURLToPath(
  new URL("../../../shared/data/luftdaten/dht22_sensor_5332.csv.gz", import.meta.url),
);
const there = existsSync(FILE);
const suite = there ? describe : describe.skip;
const name = (what: string) => (there ? what : `${what} (skipped: ../shared/data is not there)`);

const PROFILE = `schema: device-profile/1
id: dht22
version: 1.0.0
match: { mqtt: { topics: ["luft/+"] } }
decode:
  format: csv
  separator: ";"
  columns: [sensor_id, sensor_type, location, lat, lon, timestamp, temperature, humidity]
identity: { from: sensor_id }
time: { from: timestamp, format: local-iso, zone: UTC, maxFuture: never, idleTimeout: never, outOfOrderness: 0s }
fields:
  temperature: { from: temperature, unit: Cel, range: [-40, 85] }
  humidity: { from: humidity, unit: "%RH", range: [0, 100] }
windows:
  - { name: 5m, tumbling: 5m, allowedLateness: 25h, fields: { "*": [count, mean, min, max, stddev, first, last] } }
  - { name: 1d, tumbling: 1d, zone: Europe/Berlin, allowedLateness: 25h, fields: { "*": [count, sum, variance] } }
`;
const LATENESS_MS = 25 * 3_600_000;
const TIME_COLUMN = 5;
/** Rows around the day that came late (it begins at 106,228). */
const PART = [98_000, 118_000] as const;

function timeOf(row: string): number {
  return Date.parse(`${row.split(";")[TIME_COLUMN]}Z`);
}

/** Every row gets a place up to the lateness behind its time; every tenth gets two. */
function shuffledTwice(rows: readonly string[], random: Seeded): string[] {
  return rows
    .flatMap((row, i) => (i % 10 === 0 ? [row, row] : [row]))
    .map((row) => ({ row, place: timeOf(row) + random.next() * LATENESS_MS }))
    .sort((a, b) => a.place - b.place)
    .map(({ row }) => row);
}

/** A row so much later that everything before it is final. */
function closingRow(rows: readonly string[]): string {
  const newestMs = rows.reduce((newest, row) => Math.max(newest, timeOf(row)), 0);
  const time = new Date(newestMs + 3 * LATENESS_MS).toISOString().slice(0, 19);
  return rows[0]!.split(";").with(TIME_COLUMN, time).join(";");
}

suite(name("a recording with a day that came late"), () => {
  const rows = there ? gunzipSync(readFileSync(FILE)).toString().trimEnd().split("\n").slice(1) : [];
  const part = rows.slice(...PART);

  it("replayed shuffled within the lateness, every tenth row twice, gives the bytes of the file's order", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("order of the rows");
    const [ordered, shuffled] = [
      await replay(PROFILE, rows),
      await replay(PROFILE, shuffledTwice(rows, random)),
    ];
    expect(ordered.summaries.length).toBeGreaterThan(170_000);
    const [one, other] = [bodies(ordered.summaries), bodies(shuffled.summaries)];
    expect(other.length).toBe(one.length);
    expect(other.filter((body, i) => body !== one[i])).toEqual([]);
    expect(accepted(shuffled.report)).toBe(accepted(ordered.report));
  });

  it.each(["in the file's order", "shuffled, every tenth row twice"])(
    "live over MQTT, %s, with a crash in the middle, gives the bytes of the replay",
    { timeout: TIMEOUT_MS },
    async (order) => {
      const random = seeded("order of the rows, and the crash");
      const closing = closingRow(part);
      const sent = order.startsWith("in") ? part : shuffledTwice(part, random);
      const expected = await replay(PROFILE, [...part, closing]);
      const wanted = expected.summaries.filter((summary) => !holds(summary, timeOf(closing)));
      const port = await freePort();
      const agent = await AgentProcess.prepare({
        config: [
          "store: { path: store, journalBytesMax: 262144 }",
          "commit: { maxDelay: 10ms }",
          "sources:",
          `  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
        ].join("\n"),
        profiles: { dht22: PROFILE },
      });
      const messages = [...sent, closing].map((payload) => ({ topic: "luft/5332", payload }));
      const load = new Load([{ port, clientId: "sensor", qos: 1, inflightMax: 500, messages }]);
      await agent.start();
      load.start();
      await load.progress(Math.floor(sent.length * (0.3 + 0.4 * random.next())));
      await agent.kill();
      await agent.start();
      await load.finished();
      const log = new Summaries();
      await until(
        async () => {
          for (const line of (await agent.summaries()).slice(log.lines.length)) log.add(line);
          return log.finals >= wanted.length;
        },
        { what: "all windows are final" },
      );
      const [one, other] = [bodies(wanted), bodies(log.latest().filter(({ final }) => final))];
      expect(other.length).toBe(one.length);
      expect(other.filter((body, i) => body !== one[i])).toEqual([]);
      const { byDevice } = await agent.status();
      expectAccounted(byDevice);
      expect(byDevice.map(({ accepted }) => accepted)).toEqual([part.length + 1]);
      expect(byDevice[0]!.received).toBeGreaterThanOrEqual(messages.length);
    },
  );
});

function holds({ window }: Summary, timeMs: number): boolean {
  return Date.parse(window.start!) <= timeMs && timeMs < Date.parse(window.end!);
}

function accepted(report: string): string {
  return /^accepted +([\d,]+)$/m.exec(report)![1]!;
}
