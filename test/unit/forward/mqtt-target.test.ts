import { describe, expect, it, onTestFinished } from "vitest";
import { MqttTarget, type MqttTargetOptions } from "../../../src/forward/mqtt-target.js";
import type { Timer } from "../../../src/model/clock.js";
import type { LogEntry } from "../../../src/model/summary.js";
import { systemTimers } from "../../../src/system/clock.js";
import { summaryJson } from "../../helpers/memory-log.js";
import { Recorder } from "../../helpers/recorder.js";
import { ScriptedBroker, type ScriptedPublish } from "../../helpers/scripted-broker.js";
import { until } from "../../helpers/tools.js";

const entries = (from: number, to: number): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => ({ position: from + at, json: summaryJson(from + at) }));

interface Rig {
  readonly broker: ScriptedBroker;
  readonly target: MqttTarget;
  /** Publishes on topics of summaries. */
  readonly summaries: () => readonly ScriptedPublish[];
  readonly statuses: () => readonly ScriptedPublish[];
}

/** Connected, its status acknowledged. */
async function rig(
  options: Partial<MqttTargetOptions> = {},
  link: Partial<MqttTargetOptions["broker"]> = {},
): Promise<Rig> {
  const broker = await ScriptedBroker.open();
  const target = new MqttTarget({
    name: "cloud",
    broker: { url: broker.url, clientId: "gw-7", backoff: { baseMs: 5, maxMs: 20 }, ...link },
    site: "plant-1",
    gateway: "gw-7",
    timers: systemTimers,
    random: () => 1,
    topic: "edge/{site}/{gateway}/d/{device}/{window}",
    statusTopic: "edge/{site}/{gateway}/status",
    batch: { entriesMax: 500, bytesMax: 1_000_000 },
    inflightMax: 100,
    packetBytesMax: 131_072,
    observer: new Recorder(),
    ...options,
  });
  onTestFinished(() => target.stop());
  const isStatus = ({ topic }: ScriptedPublish): boolean => topic === "edge/plant-1/gw-7/status";
  target.start();
  await until(() => target.status().state === "connected" && broker.publishes.length > 0, {
    what: "the target is connected",
  });
  return {
    broker,
    target,
    summaries: () => broker.publishes.filter((publish) => !isStatus(publish)),
    statuses: () => broker.publishes.filter(isStatus),
  };
}

describe("MqttTarget", () => {
  it("publishes the canonical bytes on the topic of device and window, and says online before any summary", async () => {
    const { broker, target } = await rig();
    await target.deliver([{ position: 1, json: summaryJson(1, "hall/3+#") }]);
    expect(broker.publishes.map(({ topic, retain }) => [topic, retain])).toEqual([
      ["edge/plant-1/gw-7/status", true],
      ["edge/plant-1/gw-7/d/hall%2F3%2B%23/1m", false],
    ]);
    expect(broker.publishes[1]?.payload).toBe(summaryJson(1, "hall/3+#"));
    expect(JSON.parse(broker.publishes[0]!.payload)).toEqual({
      state: "online",
      site: "plant-1",
      gateway: "gw-7",
    });
  });

  it("leaves a will that says offline in the CONNECT packet", async () => {
    const { broker } = await rig();
    const connect = broker.connects[0]!.toString("latin1");
    expect(connect).toContain("edge/plant-1/gw-7/status");
    expect(connect).toContain('{"state":"offline","site":"plant-1","gateway":"gw-7","reason":"lost"}');
    // Connect flags (3.1.2.3): clean session, will, will QoS 1, will retain.
    expect(broker.connects[0]?.[7]).toBe(0b0010_1110);
  });

  it("has never more on its way than the in-flight limit, and fills it up as answers come", async () => {
    const { broker, target, summaries } = await rig({ inflightMax: 3 });
    broker.onPublish = () => {};
    const delivery = target.deliver(entries(1, 10));
    for (let answered = 0; answered < 10; answered++) {
      const expected = Math.min(10, answered + 3);
      await until(() => summaries().length >= expected, { what: `${expected} are on their way` });
      expect(summaries()).toHaveLength(expected);
      broker.acknowledge(summaries()[answered]!);
    }
    await delivery;
    broker.onPublish = (publish) => broker.acknowledge(publish);
    expect(summaries().map(({ payload }) => payload)).toEqual(entries(1, 10).map(({ json }) => json));
  });

  it("resolves only at the last PUBACK, in whatever order they come", async () => {
    const { broker, target, summaries } = await rig();
    broker.onPublish = () => {};
    let settled = false;
    const delivery = target.deliver(entries(1, 5)).then(() => {
      settled = true;
    });
    await until(() => summaries().length === 5, { what: "all are sent" });
    for (const at of [4, 2, 3, 1]) broker.acknowledge(summaries()[at]!);
    // The broker handles packets in order: once the status is there, so are the acknowledgements at the client.
    broker.onPublish = (publish) => broker.acknowledge(publish);
    target.publishStatus(() => ({ probe: 1 }));
    await until(() => broker.publishes.some(({ payload }) => payload.includes("probe")), {
      what: "the probe is sent",
    });
    expect(settled).toBe(false);
    broker.acknowledge(summaries()[0]!);
    await delivery;
  });

  it("rejects what was in flight when the connection ends, and repeats nothing by itself on the next one", async () => {
    const { broker, target, summaries, statuses } = await rig();
    broker.onPublish = () => {};
    const delivery = target.deliver(entries(1, 5));
    await until(() => summaries().length === 5, { what: "all are sent" });
    broker.acknowledge(summaries()[0]!);
    broker.onPublish = (publish) => broker.acknowledge(publish);
    broker.drop();
    await expect(delivery).rejects.toMatchObject({
      code: "mqtt-disconnected",
      retryable: true,
      hint: expect.stringContaining("broker's log"),
    });
    await until(() => statuses().length === 2 && target.status().state === "connected", {
      what: "it is back",
    });
    await target.deliver(entries(2, 2));
    expect(summaries()).toHaveLength(6);
    expect(summaries().at(-1)).toMatchObject({ payload: summaryJson(2), dup: false });
  });

  it("takes a broker that falls silent for one that is away, and never for one that refuses a summary for good", async () => {
    const { broker, target, summaries } = await rig({}, { keepaliveMs: 1_000 });
    broker.onPublish = ({ socket }) => socket.removeAllListeners("data");
    const delivery = target.deliver(entries(1, 1));
    // A forwarder passes over a summary that fails for good.
    await expect(delivery).rejects.toMatchObject({ code: "mqtt-disconnected", retryable: true });
    expect(summaries().length).toBe(1);
    broker.onPublish = (publish) => broker.acknowledge(publish);
    await until(() => target.status().state === "connected", { what: "it is back" });
    await target.deliver(entries(1, 1));
  });

  it("rejects at once while it is away, queues nothing, and says when it is back", async () => {
    const { broker, target, summaries } = await rig();
    broker.drop();
    await until(() => target.status().state === "waiting", { what: "the end is noticed" });
    const back = new Promise<void>((resolve) => {
      const forget = target.onReady(() => {
        forget();
        resolve();
      });
    });
    await expect(target.deliver(entries(1, 3))).rejects.toMatchObject({
      code: "target-away",
      retryable: true,
    });
    await back;
    await target.deliver(entries(4, 4));
    expect(summaries().map(({ payload }) => payload)).toEqual([summaryJson(4)]);
  });

  it("drops a connection on which nothing is acknowledged, and no timer while answers come", async () => {
    const waits: { ms: number; callback: () => void; cancelled: boolean }[] = [];
    const timers = {
      every: systemTimers.every,
      after(ms: number, callback: () => void): Timer {
        if (ms !== 7_777) return systemTimers.after(ms, callback);
        const wait = { ms, callback, cancelled: false };
        waits.push(wait);
        return {
          cancel: () => {
            wait.cancelled = true;
          },
        };
      },
    };
    const { broker, target, summaries, statuses } = await rig({ answerMsMax: 7_777, timers });
    await target.deliver(entries(1, 3));
    expect(waits).toHaveLength(3);
    expect(waits.every(({ cancelled }) => cancelled)).toBe(true);

    broker.onPublish = () => {};
    const delivery = target.deliver(entries(4, 6));
    await until(() => summaries().length === 6, { what: "all are sent" });
    broker.onPublish = (publish) => broker.acknowledge(publish);
    waits.at(-1)?.callback();
    await expect(delivery).rejects.toMatchObject({ code: "mqtt-unanswered", retryable: true });
    await until(() => statuses().length === 2, { what: "it has connected anew" });
  });

  it("refuses for good, and sends nothing of the batch, when a packet would be too long", async () => {
    const { target, summaries } = await rig({ packetBytesMax: 1_000 });
    const long = { position: 2, json: summaryJson(2, "x".repeat(1_000)) };
    await expect(target.deliver([...entries(1, 1), long])).rejects.toMatchObject({
      code: "summary-too-large",
      retryable: false,
    });
    expect(summaries()).toEqual([]);
  });

  it("refuses for good what is no summary", async () => {
    const { target } = await rig();
    for (const json of ["", "{", "null", "{}", '{"device":1}']) {
      await expect(target.deliver([{ position: 9, json }])).rejects.toMatchObject({
        code: "summary-unreadable",
        retryable: false,
        message: expect.stringContaining("entry 9"),
      });
    }
  });

  it("repeats the newest status on every connection", async () => {
    const { broker, target, statuses } = await rig();
    target.publishStatus(() => ({ version: "1.2.3", lagEntries: 7 }));
    await until(() => statuses().length === 2, { what: "it is published" });
    broker.drop();
    await until(() => broker.connects.length === 2 && statuses().length === 3, { what: "it is back" });
    expect(JSON.parse(statuses().at(-1)!.payload)).toMatchObject({
      state: "online",
      version: "1.2.3",
      lagEntries: 7,
    });
  });

  it("says offline before it stops, and stops even where that is not answered", async () => {
    const polite = await rig();
    await polite.target.stop();
    const last = polite.statuses().at(-1)!;
    expect(JSON.parse(last.payload)).toMatchObject({ state: "offline", reason: "stopped" });
    expect(last.retain).toBe(true);

    const mute = await rig();
    mute.broker.onPublish = () => {};
    const delivery = mute.target.deliver(entries(1, 2));
    await mute.target.stop();
    await expect(delivery).rejects.toMatchObject({ retryable: true });
    expect(mute.target.status().state).toBe("stopped");
  });

  it.each([
    [{ topic: "edge/{devise}" }, "bad-topic"],
    [{ statusTopic: "edge/{device}" }, "bad-topic"],
    [{ broker: { url: "http://cloud", clientId: "gw-7" } }, "bad-broker-url"],
  ])("is not made from %j", (options, code) => {
    const good = {
      name: "cloud",
      broker: { url: "mqtt://127.0.0.1", clientId: "gw-7" },
      site: "",
      gateway: "gw-7",
      timers: systemTimers,
      random: () => 0,
      topic: "edge/{site}/{gateway}/d/{device}/{window}",
      statusTopic: "edge/{site}/{gateway}/status",
      batch: { entriesMax: 500, bytesMax: 1_000_000 },
      inflightMax: 100,
      packetBytesMax: 131_072,
      observer: new Recorder(),
    };
    expect(() => new MqttTarget({ ...good, ...options })).toThrow(expect.objectContaining({ code }));
  });
});
