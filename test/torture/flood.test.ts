/**
 * A backfill as fast as it goes, with the upstream away and a log that is far too small for it: a real agent with a small
 * heap. It has to hold its sources back while it makes room, so that log and memory stay within their bounds, and what it
 * has acknowledged is upstream afterwards, in whatever resolution, once.
 */
import { expect, it } from "vitest";
import { LIMITS } from "../../src/model/limits.js";
import type { Summary } from "../../src/model/summary.js";
import { logBytesWithHeadRoom } from "../../src/pipeline/log-room.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { rounds, tell } from "../helpers/campaign.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { Load, type Message } from "../helpers/mqtt-load.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { subscribeUpstream } from "../helpers/upstream.js";

const TIMEOUT_MS = 600_000;
/** Enough for the slowest of steps, and so little that the step says what it waited for. */
const STEP_TIMEOUT_MS = rounds(150_000, 450_000);
const CLIENTS = 40;
const READINGS_EACH = rounds(500, 3_000);
const WINDOWS = ["10s", "1m", "1d"];
const LOG_BYTES_MAX = 1_000_000;
const HEAP_MB = 96;
/** Heap, LevelDB, buffers, and Node itself. */
const RESIDENT_BYTES_MAX = 300_000_000;
const FIRST_MS = Date.UTC(2026, 0, 14);
const STEP_MS = 15_000;
/** An end in good order may take five seconds, on a machine that has nothing else to do. */
const END_MS_MAX = 20_000;

const PROFILE = `
schema: device-profile/1
id: flood
version: 1.0.0
match: { mqtt: { topics: ["f/{device}"] } }
decode: { format: json }
time: { from: /t, format: epoch-ms, maxFuture: never, outOfOrderness: 0s, idleTimeout: 1h }
fields:
  n: { from: /n }
windows:
  - { name: 10s, tumbling: 10s, allowedLateness: 0s, fields: { n: [count, sum, min, max, mean] } }
  - { name: 1m, tumbling: 1m, allowedLateness: 0s, fields: { n: [count, sum, min, max, mean] } }
  - { name: 1d, tumbling: 1d, allowedLateness: 0s, fields: { n: [count, sum, min, max, mean] } }
`;

/** The last one is days behind the others, so that every window before it is final. */
function* messagesOf(device: string): Generator<Message> {
  for (let n = 0; n <= READINGS_EACH; n++) {
    const t = FIRST_MS + n * STEP_MS + (n === READINGS_EACH ? 3 * 86_400_000 : 0);
    yield { topic: `f/${device}`, payload: JSON.stringify({ t, n: n === READINGS_EACH ? -1 : n }) };
  }
}

/** By device and window of the profile: count and sum of what its summaries say, but for the last reading's. */
function totalsOf(summaries: readonly Summary[]): Record<string, readonly [number, number]> {
  const totals: Record<string, readonly [number, number]> = {};
  for (const { device, window, fields } of summaries) {
    const { count, sum } = fields.n as { count: number; sum: number };
    if (sum < 0) continue;
    const key = `${device} ${window.coarsened?.from ?? window.name}`;
    const [counted, summed] = totals[key] ?? [0, 0];
    totals[key] = [counted + count, summed + sum];
  }
  return totals;
}

const DEVICES = Array.from({ length: CLIENTS }, (_, i) => `d${i}`);
const ALL = Object.fromEntries(
  DEVICES.flatMap((device) =>
    WINDOWS.map((window) => [
      `${device} ${window}`,
      [READINGS_EACH, (READINGS_EACH * (READINGS_EACH - 1)) / 2],
    ]),
  ),
);

/** An agent with its upstream away, and devices that have much to say. */
async function scene() {
  const port = await freePort();
  // Who is subscribed to it may be back later than the agent.
  const upstream = await startMosquitto({ persistent: true });
  const received = await subscribeUpstream(upstream.url);
  await upstream.stop();
  const agent = await AgentProcess.prepare({
    config: [
      `store: { path: store, logBytesMax: ${LOG_BYTES_MAX} }`,
      `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
      `targets: [{ name: cloud, type: mqtt, url: "${upstream.url}", reconnectMax: 1s }]`,
    ].join("\n"),
    profiles: { flood: PROFILE },
    env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
  });
  await agent.start();
  const load = new Load(
    DEVICES.map((clientId) => ({
      port,
      clientId,
      messages: messagesOf(clientId),
      qos: 1 as const,
      inflightMax: 1_000,
    })),
  );
  load.start();
  /** What upstream has when it is back for good. */
  const delivered = async (): Promise<void> => {
    await upstream.start();
    const complete = () => Object.keys(totalsOf(received.latest())).length === Object.keys(ALL).length;
    await until(async () => (await agent.status()).targets[0]!.lagEntries === 0 && complete(), {
      what: "everything is upstream",
      timeoutMs: STEP_TIMEOUT_MS,
    });
    expect(totalsOf(received.latest())).toEqual(ALL);
    expect(received.contradictions).toEqual([]);
  };
  return { agent, load, delivered };
}

describeWithTools(["mosquitto"], "a flood into a log that is too small", () => {
  it("is held back: log and memory stay within bounds, and nothing acknowledged is lost or counted twice", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { agent, load, delivered } = await scene();
    const beganMs = performance.now();
    let logBytes = 0;
    await until(
      async () => {
        logBytes = Math.max(logBytes, (await agent.status()).store.logBytes);
        return load.done;
      },
      { what: "every publish is acknowledged", timeoutMs: STEP_TIMEOUT_MS },
    );
    const tookS = (performance.now() - beganMs) / 1_000;
    const { store } = await agent.status();
    expect(logBytes).toBeLessThanOrEqual(logBytesWithHeadRoom(LOG_BYTES_MAX) + LIMITS.blockSummaryBytesMax);
    expect(agent.peakBytes()).toBeLessThanOrEqual(RESIDENT_BYTES_MAX);
    expect(agent.peakBytes()).toBeLessThanOrEqual(Number(agent.events("agent-started")[0]!.memoryBytesMax));
    expect(store.logRoomWaitedMs).toBeGreaterThan(0);
    expect(agent.events("log-room-wait")).toHaveLength(1);
    expect(store.logDropped).toBe(0);
    await delivered();
    tell(
      "flood",
      `${load.acknowledged} readings from ${CLIENTS} clients in ${tookS.toFixed(1)} s, ${(store.logRoomWaitedMs / 1_000).toFixed(1)} s of it waiting for room; ` +
        `${LOG_BYTES_MAX} bytes of log allowed, ${logBytes} at most; ${Math.round(agent.peakBytes() / 1e6)} MB of memory; ` +
        `${store.logCoarsened} windows merged, ${store.logDropped} dropped`,
    );
  });

  it("lets a reload and an end come in time while it waits for room", { timeout: TIMEOUT_MS }, async () => {
    const { agent, load, delivered } = await scene();
    await agent.logged("log-room-wait");
    await agent.reload();
    // A fast machine may have taken everything in by then.
    const waits = async () => load.done || (await agent.status()).store.logRoomLacking;
    await until(waits, { what: "it waits for room again" });
    const { elapsedMs } = await agent.end("SIGTERM");
    expect(elapsedMs).toBeLessThan(END_MS_MAX);
    await agent.start();
    await load.finished(STEP_TIMEOUT_MS);
    await delivered();
  });
});
