import { connectAsync, type IClientOptions, type MqttClient, connect as mqttConnect } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { BrokerSource } from "../../../src/source/broker.js";
import { packetIdentity } from "../../../src/source/identity.js";
import { startBroker } from "../../helpers/broker.js";
import { idPacket, publishPacket, RawMqtt } from "../../helpers/raw-mqtt.js";
import { sourceParts } from "../../helpers/source-parts.js";
import { freePort, until } from "../../helpers/tools.js";

const [PUBACK, PUBREC, PUBCOMP, PINGRESP] = [0x40, 0x50, 0x70, 0xd0];
const PINGREQ = Buffer.from([0xc0, 0]);

async function client(port: number, options: IClientOptions = {}): Promise<MqttClient> {
  const connected = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options });
  onTestFinished(() => connected.endAsync(true));
  return connected;
}

describe("the embedded broker", () => {
  it("acknowledges QoS 1 not before the commit", async () => {
    const { held, port } = await startBroker();
    const device = await RawMqtt.login(port, "dev-1");
    device.send(publishPacket({ topic: "a/b", payload: "1", messageId: 7 }));
    await held.seen(1);
    // The broker answers a ping that came after the publish, so it would have answered the publish.
    device.send(PINGREQ);
    await device.received(PINGRESP);
    expect(device.ofType(PUBACK)).toEqual([]);
    held.commit();
    expect(await device.received(PUBACK)).toEqual([idPacket(PUBACK, 7)]);
    expect(held.deliveries[0]).toMatchObject({ source: "local", topic: "a/b", retained: false });
  });

  it("acknowledges QoS 2 not before the commit, and hands a redelivery over as one", async () => {
    const { held, port } = await startBroker();
    const device = await RawMqtt.login(port, "dev-2", { clean: false });
    device.send(publishPacket({ topic: "a", payload: "1", qos: 2, messageId: 3 }));
    await held.seen(1);
    device.send(PINGREQ);
    await device.received(PINGRESP);
    expect(device.ofType(PUBREC)).toEqual([]);
    device.close();

    const again = await RawMqtt.login(port, "dev-2", { clean: false });
    again.send(publishPacket({ topic: "a", payload: "1", qos: 2, messageId: 3, dup: true }));
    await held.seen(2);
    held.commit();
    await again.received(PUBREC);
    again.send(idPacket(0x62, 3));
    expect(await again.received(PUBCOMP)).toEqual([idPacket(PUBCOMP, 3)]);
    const identity = packetIdentity({
      clientId: "dev-2",
      messageId: 3,
      topic: "a",
      payload: Buffer.from("1"),
      dup: false,
    });
    expect(held.deliveries.map((delivery) => delivery.identity)).toEqual([identity, -identity]);
  });

  it("makes nobody wait for QoS 0, which has no identity", async () => {
    const { held, port } = await startBroker();
    const heard: string[] = [];
    const display = await client(port);
    display.on("message", (topic) => heard.push(topic));
    await display.subscribeAsync("a/#");
    const device = await client(port);
    await device.publishAsync("a/b", "1", { qos: 0 });
    await until(() => heard.length === 1, { what: "the display hears it" });
    expect(held.waiting.map(({ identity }) => identity)).toEqual([0]);
  });

  it("stays a broker for local clients: retained messages, wildcards, every QoS", async () => {
    const { held, port } = await startBroker();
    held.atOnce = true;
    const device = await client(port);
    await device.publishAsync("state/door", "open", { qos: 1, retain: true });
    const heard: string[] = [];
    const display = await client(port);
    display.on("message", (topic, payload, { retain, qos }) => {
      heard.push(`${topic} ${payload.toString()} ${retain} ${qos}`);
    });
    await display.subscribeAsync("state/+", { qos: 2 });
    await until(() => heard.length === 1, { what: "the retained message comes" });
    await device.publishAsync("state/door", "shut", { qos: 2 });
    await device.publishAsync("state/lamp", "on", { qos: 0 });
    await until(() => heard.length === 3, { what: "the others come" });
    expect(heard).toEqual(["state/door open true 1", "state/door shut false 2", "state/lamp on false 0"]);
  });

  it("delivers to whoever subscribes later, and queues for a session that is kept", async () => {
    const { held, port } = await startBroker();
    held.atOnce = true;
    const device = await client(port);
    await device.publishAsync("a", "nobody hears it", { qos: 1 });
    const heard: string[] = [];
    const session = { clientId: "display", clean: false };
    const display = await client(port, session);
    await display.subscribeAsync("a", { qos: 1 });
    display.on("message", (_topic, payload) => heard.push(payload.toString()));
    await device.publishAsync("a", "at once", { qos: 0 });
    await until(() => heard.length === 1, { what: "the display hears it" });
    await display.endAsync();
    await device.publishAsync("a", "while it is away", { qos: 1 });
    const again = mqttConnect(`mqtt://127.0.0.1:${port}`, { ...session, reconnectPeriod: 0 });
    onTestFinished(() => again.endAsync(true));
    again.on("message", (_topic, payload) => heard.push(payload.toString()));
    await until(() => heard.length === 2, { what: "what was queued comes" });
    expect(heard).toEqual(["at once", "while it is away"]);
  });

  it("takes a will in like any publish, and none when the device says goodbye", async () => {
    const { held, port } = await startBroker();
    const polite = await client(port, {
      will: { topic: "w/polite", payload: Buffer.from("gone"), qos: 1, retain: false },
    });
    await polite.endAsync();
    const device = await RawMqtt.login(port, "dev", { will: { topic: "w/dev", payload: "gone" } });
    device.close();
    await held.seen(1);
    expect(held.deliveries).toMatchObject([{ topic: "w/dev", identity: 0 }]);
  });

  it("refuses topics of its own, also as a will", async () => {
    const { held, port, observer } = await startBroker();
    const device = await RawMqtt.login(port, "dev", { will: { topic: "$SYS/x", payload: "gone" } });
    device.send(publishPacket({ topic: "$SYS/broker/uptime", payload: "1" }));
    await device.ended();
    await until(() => observer.named("broker-client-lost").length === 1, { what: "it is reported" });
    expect(observer.named("broker-client-lost")).toMatchObject([{ reason: "reserved-topic" }]);
    expect(held.deliveries).toEqual([]);
  });

  it("stops reading a device that sends packet by packet while nothing is committed", async () => {
    const { held, port } = await startBroker({ inflightMax: 10 });
    const device = await RawMqtt.login(port, "dev");
    // Each in a segment of its own: aedes's own push-back lets one more through for every 'readable'.
    for (let messageId = 1; messageId <= 200; messageId++) {
      device.send(publishPacket({ topic: "a", payload: `${messageId}`, messageId }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await held.seen(10);
    const other = await RawMqtt.login(port, "other");
    other.send(PINGREQ);
    await other.received(PINGRESP);
    expect(held.deliveries.length).toBeLessThan(60);
    const release = setInterval(() => held.commit(), 1);
    onTestFinished(() => clearInterval(release));
    expect((await device.received(PUBACK, 200)).length).toBe(200);
    expect(held.payloads()).toEqual(Array.from({ length: 200 }, (_, i) => `${i + 1}`));
  });

  it("stops reading all devices when the payloads that wait are too large together", async () => {
    const { held, port } = await startBroker({ waitingBytesMax: 500_000 });
    const payload = Buffer.alloc(100_000);
    const devices = await Promise.all([1, 2, 3, 4].map((n) => RawMqtt.login(port, `dev-${n}`)));
    for (const device of devices) {
      for (let messageId = 1; messageId <= 10; messageId++) {
        device.send(publishPacket({ topic: "a", payload, messageId }));
      }
    }
    await held.seen(5);
    for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(held.waiting.length).toBeLessThanOrEqual(12);
    const release = setInterval(() => held.commit(), 1);
    onTestFinished(() => clearInterval(release));
    for (const device of devices) await device.received(PUBACK, 10);
  });

  it("waits in stop for what it has taken in, and acknowledges it", async () => {
    const { broker, held, port } = await startBroker();
    const device = await RawMqtt.login(port, "dev", { will: { topic: "w", payload: "gone" } });
    device.send(publishPacket({ topic: "a", payload: "1", messageId: 1 }));
    device.send(publishPacket({ topic: "a", payload: "2", qos: 2, messageId: 2 }));
    await held.seen(2);
    let stopped = false;
    const stop = broker.stop().then(() => {
      stopped = true;
    });
    device.send(publishPacket({ topic: "a", payload: "3", messageId: 3 }));
    expect(stopped).toBe(false);
    held.commit();
    await stop;
    await device.ended();
    expect([...device.ofType(PUBACK), ...device.ofType(PUBREC)]).toEqual([
      idPacket(PUBACK, 1),
      idPacket(PUBREC, 2),
    ]);
    // Neither the publish that came too late nor the will.
    expect(held.deliveries.length).toBe(2);
    expect(broker.status()).toEqual({ state: "stopped" });
  });

  it("tries a port that is taken until it is free, and says so once", async () => {
    const port = await freePort();
    const first = await startBroker({ port });
    const parts = sourceParts({ random: () => 0 });
    const second = new BrokerSource({ name: "late", host: "127.0.0.1", port, anonymous: true }, parts);
    onTestFinished(() => second.stop());
    await second.start();
    expect(second.status()).toMatchObject({ state: "waiting" });
    await new Promise((resolve) => setImmediate(resolve));
    await first.broker.stop();
    await until(() => second.status().state === "listening", { what: "the second has the port" });
    expect(parts.observer.named("broker-not-listening")).toMatchObject([{ code: "EADDRINUSE" }]);
    await client(port);
  });
});
