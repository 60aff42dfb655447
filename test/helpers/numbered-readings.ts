/**
 * Readings that can be told apart in a summary: reading number i of a device carries 2^(i mod 50) in field
 * b(i / 50 mod 8), and nothing in the others. Fifty of them in one field sum up to 2^50 - 1 exactly if each is there
 * once: a lost or doubled one shows in count and sum, and which one it is can be read off the bits.
 */
import { expect } from "vitest";
import type { DeviceCounts } from "../../src/engine/counts.js";
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
  return JSON.stringify({ d: device, t, ...numberedField(i), ...(note === "" ? {} : { note }) });
}

/** The field that reading number i carries, and its value. */
export function numberedField(i: number): Readonly<Record<string, number>> {
  return { [fieldNames[Math.floor(i / BITS) % FIELDS]!]: 2 ** (i % BITS) };
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

/**
 * Where the readings 0 to `count - 1` of a device are, by its summaries of one window name; those may be of several
 * definitions, and a definition's last window may be short of what came after it. No window is longer than the 40 s
 * after which a bit comes again.
 * @returns how often each reading is there, and whatever a summary holds that is not of its time
 */
export function placed(
  summaries: Iterable<Summary>,
  count: number,
): { readonly times: readonly number[]; readonly misplaced: readonly string[] } {
  const times = new Array<number>(count).fill(0);
  const misplaced: string[] = [];
  for (const { id, window, fields } of summaries) {
    const first = Math.ceil((Date.parse(window.start!) - FIRST_MS) / STEP_MS);
    const end = Math.min(count, Math.ceil((Date.parse(window.end!) - FIRST_MS) / STEP_MS));
    for (const [at, name] of fieldNames.entries()) {
      const field: SummaryField | undefined = fields[name];
      if (field === undefined) continue;
      let left = field.count as number;
      let sum = field.sum as number;
      // What is there once takes its bit and its one of the count; the rest belongs to nobody, or is there twice.
      for (let i = Math.max(0, first); i < end; i++) {
        if (Math.floor(i / BITS) % FIELDS !== at || Math.floor(sum / 2 ** (i % BITS)) % 2 === 0) continue;
        times[i]!++;
        sum -= 2 ** (i % BITS);
        left--;
      }
      if (left !== 0 || sum !== 0) misplaced.push(`${id} ${name}: ${left} more readings, of sum ${sum}`);
    }
  }
  return { times, misplaced };
}

/** Count and exact sum of each field, over summaries that need not say which readings they hold. */
export function totals(summaries: Iterable<Summary>): Map<string, { count: number; sum: bigint }> {
  const byField = new Map<string, { count: number; sum: bigint }>();
  for (const { fields } of summaries) {
    for (const [name, field] of Object.entries(fields)) {
      const total = byField.get(name) ?? { count: 0, sum: 0n };
      total.count += field.count as number;
      total.sum += BigInt(field.sum as number);
      byField.set(name, total);
    }
  }
  return new Map([...byField].sort());
}

/** What `totals` has to be when the readings 0 to `count - 1` are each there once. */
export function totalsOf(count: number): Map<string, { count: number; sum: bigint }> {
  const byField = new Map<string, { count: number; sum: bigint }>();
  for (let i = 0; i < count; i++) {
    const name = fieldNames[Math.floor(i / BITS) % FIELDS]!;
    const total = byField.get(name) ?? { count: 0, sum: 0n };
    total.count++;
    total.sum += 2n ** BigInt(i % BITS);
    byField.set(name, total);
  }
  return new Map([...byField].sort());
}

/** `received = accepted + Σ rejected`, for every device. */
export function expectAccounted(counts: readonly DeviceCounts[]): void {
  for (const { device, received, accepted, rejected } of counts) {
    const sum = Object.values(rejected).reduce((total, n) => total + n, 0);
    expect(received, `${device}: received = accepted + rejected`).toBe(accepted + sum);
  }
}

/** By number of a reading, when the windows begin that it is in. */
export function homesOf(summaries: readonly Summary[]): Map<number, number[]> {
  const homes = new Map<number, number[]>();
  for (const { window, fields } of summaries) {
    for (let i = 0; i < READINGS_MAX; i++) {
      const [[name, value]] = Object.entries(numberedField(i)) as [[string, number]];
      const field = fields[name];
      if (field === undefined || Math.floor((field.sum as number) / value) % 2 === 0) continue;
      homes.set(i, [...(homes.get(i) ?? []), Date.parse(window.start!)]);
    }
  }
  return homes;
}
