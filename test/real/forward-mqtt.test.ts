import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Forwarder } from "../../src/forward/forwarder.js";
import { MqttTarget, type MqttTargetOptions } from "../../src/forward/mqtt-target.js";
import { createSchedule } from "../../src/forward/schedule.js";
import { systemClock, systemRandom, systemTimers } from "../../src/system/clock.js";
import { MemoryCursors, MemoryLog, summaryJson } from "../helpers/memory-log.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { MqttListener } from "../helpers/mqtt-listener.js";
import { Recorder } from "../helpers/recorder.js";
import { describeWithTools, temporaryFolder, until } from "../helpers/tools.js";

interface Rig {
  readonly target: MqttTarget;
  readonly forwarder: Forwarder;
  readonly log: MemoryLog;
  readonly recorder: Recorder;
}

type RigOptions = { readonly broker: MqttTargetOptions["broker"] } & Partial<MqttTargetOptions> & {
    readonly log?: MemoryLog;
    readonly cursors?: MemoryCursors;
  };

const backoff = { baseMs: 10, maxMs: 100 };

function rig(options: RigOptions): Rig {
  const recorder = new Recorder();
  const log = options.log ?? new MemoryLog();
  const target = new MqttTarget({
    name: "cloud",
    site: "plant-1",
    gateway: "gw-7",
    timers: systemTimers,
    random: systemRandom,
    observer: recorder,
    topic: "edge/{site}/{gateway}/d/{device}/{window}",
    statusTopic: "edge/{site}/{gateway}/status",
    batch: { entriesMax: 500, bytesMax: 1_000_000 },
    inflightMax: 100,
    packetBytesMax: 131_072,
    ...options,
    broker: { backoff, ...options.broker },
  });
  const parts = { clock: systemClock, timers: systemTimers };
  const forwarder = new Forwarder({
    ...parts,
    target,
    schedule: createSchedule({ ...parts, expression: "immediate", zone: "UTC", log }),
    log,
    cursors: options.cursors ?? new MemoryCursors(),
    random: systemRandom,
    observer: recorder,
    backoff,
  });
  onTestFinished(() => forwarder.stop());
  forwarder.start();
  return { target, forwarder, log, recorder };
}

function append(log: MemoryLog, count: number): void {
  for (let n = 0; n < count; n++) log.append(summaryJson(log.head() + 1));
}

const summaries = (count: number): string[] => Array.from({ length: count }, (_, at) => summaryJson(at + 1));

const SUMMARIES = "edge/plant-1/gw-7/d/";
const STATUS = "edge/plant-1/gw-7/status";

describeWithTools(["mosquitto"], "forwarding to Mosquitto", () => {
  it("brings everything, in order, through brokers that are killed and forwarders that are restarted", async () => {
    const mosquitto = await startMosquitto({ persistent: true });
    const listener = await MqttListener.open(mosquitto.url, ["edge/#"]);
    // A broker killed keeps what it saved at its last orderly stop: the listener's session.
    await mosquitto.stop();
    await mosquitto.start();
    const broker = { url: mosquitto.url, clientId: "gw-7" };
    const [log, cursors] = [new MemoryLog(), new MemoryCursors()];
    let current = rig({ broker, log, cursors });
    for (let round = 0; round < 4; round++) {
      append(log, 400);
      await until(() => current.forwarder.status().cursor >= round * 600, { what: "some are confirmed" });
      await mosquitto.kill();
      append(log, 200);
      if (round % 2 === 1) {
        await current.forwarder.stop();
        current = rig({ broker, log, cursors });
      }
      await mosquitto.start();
    }
    await until(() => current.forwarder.status().lagEntries === 0, { what: "all is confirmed" });
    const first = (): string[] => [...new Set(listener.payloads(SUMMARIES))];
    await until(() => first().length >= 2_400, { what: "all is received" });
    expect(first()).toEqual(summaries(2_400));
  });

  it("shows the will when it dies, online when it is there, and offline after an orderly stop", async () => {
    const mosquitto = await startMosquitto();
    const listener = await MqttListener.open(mosquitto.url, [STATUS]);
    const { target, forwarder } = rig({ broker: { url: mosquitto.url, clientId: "gw-7" } });
    const states = (): unknown[] =>
      listener.payloads(STATUS).map((text) => {
        const { state, reason } = JSON.parse(text);
        return reason === undefined ? state : `${state} ${reason}`;
      });
    await until(() => states().length === 1, { what: "online is said" });
    // Another client with the same id throws it out: to the broker, a connection lost.
    const thief = await MqttListener.open(mosquitto.url, [], { clientId: "gw-7" });
    await thief.close();
    await until(() => states().at(-1) === "online" && states().length >= 3, { what: "it is back" });
    target.publishStatus(() => ({ version: "1.0.0" }));
    await until(() => listener.payloads(STATUS).at(-1)?.includes("1.0.0") === true, { what: "details" });
    await forwarder.stop();
    await until(() => states().at(-1) === "offline stopped", { what: "offline is said" });
    expect(states().filter((state) => state !== "online")).toEqual(["offline lost", "offline stopped"]);
    const late = await MqttListener.open(mosquitto.url, [STATUS]);
    await until(() => late.heard.length === 1, { what: "the retained status comes" });
    expect(late.heard[0]).toMatchObject({ retain: true });
  });

  it("keeps everything while the broker refuses the account, and says why", async () => {
    const folder = await temporaryFolder();
    const passwords = join(folder, "passwords");
    execFileSync("mosquitto_passwd", ["-b", "-c", passwords, "gw", "right"]);
    const mosquitto = await startMosquitto({ anonymous: false, lines: [`password_file ${passwords}`] });
    const listener = await MqttListener.open(mosquitto.url, ["edge/#"], {
      username: "gw",
      password: "right",
    });
    const [log, cursors] = [new MemoryLog(), new MemoryCursors()];
    const broker = { url: mosquitto.url, clientId: "gw-7", username: "gw" };
    const wrong = rig({ broker: { ...broker, password: "wrong" }, log, cursors });
    append(log, 20);
    await until(() => wrong.recorder.named("mqtt-connect-failed").length > 2, { what: "it is refused" });
    expect(wrong.recorder.named("mqtt-connect-failed")[0]).toMatchObject({
      code: "refused-not-authorized",
      hint: expect.stringContaining("check username and password"),
    });
    expect(wrong.forwarder.status()).toMatchObject({
      cursor: 0,
      lagEntries: 20,
      upstream: { state: "waiting" },
    });
    await wrong.forwarder.stop();
    expect(JSON.stringify(wrong.recorder.events)).not.toContain('"wrong"');

    const right = rig({ broker: { ...broker, password: "right" }, log, cursors });
    await until(() => right.forwarder.status().cursor === 20, { what: "all is confirmed" });
    await until(() => listener.payloads(SUMMARIES).length === 20, { what: "all is received" });
    expect(listener.payloads(SUMMARIES)).toEqual(summaries(20));
  });

  it("passes over a summary that is too large instead of being thrown out over it for ever", async () => {
    const mosquitto = await startMosquitto({ lines: ["max_packet_size 4096"] });
    const listener = await MqttListener.open(mosquitto.url, ["edge/#"]);
    const { log, forwarder, recorder } = rig({
      broker: { url: mosquitto.url, clientId: "gw-7" },
      packetBytesMax: 4_096,
    });
    append(log, 2);
    log.append(JSON.stringify({ ...JSON.parse(summaryJson(3)), filler: "x".repeat(5_000) }));
    append(log, 2);
    await until(() => forwarder.status().cursor === 5, { what: "all is dealt with" });
    await until(() => listener.payloads(SUMMARIES).length >= 4, { what: "the others are received" });
    expect(new Set(listener.payloads(SUMMARIES)).size).toBe(4);
    expect(recorder.named("forward-set-aside")).toMatchObject([{ position: 3, code: "summary-too-large" }]);
    expect(recorder.named("mqtt-disconnected")).toEqual([]);
  });

  it("asks a broker that ends the connection over a summary for its limit, and passes over what is longer", async () => {
    const mosquitto = await startMosquitto({ lines: ["max_packet_size 480"] });
    const listener = await MqttListener.open(mosquitto.url, ["edge/#"]);
    const { target, log, forwarder, recorder } = rig({ broker: { url: mosquitto.url, clientId: "gw-7" } });
    // Longer than the broker takes, too: what the gateway says of itself must not keep summaries back.
    target.publishStatus(() => ({ filler: "x".repeat(500) }));
    const long = (position: number) =>
      JSON.stringify({ ...JSON.parse(summaryJson(position)), f: "x".repeat(480) });
    append(log, 2);
    log.append(long(3));
    append(log, 2);
    await until(() => forwarder.status().cursor === 5, { what: "all is dealt with" });
    await until(() => new Set(listener.payloads(SUMMARIES)).size >= 4, { what: "the others are received" });
    expect(new Set(listener.payloads(SUMMARIES)).size).toBe(4);
    expect(recorder.named("packet-limit-stated")).toMatchObject([{ bytes: 480 }]);
    expect(recorder.named("forward-set-aside")).toMatchObject([{ position: 3, code: "summary-too-large" }]);
    const ends = recorder.named("mqtt-disconnected").length;
    log.append(long(6));
    append(log, 1);
    await until(() => forwarder.status().cursor === 7, { what: "the next is passed over, too" });
    expect(forwarder.status()).toMatchObject({ setAsideEntries: 2, droppedEntries: 0 });
    // On the same connection the broker need not be asked again.
    expect(recorder.named("mqtt-disconnected")).toHaveLength(ends);
  });

  it("notices a broker that stays connected and acknowledges nothing", async () => {
    const mosquitto = await startMosquitto();
    const { log, forwarder, recorder } = rig({
      broker: { url: mosquitto.url, clientId: "gw-7" },
      answerMsMax: 100,
    });
    append(log, 1);
    await until(() => forwarder.status().cursor === 1, { what: "the first is confirmed" });
    mosquitto.freeze();
    append(log, 1);
    await until(() => recorder.named("forward-failed").length > 0, { what: "the silence is noticed" });
    expect(recorder.named("forward-failed")).toMatchObject([{ code: "mqtt-unanswered" }]);
    mosquitto.thaw();
    await until(() => forwarder.status().cursor === 2, { what: "the second is confirmed" });
  });
});

describeWithTools(["mosquitto", "openssl"], "forwarding to Mosquitto over TLS", () => {
  it("delivers to a broker whose certificate it trusts, and nothing to one that it does not", async () => {
    const folder = await temporaryFolder();
    const openssl = (...words: string[]): void => {
      execFileSync("openssl", words, { cwd: folder, stdio: "pipe" });
    };
    const days = ["-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    for (const [name, alt] of [
      ["good", "subjectAltName=IP:127.0.0.1"],
      ["other", "subjectAltName=IP:127.0.0.1"],
    ] as const) {
      const files = ["-keyout", `${name}.key`, "-out", `${name}.crt`];
      openssl("req", "-x509", ...days, ...files, "-subj", `/CN=${name}`, "-addext", alt);
    }
    const lines = [`certfile ${join(folder, "good.crt")}`, `keyfile ${join(folder, "good.key")}`];
    const mosquitto = await startMosquitto({ lines });
    const url = mosquitto.url.replace("mqtt:", "mqtts:");
    const listener = await MqttListener.open(url, ["edge/#"], {
      ca: await readFile(join(folder, "good.crt")),
    });

    const distrusting = rig({ broker: { url, clientId: "gw-8", tls: { ca: join(folder, "other.crt") } } });
    append(distrusting.log, 1);
    await until(() => distrusting.recorder.named("mqtt-connect-failed").length > 1, { what: "it refuses" });
    expect(distrusting.recorder.named("mqtt-connect-failed")[0]).toMatchObject({
      hint: expect.stringContaining("tls.ca"),
    });
    expect(distrusting.forwarder.status().cursor).toBe(0);

    const trusting = rig({ broker: { url, clientId: "gw-7", tls: { ca: join(folder, "good.crt") } } });
    append(trusting.log, 20);
    await until(() => listener.payloads(SUMMARIES).length === 20, { what: "all is received" });
    expect(listener.payloads(SUMMARIES)).toEqual(summaries(20));
  });
});
