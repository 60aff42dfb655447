import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PacketParts, packetIdentity } from "../../../src/source/identity.js";
import { Publication } from "../../../src/source/publication.js";
import { cases } from "../../helpers/cases.js";

const parts = (given: Partial<PacketParts> = {}): PacketParts => ({
  clientId: "dev-1",
  messageId: 7,
  topic: "tele/office/SENSOR",
  payload: Buffer.from('{"t":21.5}'),
  dup: false,
  ...given,
});

const anyParts = fc.record({
  clientId: fc.string(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  topic: fc.string(),
  payload: fc.uint8Array({ maxLength: 64 }),
  dup: fc.constant(false),
});

describe("packetIdentity", () => {
  it("is what it was in every version before: the store remembers it", () => {
    expect([
      packetIdentity(parts()),
      packetIdentity(parts({ payload: new Uint8Array(0), topic: "", clientId: "", messageId: 1 })),
      packetIdentity(parts({ clientId: "Gerät", payload: Uint8Array.from([0, 255, 128, 1, 2]) })),
    ]).toEqual([7537866933980284, 7968366397572021, 6434128486043385]);
  });

  it("is a whole number from 1 to 2^53 - 1, and the same but negative with DUP", () => {
    fc.assert(
      fc.property(anyParts, (packet) => {
        const identity = packetIdentity(packet);
        expect(Number.isSafeInteger(identity) && identity > 0).toBe(true);
        expect(packetIdentity({ ...packet, dup: true })).toBe(-identity);
      }),
      cases(),
    );
  });

  it("does not depend on where in a larger buffer the payload lies", () => {
    const large = Buffer.from('xxx{"t":21.5}yyy');
    expect(packetIdentity(parts({ payload: large.subarray(3, 13) }))).toBe(packetIdentity(parts()));
  });

  it("changes with every part, also when a character moves from one to the next", () => {
    const others = [
      parts({ clientId: "dev-2" }),
      parts({ messageId: 8 }),
      parts({ topic: "tele/office/SENSOS" }),
      parts({ payload: Buffer.from('{"t":21.6}') }),
      parts({ clientId: "dev-1t", topic: "ele/office/SENSOR" }),
      parts({ topic: "tele/office/SENSOR{", payload: Buffer.from('"t":21.5}') }),
      parts({ payload: Buffer.from('{"t":21.5}\0') }),
      parts({ payload: Buffer.from('\0{"t":21.5}') }),
    ];
    const identities = [parts(), ...others].map(packetIdentity);
    expect(new Set(identities).size).toBe(identities.length);
  });

  it("does not collide over 200,000 packets that look alike", () => {
    const seen = new Set<number>();
    const payload = Buffer.alloc(8);
    for (let i = 0; i < 200_000; i++) {
      payload.writeUInt32LE(Math.floor(i / 1_000), 0);
      seen.add(packetIdentity(parts({ payload, messageId: i % 1_000 })));
    }
    expect(seen.size).toBe(200_000);
  });
});

describe("a publish", () => {
  it.each([
    ["came for the first time", { qos: 1 as const }, false],
    ["came with DUP", { qos: 1 as const, dup: true }, true],
    [
      "has no packet id, and so is none that comes again",
      { qos: 0 as const, messageId: undefined, dup: true },
      false,
    ],
  ])("that %s says so without its identity, and with it", (_, given, repeated) => {
    const packet = { ...parts(), ...given };
    const publication = new Publication({ source: "s", clientId: "dev-1", packet, committed() {} });
    expect(publication.repeated).toBe(repeated);
    expect(publication.identity < 0).toBe(repeated);
  });

  it("of the broker itself has no identity", () => {
    const packet = { ...parts({ dup: true }), qos: 1 as const };
    const publication = new Publication({ source: "s", clientId: undefined, packet, committed() {} });
    expect([publication.identity, publication.repeated]).toEqual([0, false]);
  });
});
