import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptRecord } from "../../../src/model/bytes.js";
import { decodeBlock, encodeBlock } from "../../../src/store/journal-codec.js";
import { KEYS } from "../../../src/store/keys.js";
import { cases } from "../../helpers/cases.js";

const instant = fc.integer({ min: -(2 ** 42), max: 2 ** 45 });
const numeric = fc.oneof(
  fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constant(-0),
  fc.constant(Number.NaN),
);
const group = fc
  .record({
    profile: fc.constantFrom("aa", "bb"),
    device: fc.oneof(
      fc.string({ minLength: 1, maxLength: 20 }).filter((s) => s.isWellFormed()),
      // Beginnings in common, one of them half a character: the two faces share their first surrogate.
      fc.constantFrom("boiler-1", "boiler-12", "boiler-2", "boiler", "boiler-\u{1f600}", "boiler-\u{1f601}"),
    ),
    rows: fc.array(
      fc.record({
        arrival: instant,
        time: fc.oneof(instant, fc.constant(Number.NaN)),
        values: fc.tuple(
          numeric,
          numeric,
          fc.oneof(
            fc.string().filter((s) => s.isWellFormed()),
            numeric,
          ),
        ),
        key: fc.string().filter((s) => s.isWellFormed()),
        delivery: fc.maxSafeInteger(),
      }),
      { maxLength: 30 },
    ),
    keyed: fc.boolean(),
    rejected: fc.array(fc.nat(1000), { maxLength: 13 }),
  })
  .map(({ profile, device, rows, keyed, rejected }) => ({
    profile,
    device,
    arrivals: rows.map((r) => r.arrival),
    times: rows.map((r) => r.time),
    values: rows.map((r) => [...r.values]),
    keys: keyed && rows.length > 0 ? rows.map((r) => r.key) : undefined,
    deliveries: rows.map((r) => r.delivery),
    rejected,
  }));
const bootClock = fc.record({
  boot: fc.integer({ min: 1, max: 2 ** 48 }),
  offsetMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
});
const block = fc.record(
  {
    sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    processingMs: fc.integer({ min: 0, max: 2 ** 45 }),
    clockTrusted: fc.boolean(),
    tick: fc.boolean(),
    tickPart: fc.record({ part: fc.nat({ max: 63 }), parts: fc.constantFrom(64, 1_024) }),
    shareMax: fc.integer({ min: 1, max: 1_024 }),
    behindThrough: fc.constantFrom("", "p\0d", "profile\0device 7"),
    groups: fc.array(group, { maxLength: 4 }),
    bootClock,
  },
  { requiredKeys: ["sequence", "processingMs", "clockTrusted", "tick", "groups"] },
);

const place = { state: 7, logHead: 300 };

describe("journal blocks", () => {
  it("come back exactly as they were written", () => {
    fc.assert(
      fc.property(block, (b) => {
        expect(decodeBlock(encodeBlock(b, place), KEYS.journal(b.sequence))).toEqual({ block: b, place });
      }),
      cases(),
    );
  });

  it("are refused when any bit of them has changed, any byte is missing, or they are found in another place", () => {
    fc.assert(
      fc.property(block, fc.nat(), fc.integer({ min: 0, max: 7 }), (b, at, bit) => {
        const bytes = encodeBlock(b, place);
        const key = KEYS.journal(b.sequence);
        const flipped = bytes.slice();
        flipped[at % bytes.length]! ^= 1 << bit;
        expect(() => decodeBlock(flipped, key)).toThrow(CorruptRecord);
        expect(() => decodeBlock(bytes, KEYS.journal(b.sequence - 1))).toThrow(CorruptRecord);
        expect(() => decodeBlock(bytes.subarray(0, at % bytes.length), key)).toThrow(CorruptRecord);
      }),
      cases(),
    );
  });

  it("take under 8 bytes for a reading with two decimal values, although each is of another device", () => {
    const count = 100;
    const bytes = encodeBlock(
      {
        sequence: 1_000_000,
        processingMs: 1e9,
        clockTrusted: true,
        tick: false,
        groups: Array.from({ length: count }, (_, i) => ({
          profile: "0123456789abcdef",
          device: `boiler-${i}`,
          arrivals: [1_700_000_000_000 + i * 10],
          times: [1_700_000_000_000 + i * 10 - 30 - (i % 7)],
          values: [[20 + (i % 30) / 10, 40 + (i % 50) / 10]],
          keys: undefined,
          deliveries: [0],
          rejected: [],
        })),
      },
      place,
    );
    expect(bytes.length / count).toBeLessThan(8);
  });

  it("take under 5 bytes for a regular reading with one decimal value", () => {
    const count = 1000;
    const rows = Array.from({ length: count }, (_, i) => i);
    const bytes = encodeBlock(
      {
        sequence: 1,
        processingMs: 0,
        clockTrusted: true,
        tick: false,
        groups: [
          {
            profile: "0123456789abcdef",
            device: "boiler-3",
            arrivals: rows.map((i) => 1_700_000_000_000 + i * 1000 + (i % 7)),
            times: rows.map((i) => 1_700_000_000_000 + i * 1000),
            values: rows.map((i) => [20 + (i % 30) / 10]),
            keys: undefined,
            deliveries: rows.map(() => 0),
            rejected: [],
          },
        ],
      },
      place,
    );
    expect(bytes.length / count).toBeLessThan(5);
  });
});
