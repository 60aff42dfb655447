import { connectAsync } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { startBroker } from "../../helpers/broker.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import {
  connectPacket,
  fixedHeader,
  idPacket,
  packet,
  publishPacket,
  RawMqtt,
} from "../../helpers/raw-mqtt.js";
import { until } from "../../helpers/tools.js";

const [CONNACK, PUBLISH, PUBACK, PUBREC, SUBACK, PINGRESP] = [0x20, 0x30, 0x40, 0x50, 0x90, 0xd0];
const PINGREQ = Buffer.from([0xc0, 0]);

function subscribePacket(messageId: number, filter: string, qos: number): Buffer {
  const bytes = Buffer.from(filter);
  const head = Buffer.from([messageId >> 8, messageId & 0xff, bytes.length >> 8, bytes.length & 0xff]);
  return packet(0x82, Buffer.concat([head, bytes, Buffer.from([qos])]));
}

describe("the bounds of the embedded broker", () => {
  it("disconnects who announces too long a packet, before it collects any of it", async () => {
    const { held, port, observer } = await startBroker({ packetBytesMax: 100_000 });
    held.atOnce = true;
    const device = await RawMqtt.login(port, "dev");
    device.send(publishPacket({ topic: "a", payload: Buffer.alloc(99_000) }));
    await device.received(PUBACK);
    device.send(Buffer.concat([fixedHeader(0x32, 200_000_000), Buffer.alloc(1_000)]));
    await device.ended();
    expect(observer.named("broker-packet-too-large")).toMatchObject([{ client: "dev", bytes: 200_000_000 }]);
    expect(held.deliveries.length).toBe(1);
  });

  it("disconnects who announces too long a packet instead of a login", async () => {
    const { port, observer } = await startBroker();
    const device = await RawMqtt.open(port);
    device.send(fixedHeader(0x10, 200_000_000));
    await device.ended();
    expect(observer.named("broker-packet-too-large")).toMatchObject([{ client: "" }]);
  });

  it("takes no more connections than allowed, and again when one is gone", async () => {
    const { port, observer, broker } = await startBroker({ connectionsMax: 2 });
    const [first] = await Promise.all([RawMqtt.login(port, "1"), RawMqtt.login(port, "2")]);
    const third = await RawMqtt.open(port);
    await third.ended();
    expect(observer.named("broker-connection-refused").length).toBe(1);
    expect(broker.status().detail).toMatch(/2 clients$/);
    first.close();
    await until(() => broker.status().detail?.endsWith("1 clients") === true, { what: "one is gone" });
    const again = await RawMqtt.login(port, "3");
    expect(again.ofType(CONNACK)).toEqual([Buffer.from([0x20, 2, 0, 0])]);
  });

  it("lets who has been silent for longest make room, and nobody who has logged in or came just now", async () => {
    const clock = new ManualClock();
    const { port, observer, broker } = await startBroker({ connectionsMax: 3 }, { clock });
    const device = await RawMqtt.login(port, "1");
    const silent = await RawMqtt.open(port);
    const half = await RawMqtt.open(port);
    half.send(connectPacket("2").subarray(0, 8));
    await until(() => broker.status().detail?.endsWith("3 clients") === true, { what: "all are there" });
    const early = await RawMqtt.open(port);
    await early.ended();
    expect(observer.named("broker-connection-refused").length).toBe(1);
    clock.advance(2_000);
    await RawMqtt.login(port, "3");
    await silent.ended();
    await RawMqtt.login(port, "4");
    await half.ended();
    expect(observer.named("broker-silent-evicted").length).toBe(2);
    const late = await RawMqtt.open(port);
    await late.ended();
    expect([device.closed, observer.named("broker-connection-refused").length]).toEqual([false, 2]);
  });

  it("drops who does not log in in time", async () => {
    const { port, observer } = await startBroker({ connectTimeoutMs: 50 });
    const silent = await RawMqtt.open(port);
    await silent.ended();
    expect(observer.named("broker-client-lost")).toMatchObject([{ reason: "no-connect" }]);
  });

  it("refuses a client without an id that wants its session kept, as it could never find it again", async () => {
    const { port, observer } = await startBroker();
    const refused = await RawMqtt.login(port, "", { clean: false });
    expect(refused.ofType(CONNACK)).toEqual([Buffer.from([0x20, 2, 0, 2])]);
    await refused.ended();
    expect(observer.named("broker-login-refused")).toMatchObject([{ reason: "client-id" }]);
    const clean = await RawMqtt.login(port, "");
    expect(clean.ofType(CONNACK)[0]![3]).toBe(0);
  });

  it("tells a client of MQTT 5 that it is not understood, and the operator what to set", async () => {
    const { port, observer } = await startBroker();
    const modern = await RawMqtt.login(port, "dev", { version: 5 });
    expect(modern.ofType(CONNACK)).toEqual([Buffer.from([0x20, 2, 0, 1])]);
    await modern.ended();
    expect(observer.named("broker-version-refused")).toMatchObject([
      { address: expect.stringMatching(/127/) },
    ]);
    expect(observer.named("broker-client-lost")).toEqual([]);
  });

  it.each([0, 1, 2] as const)(
    "ends a connection with a topic that is not UTF-8, QoS %s: two names could become one",
    async (qos) => {
      const { held, port, observer } = await startBroker();
      const device = await RawMqtt.login(port, "dev");
      device.send(publishPacket({ topic: Buffer.from("sensors/K\xfcche", "latin1"), payload: "{}", qos }));
      await device.ended();
      expect(held.deliveries).toEqual([]);
      expect(observer.named("broker-client-lost")).toMatchObject([{ reason: "topic-encoding" }]);
      const other = await RawMqtt.login(port, "dev");
      other.send(publishPacket({ topic: "sensors/Küche", payload: "{}", qos }));
      await until(() => held.deliveries.length === 1, { what: "the publish is taken in" });
    },
  );

  it("refuses client ids that are too long, and takes long ones", async () => {
    const { port, observer } = await startBroker({ clientIdBytesMax: 256 });
    const long = await RawMqtt.login(port, "x".repeat(256));
    expect(long.ofType(CONNACK)[0]![3]).toBe(0);
    const longer = await RawMqtt.open(port);
    longer.send(connectPacket("x".repeat(257)));
    expect((await longer.received(CONNACK))[0]![3]).toBe(2);
    expect(observer.named("broker-login-refused")).toMatchObject([{ reason: "client-id" }]);
  });

  it("refuses a will with a wildcard, which no publish may have", async () => {
    const { port, held } = await startBroker();
    const device = await RawMqtt.open(port);
    device.send(connectPacket("dev", { will: { topic: "a/#", payload: "gone" } }));
    await device.ended();
    expect(device.packets).toEqual([]);
    expect(held.deliveries).toEqual([]);
  });

  it("disconnects who numbers a packet 0, which no acknowledgement could name", async () => {
    const { held, port, observer } = await startBroker();
    const device = await RawMqtt.login(port, "dev");
    device.send(publishPacket({ topic: "a", payload: "1", messageId: 0 }));
    await device.ended();
    expect([device.ofType(PUBACK), held.deliveries]).toEqual([[], []]);
    expect(observer.named("broker-client-lost")).toMatchObject([{ client: "dev", reason: "protocol" }]);
  });

  it("disconnects who publishes on a topic with too many levels", async () => {
    const { port, held, observer } = await startBroker({ topicLevelsMax: 4 });
    held.atOnce = true;
    const device = await RawMqtt.login(port, "dev");
    device.send(publishPacket({ topic: "a/b/c/d", payload: "1" }));
    await device.received(PUBACK);
    device.send(publishPacket({ topic: "a/b/c/d/e", payload: "1" }));
    await device.ended();
    expect(observer.named("broker-client-lost")).toMatchObject([{ reason: "topic-levels" }]);
  });

  it("disconnects who leaves too many QoS 2 handshakes half done, also over several connections", async () => {
    const limits = { halfDonePerSessionMax: 3 };
    const { port, held, observer } = await startBroker({ inflightMax: 100, memory: limits });
    held.atOnce = true;
    const send = (device: RawMqtt, messageId: number): boolean =>
      device.send(publishPacket({ topic: "a", payload: "1", qos: 2, messageId }));
    const first = await RawMqtt.login(port, "dev", { clean: false });
    send(first, 1);
    send(first, 2);
    await first.received(PUBREC, 2);
    first.close();
    const second = await RawMqtt.login(port, "dev", { clean: false });
    send(second, 3);
    await second.received(PUBREC);
    send(second, 4);
    await second.ended();
    expect(observer.named("broker-dropped")).toMatchObject([{ reason: "qos2" }]);
  });

  it("refuses more subscriptions than allowed, and counts those that were given up", async () => {
    const { port, observer } = await startBroker({ subscriptionsPerClientMax: 2 });
    const display = await connectAsync(`mqtt://127.0.0.1:${port}`);
    onTestFinished(() => display.endAsync(true));
    await display.subscribeAsync(["a", "b"]);
    await expect(display.subscribeAsync("c")).rejects.toThrow(/Subscribe error/);
    await display.unsubscribeAsync("a");
    await display.subscribeAsync("c");
    expect(observer.named("broker-subscription-limit").length).toBe(1);
  });

  it("keeps no more retained messages than allowed, and never an old value in place of a new one", async () => {
    const memory = { retainedMax: 2, retainedBytesMax: 100 };
    const { port, held, observer } = await startBroker({ memory });
    held.atOnce = true;
    const device = await connectAsync(`mqtt://127.0.0.1:${port}`);
    onTestFinished(() => device.endAsync(true));
    const retain = (topic: string, payload: string): Promise<unknown> =>
      device.publishAsync(topic, payload, { qos: 1, retain: true });
    await retain("r/1", "one");
    await retain("r/2", "two");
    await retain("r/3", "three");
    await retain("r/2", "x".repeat(200));
    const heard: string[] = [];
    device.on("message", (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
    await device.subscribeAsync("r/#");
    await until(() => heard.length > 0, { what: "the retained message comes" });
    await device.publishAsync("r/end", "", { qos: 0 });
    await until(() => heard.includes("r/end "), { what: "everything has come" });
    expect(heard).toEqual(["r/1 one", "r/end "]);
    expect(observer.named("broker-dropped")).toMatchObject([{ reason: "retained" }, { reason: "retained" }]);
    await retain("r/1", "");
    await retain("r/4", "four");
    expect(observer.named("broker-dropped").length).toBe(2);
  });

  it("queues no more than allowed for a session that is away, and forgets the oldest session", async () => {
    const memory = { queuedPerSessionMax: 3, sessionsMax: 2 };
    const { port, held, observer } = await startBroker({ memory });
    held.atOnce = true;
    const sleep = async (id: string): Promise<void> => {
      const away = await RawMqtt.login(port, id, { clean: false });
      away.send(subscribePacket(1, "q/#", 1));
      await away.received(SUBACK);
      away.send(Buffer.from([0xe0, 0]));
      await away.ended();
    };
    await sleep("s-1");
    await sleep("s-2");
    const device = await RawMqtt.login(port, "dev");
    for (let n = 1; n <= 5; n++) device.send(publishPacket({ topic: "q/a", payload: `${n}`, messageId: n }));
    await device.received(PUBACK, 5);
    expect(observer.named("broker-dropped").map((fields) => (fields as { reason: string }).reason)).toEqual(
      Array.from({ length: 4 }, () => "queue"),
    );
    await sleep("s-3");
    const wake = async (id: string): Promise<{ present: boolean; heard: number }> => {
      const back = await RawMqtt.login(port, id, { clean: false });
      back.send(PINGREQ);
      await back.received(PINGRESP);
      const present = back.ofType(CONNACK)[0]![2] === 1;
      if (present) await back.received(PUBLISH, 1);
      return { present, heard: back.ofType(PUBLISH).length };
    };
    expect(await wake("s-1")).toEqual({ present: false, heard: 0 });
    const second = await RawMqtt.login(port, "s-2", { clean: false });
    expect((await second.received(PUBLISH, 3)).length).toBe(3);
    expect(observer.named("broker-dropped").at(-1)).toMatchObject({ reason: "session" });
  });

  it("has room again when a session has taken what was queued", async () => {
    const memory = { queuedPerSessionMax: 2, queuedBytesMax: 20 };
    const { port, held, observer } = await startBroker({ memory });
    held.atOnce = true;
    const display = await RawMqtt.login(port, "display", { clean: false });
    display.send(subscribePacket(1, "q/#", 2));
    await display.received(SUBACK);
    const device = await RawMqtt.login(port, "dev");
    for (let n = 1; n <= 20; n++) {
      const qos = n % 2 === 0 ? 2 : 1;
      device.send(publishPacket({ topic: "q/a", payload: "12345678", qos, messageId: n }));
      const message = (await display.received(PUBLISH, n)).at(-1)!;
      const id = message.readUInt16BE(7);
      if (qos === 1) {
        display.send(idPacket(PUBACK, id));
      } else {
        display.send(idPacket(PUBREC, id));
        await display.received(0x60, n / 2);
        display.send(idPacket(0x70, id));
        await device.received(PUBREC, n / 2);
        device.send(idPacket(0x62, n));
      }
      display.send(PINGREQ);
      await display.received(PINGRESP, n);
    }
    expect(observer.named("broker-dropped")).toEqual([]);
  });
});
