import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { csv, json, type Outcome, readAll } from "../../helpers/decoding.js";

const DATA = fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const there = existsSync(DATA);
const recorded = there ? "recorded data" : "recorded data (skipped: ../shared/data is not there)";
const COLUMNS_OF_MADAVI = 22;

function linesOf(path: string, encoding: "utf-8" | "latin1" = "utf-8"): readonly string[] {
  const bytes = readFileSync(`${DATA}${path}`);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString(encoding);
  return text.split(/\r?\n/).filter((line) => line !== "");
}

function numbers({ records }: Outcome, column: number): number[] {
  return records.map((record) => Number(record[column] ?? Number.NaN)).filter((x) => !Number.isNaN(x));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// Expected figures are those of answers.json, or counted with awk.
describe.skipIf(!there)(recorded, () => {
  it("of ULB's motes: Latin-1, decimal commas, no-break spaces as thousands marks", () => {
    const spec = {
      separator: "whitespace",
      encoding: "latin1",
      decimal: ",",
      thousands: "\u00a0",
      fieldCount: 9,
    } as const;
    const third = readAll(csv(spec).openStream(), ["#3", "#7"], linesOf("ulb_wsn/lib1_R3.txt", "latin1"));
    expect([third.records.length, third.bad.length]).toEqual([11_029, 0]);
    expect(third.records[0]).toEqual(["1000", "22.14"]);
    expect(numbers(third, 0)).toHaveLength(11_029);
    // The answer leaves out one duplicate, so the mean is close and not equal.
    expect(mean(numbers(third, 1))).toBeCloseTo(22.378448, 3);

    // The last of its 11,111 lines is a blank.
    const second = readAll(csv(spec), ["#4"], linesOf("ulb_wsn/lib1_R2.txt", "latin1"));
    expect([second.records.length, second.bad.length]).toEqual([11_110, 0]);
    const motes = readFileSync(`${DATA}ulb_wsn/no5_odd_nodes.txt`);
    const asPayloads = Array.from({ length: 4 }, (_, i) => {
      const lines = motes.toString("latin1").split("\n");
      return Buffer.from(lines.slice(i * 3_000, (i + 1) * 3_000).join("\n"), "latin1");
    });
    expect(readAll(csv(spec), ["#4"], asPayloads).records).toHaveLength(11_383);
  });

  it("of sensor.community: empty cells, and a header once", () => {
    const decoder = csv({ separator: ";", header: true }).openStream();
    const lines = linesOf("luftdaten/sds011_sensor_5331.csv.gz");
    const outcome = readAll(decoder, ["timestamp", "P1", "durP1", "ratioP2"], lines);
    expect([outcome.records.length, outcome.bad.length]).toEqual([lines.length - 1, 0]);
    expect(numbers(outcome, 1)).toHaveLength(344_205);
    expect(outcome.records[0]).toEqual(["2017-08-30T11:27:23", "9.53", undefined, undefined]);
    expect(numbers(outcome, 1).reduce((max, p1) => (p1 <= 999.9 ? Math.max(max, p1) : max))).toBe(843.2);
  });

  it("of madavi: names that do not fit the rows are not given to them", () => {
    const lines = linesOf("madavi/esp8266-3654427.csv.gz");
    const [short, long] = [20, 24].map((count) =>
      lines.filter((line) => line.startsWith("Time;") && line.split(";").length === count),
    );
    expect([short!.length, long!.length]).toEqual([263, 115]);
    const rows = lines.length - 263 - 115;

    const named = readAll(csv({ separator: ";", header: true }).openStream(), ["Time", "Temp"], lines);
    expect(named.records.length + named.bad.length).toBe(rows);
    // Rows under a header of 24 names lack two columns at their end; under one of 20 the names are of other columns.
    expect(new Set(named.bad)).toEqual(new Set(["the row has 22 columns, the header names 20"]));
    expect(named.records.length).toBeGreaterThan(0);
    expect(named.records.every(([time]) => time !== "Time")).toBe(true);

    const columns = Array.from({ length: COLUMNS_OF_MADAVI }, (_, i) => `c${i + 1}`);
    const given = csv({ separator: ";", header: true, columns, fieldCount: COLUMNS_OF_MADAVI }).openStream();
    const outcome = readAll(given, ["c1", "c12"], lines);
    expect([outcome.records.length, outcome.bad.length]).toEqual([rows, 0]);
  });

  it("of Beijing: everything quoted, NA for missing", () => {
    const decoder = csv({ header: true, missing: ["NA"] }).openStream();
    const lines = linesOf("beijing/PRSA_Data_Dongsi_20130301-20170228.csv.gz");
    const places = ["year", "month", "PM2.5", "wd", "station"];
    const outcome = readAll(decoder, places, lines);
    expect([outcome.records.length, outcome.bad.length]).toEqual([35_064, 0]);
    expect(outcome.records[0]).toEqual(["2013", "3", "9", "NNW", "Dongsi"]);
    expect(outcome.records.filter((record) => record[2] === undefined)).toHaveLength(750);
  });

  it("of LoRaWAN: JSON, one message a line", () => {
    const lines = linesOf("lorawan_campusiot/FTD_dev.ndjson.gz");
    const payloads = lines.map((line) => Buffer.from(line));
    const whole = readAll(json(), [""], payloads);
    expect(whole.code).toBeUndefined();
    expect(whole.records).toHaveLength(11_323);
  });

  it("of UNCG: titles before the header", () => {
    const decoder = csv({ separator: "\t", header: true }).openStream();
    const lines = linesOf("uncg_wsn/singlehop-outdoor-moteid4-data.txt");
    const outcome = readAll(decoder, ["Mote ID", "Humidity"], lines);
    expect(outcome.records).toHaveLength(5_041);
    expect(outcome.bad.length).toBeGreaterThan(0);
  });
});
