import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PACKET_BYTES_MIN, PacketLimit } from "../../../src/mqtt/packet-limit.js";
import { cases } from "../../helpers/cases.js";
import { fixedHeader, packet } from "../../helpers/raw-mqtt.js";

interface Filtered {
  readonly bytes: Buffer;
  readonly tooLarge: readonly number[];
  readonly limit: PacketLimit;
}

function filter(bytes: Buffer, cuts: readonly number[], bytesMax = PACKET_BYTES_MIN): Filtered {
  const tooLarge: number[] = [];
  const limit = new PacketLimit({ bytesMax, onTooLarge: (announced) => tooLarge.push(announced) });
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const kept: Buffer[] = [];
  let start = 0;
  for (const place of [...places, bytes.length]) {
    kept.push(limit.filter(Buffer.from(bytes.subarray(start, place))));
    start = place;
  }
  return { bytes: Buffer.concat(kept), tooLarge, limit };
}

const cuts = fc.array(fc.nat(500_000), { maxLength: 20 });
const lengths = fc.oneof(
  fc.nat(300),
  fc.constantFrom(127, 128, 16_383, 16_384, PACKET_BYTES_MIN - 1, PACKET_BYTES_MIN),
);
const tooLong = fc.integer({ min: PACKET_BYTES_MIN + 1, max: PACKET_BYTES_MIN + 50_000 });

describe("PacketLimit", () => {
  it("passes packets within the limit unchanged, however the stream is cut into chunks", () => {
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 8 }), cuts, (bodies, places) => {
        const bytes = Buffer.concat(bodies.map((length, i) => packet(0x30 + i, Buffer.alloc(length, i))));
        const filtered = filter(bytes, places);
        expect(filtered.bytes.equals(bytes)).toBe(true);
        expect(filtered.tooLarge).toEqual([]);
      }),
      cases(),
    );
  });

  it("cuts a packet that is too long to one byte more than allowed, and leaves its neighbours whole", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(lengths, tooLong), { maxLength: 6 }), cuts, (bodies, places) => {
        const parts = bodies.map((length, i) => ({ first: 0x30 + i, body: Buffer.alloc(length, i + 1) }));
        const bytes = Buffer.concat(parts.map(({ first, body }) => packet(first, body)));
        const expected = parts.map(({ first, body }) =>
          packet(first, body.subarray(0, PACKET_BYTES_MIN + 1)),
        );
        const filtered = filter(bytes, places);
        expect(filtered.bytes.equals(Buffer.concat(expected))).toBe(true);
        expect(filtered.tooLarge).toEqual(bodies.filter((length) => length > PACKET_BYTES_MIN));
      }),
      cases(),
    );
  });

  it("tells a cut packet by its length", () => {
    const { limit } = filter(packet(0x32, Buffer.alloc(100_000)), []);
    expect([PACKET_BYTES_MIN, PACKET_BYTES_MIN + 1].map((length) => limit.isCut(length))).toEqual([
      false,
      true,
    ]);
  });

  it("leaves a length without an end to the parser, which refuses it", () => {
    const bytes = Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    expect(filter(bytes, [1, 2, 3, 4]).bytes.subarray(0, 5)).toEqual(bytes.subarray(0, 5));
  });

  it("keeps nothing of a packet that announces 256 MB", () => {
    const limit = new PacketLimit({ bytesMax: PACKET_BYTES_MIN, onTooLarge: () => undefined });
    let passed = limit.filter(fixedHeader(0x32, 268_435_455)).length;
    const chunk = Buffer.alloc(65_536);
    for (let i = 0; i < 100; i++) passed += limit.filter(chunk).length;
    expect(passed).toBe(fixedHeader(0x32, PACKET_BYTES_MIN).length + PACKET_BYTES_MIN + 1);
  });
});
