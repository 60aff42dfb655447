import { connectAsync } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Delivery } from "../../../src/model/delivery.js";
import { startBroker } from "../../helpers/broker.js";
import { publishPacket, RawMqtt } from "../../helpers/raw-mqtt.js";
import { moment } from "../../helpers/seeded.js";
import { until } from "../../helpers/tools.js";

const PUBACK = 0x40;

function reading(messageId: number, options: { readonly retain?: boolean } = {}): Buffer {
  return publishPacket({ topic: "a/b", payload: `{"n":${messageId}}`, messageId, ...options });
}

describe("publishes on the short way", () => {
  it("are acknowledged in the order in which they came, also with others among them", async () => {
    const { held, port } = await startBroker();
    const device = await RawMqtt.login(port, "dev");
    const count = 40;
    const packets = Array.from({ length: count }, (_, i) => reading(i + 1, { retain: i % 7 === 3 }));
    device.send(Buffer.concat(packets));
    for (const each of packets.slice(0, 5)) device.send(each);
    await until(() => held.deliveries.length === count + 5, { what: "all have arrived" });
    expect(device.ofType(PUBACK)).toEqual([]);
    held.commit();
    const acks = await device.received(PUBACK, count + 5);
    const numbers = [...packets.keys(), 0, 1, 2, 3, 4];
    expect(acks.map((ack) => ack.readUInt16BE(2))).toEqual(numbers.map((i) => i + 1));
    expect(held.deliveries.map(({ payload }) => Buffer.from(payload).toString())).toEqual(
      numbers.map((i) => `{"n":${i + 1}}`),
    );
  });

  it("are the same packet as on the long way when they come again", async () => {
    const { held, port } = await startBroker();
    held.atOnce = true;
    const device = await RawMqtt.login(port, "dev");
    const again = publishPacket({ topic: "a/b", payload: "1", messageId: 5, dup: true });
    device.send(Buffer.concat([publishPacket({ topic: "a/b", payload: "1", messageId: 5 }), again]));
    await device.received(PUBACK, 2);
    const listener = await connectAsync(`mqtt://127.0.0.1:${port}`);
    onTestFinished(() => listener.endAsync(true));
    await listener.subscribeAsync("elsewhere");
    device.send(again);
    await device.received(PUBACK, 3);
    const [first, second, third] = held.deliveries.map(({ identity }) => identity);
    expect(first).toBeGreaterThan(0);
    expect([second, third]).toEqual([-first!, -first!]);
  });

  it("are left as soon as somebody subscribes, with the same publisher in the middle of a packet", async () => {
    const { held, port } = await startBroker();
    held.atOnce = true;
    const device = await RawMqtt.login(port, "dev");
    device.send(Buffer.concat([reading(1), reading(2).subarray(0, 9)]));
    await device.received(PUBACK, 1);
    const listener = await connectAsync(`mqtt://127.0.0.1:${port}`);
    onTestFinished(() => listener.endAsync(true));
    const heard: string[] = [];
    listener.on("message", (_topic, payload) => heard.push(payload.toString()));
    await listener.subscribeAsync("a/#");
    device.send(Buffer.concat([reading(2).subarray(9), reading(3)]));
    await until(() => heard.length === 2, { what: "the subscriber has both" });
    expect(heard).toEqual(['{"n":2}', '{"n":3}']);
    await device.received(PUBACK, 3);
    expect(held.deliveries.length).toBe(3);
  });

  it("count as a sign of life", async () => {
    const { held, port } = await startBroker();
    held.atOnce = true;
    const device = await RawMqtt.login(port, "dev", { keepaliveS: 1 });
    const startMs = performance.now();
    // One and a half times the keepalive is what a broker allows.
    for (let n = 1; performance.now() - startMs < 2_500 && !device.closed; n++) {
      device.send(reading(n));
      await moment(50);
    }
    expect(device.closed).toBe(false);
  });

  it("are read no more from a device that does not take its acknowledgements, which is thrown out in time", async () => {
    let taken = 0;
    const intake = ({ committed }: Delivery): void => {
      taken++;
      committed();
    };
    const { port, observer } = await startBroker({ drainTimeoutMs: 500 }, { intake });
    const device = await RawMqtt.login(port, "deaf");
    device.pause();
    const small = (_: unknown, i: number) =>
      publishPacket({ topic: "a", payload: "", messageId: (i % 65_535) + 1 });
    const batch = Buffer.concat(Array.from({ length: 100_000 }, small));
    let sent = 0;
    const lost = () => observer.named("broker-client-lost");
    // Goes on until both directions are full, however slowly the broker reads.
    const thrownOut = (): boolean => {
      if (device.unsentBytes < batch.length && !device.closed) {
        device.send(batch);
        sent += 100_000;
      }
      return lost().length > 0;
    };
    await until(thrownOut, { what: "it is thrown out" });
    expect(lost()).toMatchObject([{ client: "deaf", reason: "slow-subscriber" }]);
    expect(taken).toBeLessThan(sent);
  });
});
