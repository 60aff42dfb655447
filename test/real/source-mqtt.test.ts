/** The mqtt source against a real Mosquitto. */
import { connectAsync, type MqttClient } from "mqtt";
import { expect, it, onTestFinished } from "vitest";
import { MqttSource, type MqttSourceOptions } from "../../src/source/mqtt.js";
import type { SourceParts } from "../../src/source/parts.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { type Mosquitto, startMosquitto } from "../helpers/mosquitto.js";
import { sourceParts, type TestParts } from "../helpers/source-parts.js";
import { describeWithTools, until } from "../helpers/tools.js";

interface Running extends TestParts {
  readonly source: MqttSource;
}

type Options = Partial<Omit<MqttSourceOptions, "connection">> & {
  readonly url: string;
  readonly clientId?: string;
  readonly packetBytesMax?: number;
};

function makeSource(
  { url, clientId = "gw-7", packetBytesMax, ...options }: Options,
  given: Partial<SourceParts> = {},
): Running {
  const parts = sourceParts({ random: () => 0.05, ...given });
  const limits = packetBytesMax === undefined ? {} : { packetBytesMax };
  const source = new MqttSource(
    { name: "plant", topics: ["t/#"], connection: { url, clientId, ...limits }, ...options },
    parts,
  );
  onTestFinished(async () => {
    parts.held.atOnce = true;
    parts.held.commit();
    await source.stop();
  });
  return { ...parts, source };
}

async function startSource(options: Options, given: Partial<SourceParts> = {}): Promise<Running> {
  const running = makeSource(options, given);
  await running.source.start();
  await connected(running);
  return running;
}

/** One that never connects again when its connection is lost: as good as dead, but its events can still be read. */
function startDying(options: Options): Promise<Running> {
  return startSource(options, { timers: new ManualClock() });
}

/** Subscribed, so that what is published from now on comes. */
async function connected({ source, observer }: Running, times = 1): Promise<void> {
  await until(
    () => observer.named("mqtt-connected").length >= times && source.status().state === "connected",
    { what: "the source is connected" },
  );
}

async function publisher({ url }: Mosquitto): Promise<MqttClient> {
  const client = await connectAsync(url);
  onTestFinished(() => client.endAsync(true));
  return client;
}

async function subscribed(mosquitto: Mosquitto, times = 1): Promise<void> {
  const acks = (): number => count(mosquitto.log(), "Sending SUBACK to gw-7");
  await until(() => acks() >= times, { what: "the source is subscribed" });
}

describeWithTools(["mosquitto"], "readings from Mosquitto", () => {
  it("come again with DUP and the same identity when the source dies before the commit", async () => {
    const mosquitto = await startMosquitto();
    const first = await startDying({ url: mosquitto.url });
    const device = await publisher(mosquitto);
    await subscribed(mosquitto);
    for (let n = 1; n <= 3; n++) await device.publishAsync("t/1", `${n}`, { qos: 1 });
    await device.publishAsync("t/1", "4", { qos: 2 });
    await first.held.seen(4);
    // A second client of the same id takes the session over, as a restarted agent does: no acknowledgement was sent.
    const second = await startSource({ url: mosquitto.url });
    await second.held.seen(4);
    expect(second.held.payloads()).toEqual(["1", "2", "3", "4"]);
    const identities = first.held.deliveries.map(({ identity }) => identity);
    expect(identities.every((identity) => identity > 0)).toBe(true);
    expect(second.held.deliveries.map(({ identity }) => identity)).toEqual(
      identities.map((identity) => -identity),
    );
  });

  it("are acknowledged when they are committed, in order and no sooner", async () => {
    const mosquitto = await startMosquitto();
    const { held } = await startDying({ url: mosquitto.url });
    const device = await publisher(mosquitto);
    await subscribed(mosquitto);
    for (let n = 1; n <= 10; n++) await device.publishAsync("t/1", `${n}`, { qos: 1 });
    await held.seen(10);
    held.commit(4);
    await until(() => count(mosquitto.log(), "Received PUBACK from gw-7") === 4, {
      what: "four are acknowledged",
    });
    // Who takes the session over gets what the broker still has.
    const heir = await startSource({ url: mosquitto.url });
    await heir.held.seen(6);
    expect(heir.held.payloads()).toEqual(["5", "6", "7", "8", "9", "10"]);
  });

  it("wait in the broker while the agent is away, and while the broker restarts", async () => {
    const mosquitto = await startMosquitto({ persistent: true });
    const first = await startSource({ url: mosquitto.url });
    await subscribed(mosquitto);
    await first.source.stop();
    const device = await publisher(mosquitto);
    for (let n = 1; n <= 50; n++) await device.publishAsync("t/1", `${n}`, { qos: 1 });
    await mosquitto.stop();
    const second = makeSource({ url: mosquitto.url });
    await second.source.start();
    await until(() => second.observer.named("mqtt-connect-failed").length > 0, {
      what: "it has tried in vain",
    });
    expect(second.source.status().state).toBe("waiting");
    await mosquitto.start();
    await second.held.seen(50);
    expect(new Set(second.held.payloads()).size).toBe(50);
    expect(second.observer.named("mqtt-connect-failed")[0]).toMatchObject({
      source: "plant",
      code: "ECONNREFUSED",
    });
  });

  it("are subscribed to again when the broker has lost the session, and never acknowledged on a new connection", async () => {
    const mosquitto = await startMosquitto();
    const running = await startSource({ url: mosquitto.url });
    const { held } = running;
    await subscribed(mosquitto);
    const device = await publisher(mosquitto);
    await device.publishAsync("t/1", "before", { qos: 1 });
    await held.seen(1);
    await mosquitto.kill();
    await mosquitto.start();
    await connected(running, 2);
    await subscribed(mosquitto, 2);
    const other = await publisher(mosquitto);
    await other.publishAsync("t/1", "after", { qos: 1 });
    await held.seen(2);
    // Both have packet id 1. The commit of the first must not acknowledge the second.
    held.commit(1);
    await other.publishAsync("t/1", "later", { qos: 1 });
    await held.seen(3);
    expect(count(mosquitto.log(), "Received PUBACK from gw-7")).toBe(0);
    held.commit();
    await until(() => count(mosquitto.log(), "Received PUBACK from gw-7") === 2, { what: "the others are" });
  });

  it("are not taken faster than they are committed", async () => {
    const mosquitto = await startMosquitto();
    const { held } = await startSource({ url: mosquitto.url, inflightMax: 100 });
    const device = await publisher(mosquitto);
    await subscribed(mosquitto);
    const sent = Array.from({ length: 2_000 }, (_, n) => device.publishAsync("t/1", `${n}`, { qos: 1 }));
    await Promise.all(sent);
    await held.seen(100);
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(held.deliveries.length).toBe(100);
    let commits = 0;
    while (held.deliveries.length < 2_000) {
      held.commit();
      commits++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // One message per commit would be 2,000 of them.
    expect(commits).toBeLessThan(400);
    expect(held.payloads()).toEqual(Array.from({ length: 2_000 }, (_, n) => `${n}`));
  });

  it("stay connected while nothing is committed for longer than the keepalive", async () => {
    const mosquitto = await startMosquitto();
    const parts = sourceParts();
    const connection = { url: mosquitto.url, clientId: "gw-7", keepaliveMs: 1_000 };
    const source = new MqttSource({ name: "plant", topics: ["t/#"], connection, inflightMax: 1 }, parts);
    onTestFinished(async () => {
      parts.held.atOnce = true;
      parts.held.commit();
      await source.stop();
    });
    await source.start();
    const device = await publisher(mosquitto);
    await subscribed(mosquitto);
    for (let n = 1; n <= 20; n++) await device.publishAsync("t/1", `${n}`, { qos: 1 });
    await parts.held.seen(1);
    await until(() => count(mosquitto.log(), "Received PINGREQ from gw-7") >= 6, {
      what: "it has pinged for 3 s",
    });
    expect(parts.observer.named("mqtt-disconnected")).toEqual([]);
    parts.held.atOnce = true;
    parts.held.commit();
    await parts.held.seen(20);
  });

  it("that are too long are dropped, counted and acknowledged, and those behind them come", async () => {
    const mosquitto = await startMosquitto();
    const { held, observer } = await startSource({ url: mosquitto.url, packetBytesMax: 100_000 });
    held.atOnce = true;
    const device = await publisher(mosquitto);
    await subscribed(mosquitto);
    await device.publishAsync("t/large", Buffer.alloc(5_000_000), { qos: 1 });
    await device.publishAsync("t/small", "1", { qos: 1 });
    await held.seen(1);
    expect(held.payloads()).toEqual(["1"]);
    expect(observer.named("mqtt-message-dropped")).toEqual([
      { source: "plant", reason: "tooLarge", topic: "t/large" },
    ]);
    expect(observer.named("mqtt-packet-too-large").length).toBe(1);
    await until(() => count(mosquitto.log(), "Received PUBACK from gw-7") === 2, {
      what: "both are acknowledged",
    });
  });

  it("that an old QoS 2 subscription left in the session are promised only after the commit", async () => {
    const mosquitto = await startMosquitto();
    const old = await connectAsync(mosquitto.url, { clientId: "gw-7", clean: false });
    await old.subscribeAsync("t/#", { qos: 2 });
    await old.endAsync();
    const device = await publisher(mosquitto);
    for (let n = 1; n <= 3; n++) await device.publishAsync("t/1", `${n}`, { qos: 2 });
    const { held } = await startSource({ url: mosquitto.url });
    await held.seen(3);
    expect(mosquitto.log()).not.toContain("Received PUBREC from gw-7");
    held.commit();
    await until(() => count(mosquitto.log(), "Received PUBCOMP from gw-7") === 3, {
      what: "the handshakes are done",
    });
    expect(held.payloads()).toEqual(["1", "2", "3"]);
    expect(held.deliveries.every(({ identity }) => identity > 0)).toBe(true);
  });

  it("say whether they are a stored copy, and QoS 0 ones have no identity", async () => {
    const mosquitto = await startMosquitto();
    const device = await publisher(mosquitto);
    await device.publishAsync("t/state", "old", { qos: 1, retain: true });
    const { held } = await startSource({ url: mosquitto.url });
    await held.seen(1);
    await device.publishAsync("t/state", "new", { qos: 0, retain: true });
    await held.seen(2);
    expect(held.deliveries).toMatchObject([{ retained: true }, { retained: false, identity: 0 }]);
  });

  it("need the right password, and the log never shows one", async () => {
    const mosquitto = await startMosquitto({ anonymous: false });
    const parts = sourceParts();
    const connection = { url: mosquitto.url, clientId: "gw-7", username: "gw", password: "hunter2" };
    const source = new MqttSource({ name: "plant", topics: ["t/#"], connection }, parts);
    onTestFinished(() => source.stop());
    await source.start();
    await until(() => parts.observer.named("mqtt-connect-failed").length > 0, { what: "it is refused" });
    expect(parts.observer.named("mqtt-connect-failed")[0]).toMatchObject({ code: "refused-not-authorized" });
    expect(source.status()).toMatchObject({ state: "waiting" });
    expect(JSON.stringify([parts.observer.events, source.status()])).not.toContain("hunter2");
  });
});

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}
