/**
 * Readings that can be told apart in a summary: reading number i of a device carries 2^(i mod 50) in field
 * b(i / 50 mod 8), and nothing in the others. Fifty of them in one field sum up to 2^50 - 1 exactly if each is there
 * once: a lost or doubled one shows in count and sum, and which one it is can be read off the bits.
 */
import { expect } from "vitest";
import type { DeviceCounts } from "../../src/engine/engine.js";
import type { Summary, SummaryField } from "../../src/model/summary.js";

const BITS = 50;
const FIELDS = 8;
const FULL = 2 ** BITS - 1;
export const READINGS_MAX = BITS * FIELDS;

/** Event time of reading 0, on the edge of a minute; readings are 100 ms apart. */
export const FIRST_MS = Date.UTC(2026, 0, 14, 12);
export const STEP_MS = 100;

const fieldNames = Array.from({ length: FIELDS }, (_, i) => `b${i}`);
const fieldsYaml = fieldNames.map((name) => `  ${name}: { from: /${name} }`);

/** Windows of 5 s and 20 s over event time; two seconds out of order, ten seconds late. */
export const NUMBERED_PROFILE = [
  "schema: device-profile/1",
  "id: numbered",
  "version: 1.0.0",
  'match: { mqtt: { topics: ["n/{device}"] } }',
  "decode: { format: json }",
  "identity: { from: /d }",
  "time: { from: /t, format: epoch-ms, maxFuture: never, outOfOrderness: 2s, idleTimeout: 1h }",
  "fields:",
  ...fieldsYaml,
  "  note: { from: /note, type: string }",
  "windows:",
  '  - { name: 5s, tumbling: 5s, allowedLateness: 10s, fields: { "*": [count, sum], note: [last] } }',
  '  - { name: 20s, tumbling: 20s, allowedLateness: 10s, fields: { "*": [count, sum, stddev] } }',
  "",
].join("\n");

/** Windows of one second over arrival time: nothing in the payload tells a reading that comes again. */
export const ARRIVAL_PROFILE = [
  "schema: device-profile/1",
  "id: arriving",
  "version: 1.0.0",
  'match: { mqtt: { topics: ["a/{device}"] } }',
  "decode: { format: json }",
  "time: { idleTimeout: 1s }",
  "fields:",
  ...fieldsYaml,
  "windows:",
  '  - { name: 1s, tumbling: 1s, fields: { "*": [count, sum] } }',
  "",
].join("\n");

/** @param note makes payloads as long as real ones are */
export function numbered(device: string, i: number, note = ""): string {
  const t = FIRST_MS + i * STEP_MS;
  const field = fieldNames[Math.floor(i / BITS) % FIELDS]!;
  return JSON.stringify({ d: device, t, [field]: 2 ** (i % BITS), ...(note === "" ? {} : { note }) });
}

/** A reading two minutes behind the last one: every window before it is final. */
export function closing(device: string, count: number): string {
  return JSON.stringify({ d: device, t: FIRST_MS + count * STEP_MS + 120_000, b0: 1 });
}

/** Whether a window is that of the closing reading, or behind it. */
export function isClosing(summary: Summary, count: number): boolean {
  return Date.parse(summary.window.start!) > FIRST_MS + count * STEP_MS;
}

/** Holds the final summaries of one window name to the readings 0 to `count - 1` of every device, each once. */
export function expectNumbered(
  summaries: Iterable<Summary>,
  devices: readonly string[],
  count: number,
): void {
  const got = new Map(devices.map((device) => [device, new Map<string, { count: number; sum: number }>()]));
  for (const { device, fields } of summaries) {
    const bits = got.get(device)!;
    for (const name of fieldNames) {
      const field: SummaryField | undefined = fields[name];
      if (field === undefined) continue;
      const total = bits.get(name) ?? { count: 0, sum: 0 };
      bits.set(name, {
        count: total.count + (field.count as number),
        sum: total.sum + (field.sum as number),
      });
    }
  }
  for (const [device, bits] of got) {
    for (let first = 0; first < count; first += BITS) {
      const wanted = Math.min(BITS, count - first);
      const expected = { count: wanted, sum: wanted === BITS ? FULL : 2 ** wanted - 1 };
      expect(bits.get(fieldNames[first / BITS]!), `${device}, readings from ${first}`).toEqual(expected);
    }
  }
}

/** `received = accepted + Σ rejected`, for every device. */
export function expectAccounted(counts: readonly DeviceCounts[]): void {
  for (const { device, received, accepted, rejected } of counts) {
    const sum = Object.values(rejected).reduce((total, n) => total + n, 0);
    expect(received, `${device}: received = accepted + rejected`).toBe(accepted + sum);
  }
}
