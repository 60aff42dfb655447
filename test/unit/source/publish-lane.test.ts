import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PacketLimit } from "../../../src/mqtt/packet-limit.js";
import { type PlainPublish, PublishLane } from "../../../src/source/publish-lane.js";
import { cases } from "../../helpers/cases.js";
import { idPacket, packet, publishPacket } from "../../helpers/raw-mqtt.js";

interface Sent {
  readonly bytes: Buffer;
  /** What the intake gets of it on the short way; undefined for what is the broker's. */
  readonly plain?: PlainPublish;
}

/** Topics that a publish may not have, or not without the broker. */
const ODD_TOPICS = ["", "a/+/b", "a/#", "$SYS/x", "a\0b", "a/b/c/d/e/f", Buffer.from([0x61, 0xff])];

const plainPublish: fc.Arbitrary<Sent> = fc
  .record({
    topic: fc.constantFrom("a", "a/b", "a/b/c", "ä/ß", "x".repeat(300)),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom<0 | 1>(0, 1),
    id: fc.integer({ min: 1, max: 65_535 }),
    again: fc.boolean(),
  })
  .map(({ topic, payload, qos, id, again }) => {
    const [messageId, dup] = [qos === 0 ? undefined : id, qos === 1 && again];
    return {
      bytes: publishPacket({ topic, payload, qos, messageId: id, dup }),
      plain: { topic, payload, qos, messageId, dup },
    };
  });

const brokers: fc.Arbitrary<Sent> = fc
  .oneof(
    fc.constantFrom(...ODD_TOPICS).map((topic) => publishPacket({ topic, payload: "1" })),
    fc.constantFrom(
      publishPacket({ topic: "a", payload: "kept", retain: true }),
      publishPacket({ topic: "a", payload: "2", qos: 2, messageId: 7 }),
      publishPacket({ topic: "a", payload: "0", messageId: 0 }),
      publishPacket({ topic: "a", payload: "0", qos: 0, dup: true }),
      packet(0x36, Buffer.from([0, 1, 0x61, 0, 1])),
      packet(0x32, Buffer.from([0, 200, 0x61])),
      packet(0x30, Buffer.from([0])),
      idPacket(0x62, 7),
      Buffer.from([0xc0, 0]),
      publishPacket({ topic: "a", payload: Buffer.alloc(70_000, 1), retain: true }),
    ),
  )
  .map((bytes) => ({ bytes }));

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

describe("the short way of publishes", () => {
  it("takes each plain publish once and whole, behind all that came before it, and leaves every other byte to the broker", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 3, arbitrary: plainPublish }, { weight: 1, arbitrary: brokers }), {
          maxLength: 12,
        }),
        fc.array(fc.nat(200_000), { maxLength: 8 }),
        fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
        (sent, cuts, open) => {
          let round = 0;
          let toBroker = Buffer.alloc(0);
          const taken: { readonly publish: PlainPublish; readonly behind: number }[] = [];
          const lane = new PublishLane({
            isOpen: () => open[round % open.length]!,
            topicLevelsMax: 5,
            reserved: "$SYS/",
            publish: (publish) =>
              taken.push({
                publish: { ...publish, payload: Buffer.from(publish.payload) },
                behind: toBroker.length,
              }),
          });
          const limit = new PacketLimit({ bytesMax: 1_000_000, onTooLarge: () => undefined });
          for (const piece of pieces(Buffer.concat(sent.map(({ bytes }) => bytes)), cuts)) {
            toBroker = Buffer.concat([toBroker, lane.take(limit.filter(piece))]);
            round++;
          }
          let [brokerAt, takenAt] = [0, 0];
          for (const { bytes, plain } of sent) {
            const next = taken[takenAt];
            if (plain !== undefined && next?.behind === brokerAt) {
              expect(next.publish).toEqual(plain);
              takenAt++;
            } else {
              expect(toBroker.subarray(brokerAt, brokerAt + bytes.length).equals(bytes)).toBe(true);
              brokerAt += bytes.length;
            }
          }
          expect([takenAt, brokerAt]).toEqual([taken.length, toBroker.length]);
        },
      ),
      cases(),
    );
  });

  it("takes all of a device that sends nothing else, however the bytes come", () => {
    fc.assert(
      fc.property(fc.array(plainPublish, { minLength: 1 }), fc.array(fc.nat(9_999)), (sent, cuts) => {
        const taken: PlainPublish[] = [];
        const lane = new PublishLane({
          isOpen: () => true,
          topicLevelsMax: 5,
          reserved: "$SYS/",
          publish: (publish) => taken.push({ ...publish, payload: Buffer.from(publish.payload) }),
        });
        const limit = new PacketLimit({ bytesMax: 1_000_000, onTooLarge: () => undefined });
        for (const piece of pieces(Buffer.concat(sent.map(({ bytes }) => bytes)), cuts)) {
          expect(lane.take(limit.filter(piece)).length).toBe(0);
        }
        expect(taken).toEqual(sent.map(({ plain }) => plain));
      }),
      cases(100),
    );
  });
});
