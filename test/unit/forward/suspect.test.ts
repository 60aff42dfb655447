import { describe, expect, it, onTestFinished } from "vitest";
import { Forwarder } from "../../../src/forward/forwarder.js";
import { MqttTarget } from "../../../src/forward/mqtt-target.js";
import { createSchedule } from "../../../src/forward/schedule.js";
import { Suspect } from "../../../src/forward/suspect.js";
import { systemClock, systemTimers } from "../../../src/system/clock.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { MemoryCursors, MemoryLog, summaryJson } from "../../helpers/memory-log.js";
import { Recorder } from "../../helpers/recorder.js";
import { ScriptedBroker, type ScriptedPublish } from "../../helpers/scripted-broker.js";
import { until } from "../../helpers/tools.js";

const backoff = { baseMs: 5, maxMs: 20 };
const STATUS = "edge/plant-1/gw-7/status";
const third = JSON.stringify({ ...JSON.parse(summaryJson(3)), filler: "x".repeat(600) });

const isBrief = ({ topic, payload }: ScriptedPublish) => topic === STATUS && !payload.includes("filler");

/** Five summaries on their way to a broker that answers as `judge` says. */
async function rig(on: {
  readonly statedLimit?: number;
  readonly judge: (publish: ScriptedPublish, broker: ScriptedBroker) => "acknowledge" | "reset";
}) {
  const broker = await ScriptedBroker.open();
  broker.statedLimit = on.statedLimit;
  broker.onPublish = (publish) => {
    if (publish.socket.destroyed) return;
    if (on.judge(publish, broker) === "acknowledge") broker.acknowledge(publish);
    else publish.socket.destroy();
  };
  const [recorder, log] = [new Recorder(), new MemoryLog()];
  const parts = { clock: systemClock, timers: systemTimers, random: () => 1, observer: recorder };
  const target = new MqttTarget({
    ...parts,
    name: "cloud",
    broker: { url: broker.url, clientId: "gw-7", backoff },
    site: "plant-1",
    gateway: "gw-7",
    topic: "edge/{site}/{gateway}/d/{device}/{window}",
    statusTopic: "edge/{site}/{gateway}/status",
    batch: { entriesMax: 500, bytesMax: 1_000_000 },
    inflightMax: 100,
    packetBytesMax: 131_072,
  });
  const schedule = createSchedule({ ...parts, expression: "immediate", zone: "UTC", log });
  const cursors = new MemoryCursors();
  const forwarder = new Forwarder({ ...parts, target, schedule, log, cursors, backoff });
  onTestFinished(() => forwarder.stop());
  for (let position = 1; position <= 5; position++)
    log.append(position === 3 ? third : summaryJson(position));
  forwarder.start();
  return { broker, recorder, forwarder, target };
}

describe("a summary that connections end over", () => {
  it("waits for ever where the broker states no limit, and that is said in the log and the status", async () => {
    const { recorder, forwarder, broker, target } = await rig({
      judge: ({ payload }) => (payload === third ? "reset" : "acknowledge"),
    });
    await until(() => recorder.named("summary-stuck").length >= 2, { what: "it is said twice" });
    expect(broker.inquiries.length).toBeGreaterThan(0);
    expect(recorder.named("summary-stuck")).toMatchObject([
      { summary: JSON.parse(third).id, times: 5, hint: expect.stringContaining("packetBytesMax") },
      { times: 10 },
    ]);
    expect(recorder.named("forward-set-aside")).toEqual([]);
    expect(forwarder.status().cursor).toBeLessThan(3);
    expect(target.status().detail).toContain("connections in a row");
  });

  it("is not passed over where the broker takes packets of that length: access rules and crashes end connections, too", async () => {
    let ends = 0;
    const { recorder, forwarder, broker } = await rig({
      statedLimit: 10_000,
      judge: ({ payload }) => (payload === third && ends++ < 8 ? "reset" : "acknowledge"),
    });
    await until(() => forwarder.status().cursor === 5, { what: "all is confirmed" });
    expect(broker.inquiries.length).toBeGreaterThan(0);
    expect(recorder.named("packet-limit-stated")).toEqual([]);
    expect(forwarder.status()).toMatchObject({ setAsideEntries: 0, deliveredEntries: 5 });
  });

  it("is not even asked about while something else ends the connections, whatever the broker's limit", async () => {
    let resets = 0;
    const { recorder, forwarder, broker } = await rig({
      statedLimit: 1,
      // The status is the first packet of a connection; nothing gets through at all.
      judge: () => (resets++ < 12 ? "reset" : "acknowledge"),
    });
    await until(() => forwarder.status().cursor === 5, { what: "all is confirmed" });
    expect(broker.inquiries).toEqual([]);
    expect(forwarder.status()).toMatchObject({ setAsideEntries: 0 });
    expect(recorder.named("summary-stuck")).toEqual([]);
  });

  it("is passed over when the broker says that it takes no such packet, with a hint, and nothing else is", async () => {
    const { recorder, forwarder, broker } = await rig({
      statedLimit: 600,
      judge: ({ payload }) => (payload === third ? "reset" : "acknowledge"),
    });
    await until(() => forwarder.status().cursor === 5, { what: "the others are confirmed" });
    expect(broker.inquiries[0]?.toString("latin1")).toContain("gw-7");
    expect(recorder.named("forward-set-aside")).toMatchObject([
      { position: 3, code: "summary-too-large", hint: expect.stringContaining("the broker's limit") },
    ]);
    expect(forwarder.status()).toMatchObject({ setAsideEntries: 1, deliveredEntries: 4 });
  });

  it("is sent, and the status without details, when connections keep ending over the status", async () => {
    const { forwarder, target, broker } = await rig({
      judge: ({ topic, payload }) =>
        topic === STATUS && payload.includes("filler") ? "reset" : "acknowledge",
    });
    target.publishStatus(() => ({ filler: "x" }));
    await until(() => broker.connects.length > 1 && forwarder.status().cursor === 5, {
      what: "all is confirmed",
    });
    // The next one has nothing more to say than that.
    const { length } = broker.connects;
    target.publishStatus(() => ({ filler: "y" }));
    await until(() => broker.publishes.filter(isBrief).length >= 2, { what: "it is said again" });
    expect(broker.connects).toHaveLength(length);
  });
});

describe("Suspect", () => {
  const summary = { position: 3, id: "gw-7/x", bytes: 500 };
  const suspect = () => {
    const [timers, observer, asked] = [new ManualClock(), new Recorder(), { times: 0 }];
    const made = new Suspect({ target: "cloud", timers, observer, ask: () => asked.times++ });
    return { timers, observer, asked, made };
  };

  it("asks at the third end in a row over the same summary, and not for ends over others", () => {
    const { made, asked } = suspect();
    for (const position of [3, 3, 4, 3, 4, 4]) made.ended({ ...summary, position });
    made.clear();
    made.ended({ ...summary, position: 4 });
    expect(asked.times).toBe(0);
    made.ended({ ...summary, position: 4 });
    made.ended({ ...summary, position: 4 });
    expect(asked.times).toBe(1);
  });

  it("believes a limit for one connection and ten minutes, as it may be raised", () => {
    const { made, timers } = suspect();
    made.limitStated(480);
    expect(made.limitBytes, "nothing is suspected").toBe(Number.POSITIVE_INFINITY);
    made.ended(summary);
    made.limitStated(500);
    expect(made.limitBytes, "the summary is within it").toBe(Number.POSITIVE_INFINITY);
    made.limitStated(480);
    expect(made.limitBytes).toBe(480);
    made.forgetLimit();
    expect(made.limitBytes).toBe(Number.POSITIVE_INFINITY);
    made.limitStated(480);
    timers.advance(600_000);
    expect(made.limitBytes).toBe(Number.POSITIVE_INFINITY);
  });
});
