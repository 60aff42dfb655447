/**
 * The network between the agent and its brokers: packets that are lost in one direction or both, one in five of them,
 * resets, names that do not resolve, name servers that do not answer, certificates that are not trusted. Brokers run
 * in a namespace with a firewall. The agent notices, says so, and is back within `connectTimeout` and `reconnectMax`;
 * what was read is in its window once, and the log is upstream in order.
 */
import { createSocket } from "node:dgram";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import type { AgentStatus } from "../../src/agent/status.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { makeCertificates } from "../helpers/certificates.js";
import { startChaosProxy } from "../helpers/chaos-proxy.js";
import { FLEET_PROFILES } from "../helpers/endless-device.js";
import { Fleet } from "../helpers/fleet.js";
import { type Mosquitto, startMosquitto } from "../helpers/mosquitto.js";
import { Namespace } from "../helpers/namespace.js";
import { moment, seeded } from "../helpers/seeded.js";
import { describeWithTools, findTool, freePort, until } from "../helpers/tools.js";
import { type Summaries, subscribeUpstream } from "../helpers/upstream.js";

const TIMEOUT_MS = LONG ? 900_000 : 240_000;
/** For a busy machine. */
const PATIENCE_MS = 120_000;
/** What the config says about a broken connection. */
const [CONNECT_TIMEOUT_MS, RECONNECT_MS_MAX] = [1_000, 200];
const LINK = `keepalive: 1s, connectTimeout: ${CONNECT_TIMEOUT_MS}ms, reconnectMax: ${RECONNECT_MS_MAX}ms`;
/** Beyond the two: for the handshakes, on a busy machine. */
const SLACK_MS = 5_000;
/** Messages of each device in one trouble. */
const SOME = 60;
const ACKNOWLEDGED = 1_000;
/** So few that what is measured is the network. */
const DEVICES = { timed: 6, arriving: 4 };

/** A broker whose port towards the agent can be ill-treated, and another for everybody else. */
interface Reached {
  readonly broker: Mosquitto;
  readonly agentPort: number;
}

type Trouble = (namespace: Namespace, port: number) => void;

const TROUBLES: Readonly<Record<string, Trouble>> = {
  "nothing arrives": (namespace, port) => namespace.lose(port, "in"),
  "nothing comes back": (namespace, port) => namespace.lose(port, "out"),
  "no connection at all": (namespace, port) => namespace.lose(port, "both"),
  resets: (namespace, port) => namespace.refuse(port),
};

describeWithTools(["mosquitto", "ip", "nft"], "an agent behind a firewall that loses packets", () => {
  it("comes back by itself from partitions, loss and resets on its way in and out, with everything", {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const namespace = namespaceOf(context);
    const [field, upstream] = [await brokerIn(namespace), await brokerIn(namespace)];
    const received = await subscribeUpstream(upstream.broker.url);
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: plant, type: mqtt, url: "mqtt://${namespace.host}:${field.agentPort}", ${LINK} }]`,
        `targets: [{ name: cloud, type: mqtt, url: "mqtt://${namespace.host}:${upstream.agentPort}", ${LINK} }]`,
      ].join("\n"),
      profiles: FLEET_PROFILES,
    });
    await agent.start();
    await until(() => /Sending SUBACK/.test(field.broker.log()), { what: "the agent has subscribed" });
    const { host } = namespace;
    const random = seeded("partitions");
    const fleet = new Fleet({ port: field.broker.port, host, random, firstMax: SOME, counts: DEVICES });
    fleet.load.start();

    const figures: string[] = [];
    for (let round = 0; round < rounds(1, 8); round++) {
      for (const [what, trouble] of Object.entries(TROUBLES)) {
        await progress(agent, fleet, received);
        // Upstream first: summaries of what still comes in are on their way when nothing gets through.
        trouble(namespace, upstream.agentPort);
        await concludes(agent, fleet);
        fleet.load.allow(SOME);
        trouble(namespace, field.agentPort);
        const noticedMs = await timed(() => link(agent, "waiting", what));
        namespace.heal();
        const backMs = await timed(() => link(agent, "connected", `back after: ${what}`));
        expect(backMs, `back after: ${what}`).toBeLessThan(CONNECT_TIMEOUT_MS + RECONNECT_MS_MAX + SLACK_MS);
        figures.push(`${what} ${noticedMs}+${backMs} ms`);
      }
      for (const { agentPort } of [field, upstream]) namespace.lose(agentPort, "both", 20);
      await progress(agent, fleet, received);
      namespace.heal();
    }
    expect(brokenLinks(agent)).toEqual(["cloud", "plant"]);
    await fleet.finish();
    await fleet.taken(agent, PATIENCE_MS);
    await fleet.expectKept(agent, received);
    tell(
      "network, partitions (noticed + back)",
      `${figures.slice(0, Object.keys(TROUBLES).length).join(", ")}; ${figures.length} in all; ${fleet.readings} readings, 0 lost, 0 doubled`,
    );
  });
});

describeWithTools(["mosquitto", "openssl"], "an agent that none of its upstreams lets in", () => {
  it("serves the one that does, names what is wrong with each of the others, and serves them when it is mended", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const certificates = await makeCertificates();
    const strangers = await makeCertificates();
    const [port, absentPort, tlsPort] = [await freePort(), await freePort(), await freePort()];
    const { cert, key } = certificates.server;
    const lines = [`listener ${tlsPort} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`];
    const upstream = await startMosquitto({ lines });
    const silent = await startChaosProxy(upstream.port);
    silent.judge = () => "swallow";
    const target = (name: string, url: string, more = "") =>
      `  - { name: ${name}, type: mqtt, url: "${url}", topic: "${name}/{site}/{gateway}/d/{device}/{window}", ${LINK}${more} }`;
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
        "targets:",
        target("fine", upstream.url),
        target("refusing", `mqtt://127.0.0.1:${absentPort}`),
        target("silent", silent.url),
        target("untrusted", `mqtts://localhost:${tlsPort}`, ", tls: { ca: ca.pem }"),
      ].join("\n"),
      profiles: FLEET_PROFILES,
    });
    await copyFile(strangers.ca, join(agent.folder, "ca.pem"));
    const fine = await subscribeUpstream(upstream.url, "fine");
    const late = [];
    for (const name of ["silent", "untrusted"]) late.push(await subscribeUpstream(upstream.url, name));
    await agent.start();
    const fleet = new Fleet({
      port,
      random: seeded("upstreams that are away"),
      firstMax: 150,
      counts: DEVICES,
    });
    fleet.load.start();
    await until(() => fine.finals > 0, { what: "the one that is there has final summaries" });
    await until(async () => (await details(agent, PROBLEMS)).length === 0, {
      what: "the status says what is wrong with each",
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${await details(agent, PROBLEMS)}`);
    });
    expect(failedCodes(agent)).toMatchObject({ refusing: "ECONNREFUSED", silent: "timeout" });
    const { lagEntries } = (await agent.status()).targets.find((each) => each.target === "silent")!;
    expect(lagEntries).toBeGreaterThan(0);

    silent.judge = () => "pass";
    await copyFile(certificates.ca, join(agent.folder, "ca.pem"));
    const absent = await startMosquitto({ port: absentPort });
    late.push(await subscribeUpstream(absent.url, "refusing"));
    const backMs = await timed(() => link(agent, "connected", "every upstream lets it in"));
    expect(backMs).toBeLessThan(CONNECT_TIMEOUT_MS + RECONNECT_MS_MAX + SLACK_MS);
    await fleet.finish();
    await fleet.expectKept(agent, fine);
    for (const received of late) {
      await fleet.delivered(agent, received);
      expect(received.first).toEqual(fine.first);
    }
    tell("network, three of four upstreams away at the start", `all back within ${backMs} ms; 0 lost`);
  });
});

const PROBLEMS: Readonly<Record<string, RegExp>> = {
  refusing: /ECONNREFUSED/,
  silent: /timeout/i,
  untrusted: /self-signed|unable to verify|certificate/i,
};

describeWithTools(["mosquitto", "unshare"], "an agent whose name servers fail", () => {
  it("goes on acknowledging while they are silent, and finds its brokers when there are names", {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const server = await silentNameServer(context);
    const port = await freePort();
    const upstream = await startMosquitto();
    const names = Array.from({ length: 4 }, (_, i) => `upstream-${i}`);
    const received = await subscribeUpstream(upstream.url, names[0]);
    const mounts = 'mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf && exec "$@"';
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
        "targets:",
        ...names.map(
          (name) =>
            `  - { name: ${name}, type: mqtt, url: "mqtt://${name}.test:${upstream.port}", topic: "${name}/{site}/{gateway}/d/{device}/{window}", ${LINK} }`,
        ),
      ].join("\n"),
      profiles: FLEET_PROFILES,
      under: [findTool("unshare")!, "--mount", "sh", "-c", mounts, "sh"],
    });
    await agent.write("hosts", "127.0.0.1 localhost\n");
    await agent.write("resolv.conf", `nameserver ${server.address}\noptions timeout:1 attempts:1\n`);
    await agent.start();
    const fleet = new Fleet({ port, random: seeded("silent name servers"), counts: DEVICES });
    await until(() => server.questions() >= names.length, { what: "every name is looked up" });
    fleet.load.start();
    const acknowledgedMs = await timed(() => fleet.load.progress(ACKNOWLEDGED));
    await link(agent, "waiting", "no name resolves");
    // As an address that a name server gives again.
    await agent.write("hosts", names.map((name) => `127.0.0.1 ${name}.test\n`).join(""));
    const backMs = await timed(() => link(agent, "connected", "every name resolves"));
    await fleet.finish();
    await fleet.expectKept(agent, received);
    tell(
      "network, silent name servers",
      `${ACKNOWLEDGED} acknowledged in ${acknowledgedMs} ms meanwhile, ${server.questions()} questions, back after ${backMs} ms; 0 lost`,
    );
  });
});

function namespaceOf(context: TestContext): Namespace {
  const namespace = Namespace.make();
  return typeof namespace === "string" ? context.skip(namespace) : namespace;
}

async function brokerIn({ under, host }: Namespace): Promise<Reached> {
  const agentPort = await freePort();
  return {
    agentPort,
    broker: await startMosquitto({ under, host, lines: [`listener ${agentPort} ${host}`] }),
  };
}

/** A server that takes every question and answers none. */
async function silentNameServer(context: TestContext) {
  const address = "127.53.53.53";
  const socket = createSocket("udp4");
  let questions = 0;
  socket.on("message", () => questions++);
  const problem = await new Promise<Error | undefined>((resolve) => {
    socket.once("error", resolve);
    socket.bind(53, address, () => resolve(undefined));
  });
  if (problem !== undefined || process.getuid?.() !== 0) {
    return context.skip("needs root for a name server and a hosts file of its own");
  }
  onTestFinished(() => void socket.close());
  return { address, questions: () => questions };
}

/** Messages go in, and summaries of them come out upstream. */
async function progress(agent: AgentProcess, fleet: Fleet, received: Summaries): Promise<void> {
  const [accepted, summaries] = [(await agent.status()).accepted, received.first.length];
  await until(
    async () => {
      fleet.load.allow(1);
      await moment(20);
      return (await agent.status()).accepted > accepted + 50 && received.first.length > summaries;
    },
    { what: "readings come in and summaries go out", timeoutMs: PATIENCE_MS },
  );
}

/** Messages go in, and summaries of them are in the log. */
async function concludes(agent: AgentProcess, fleet: Fleet): Promise<void> {
  const { logHead } = (await agent.status()).store;
  fleet.load.allow(SOME);
  await until(async () => (await agent.status()).store.logHead > logHead, {
    what: "there are new summaries",
    timeoutMs: PATIENCE_MS,
  });
}

/** Waits until the status says of every connection to a broker that it is in this state. */
async function link(agent: AgentProcess, wanted: "connected" | "waiting", what: string): Promise<void> {
  await until(async () => linkStates(await agent.status()).every((state) => state === wanted), {
    what: `${what}: ${wanted}`,
    timeoutMs: PATIENCE_MS,
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${agent.tail()}`);
  });
}

function linkStates({ sources, targets }: AgentStatus): string[] {
  const states = [...sources, ...targets.map(({ upstream }) => upstream)].map(({ state }) => state);
  return states.filter((state) => state !== "listening");
}

/** Whose broken connections the log tells of. */
function brokenLinks(agent: AgentProcess): unknown[] {
  const owners = agent.events("mqtt-disconnected").map(({ source, target }) => source ?? target);
  return [...new Set(owners)].sort();
}

function failedCodes(agent: AgentProcess): Record<string, unknown> {
  return Object.fromEntries(agent.events("mqtt-connect-failed").map(({ target, code }) => [target, code]));
}

/** What the status says of targets, where that is not what it should be. */
async function details(agent: AgentProcess, wanted: Readonly<Record<string, RegExp>>): Promise<string[]> {
  const { targets } = await agent.status();
  return targets
    .filter(({ target, upstream }) => wanted[target]?.test(upstream.detail ?? "") === false)
    .map(({ target, upstream }) => `${target}: ${upstream.detail}`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return Math.round(performance.now() - startMs);
}
