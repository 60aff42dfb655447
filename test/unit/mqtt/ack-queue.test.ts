import { describe, expect, it } from "vitest";
import { AckQueue } from "../../../src/mqtt/ack-queue.js";
import { idPacket } from "../../helpers/raw-mqtt.js";

function queue(): { readonly acks: AckQueue; readonly writes: Buffer[] } {
  const writes: Buffer[] = [];
  return { acks: new AckQueue((bytes) => writes.push(bytes)), writes };
}

describe("AckQueue", () => {
  it("sends nothing for a message that is not durable, nor for those after it", async () => {
    const { acks, writes } = queue();
    const [first, second] = [acks.hold("puback", 1), acks.hold("puback", 2)];
    second();
    await Promise.resolve();
    expect(writes).toEqual([]);
    first();
    await Promise.resolve();
    expect(writes).toEqual([Buffer.concat([idPacket(0x40, 1), idPacket(0x40, 2)])]);
    expect(acks.size).toBe(0);
  });

  it("sends those of one commit in one write", async () => {
    const { acks, writes } = queue();
    const released = Array.from({ length: 5_000 }, (_, i) =>
      acks.hold(i % 2 === 0 ? "puback" : "pubrec", i + 1),
    );
    for (const release of released.slice(0, 4_000)) release();
    await Promise.resolve();
    expect(writes.map(({ length }) => length)).toEqual([16_000]);
    expect(writes[0]!.subarray(4, 8)).toEqual(idPacket(0x50, 2));
    expect(acks.size).toBe(1_000);
    for (const release of released.slice(4_000)) release();
    await Promise.resolve();
    expect(writes[1]!.subarray(-4)).toEqual(idPacket(0x50, 5_000));
  });
});
