/**
 * Nothing acknowledged is lost in a power cut: what the kernel was holding back for the disk is gone, so an
 * acknowledgement has to wait for the sync. Each way of cutting is shown to lose readings where syncing only pretends.
 */
import { join } from "node:path";
import { expect, it, type TestContext } from "vitest";
import { type AgentFiles, AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { inject, remount, type SmallDisk, smallDisk } from "../helpers/disks.js";
import { FLEET_PROFILES } from "../helpers/endless-device.js";
import { type Moment, strikeAt } from "../helpers/fault-moments.js";
import { Fleet } from "../helpers/fleet.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { canTrace, cutPower, SyncRecord } from "../helpers/power.js";
import { type Seeded, seeded } from "../helpers/seeded.js";
import { describeWithTools, freePort, temporaryFolder } from "../helpers/tools.js";
import { type Summaries, subscribeUpstream } from "../helpers/upstream.js";

const DISK_CUTS = rounds(6, 50);
const TRACED_CUTS = rounds(4, 30);
/** For a slow machine with other work to do. */
const TIMEOUT_MS = LONG ? 1_200_000 : 180_000;
const DISK_MEGABYTES = 64;
const MOMENTS: readonly Moment[] = ["acknowledging", "load", "recovery", "checkpoint"];
/** Less than fills a window of 20 s: what is lost upstream cannot have yet. */
const OPEN_READINGS = 1_500;

interface Scene {
  readonly agent: AgentProcess;
  readonly fleet: Fleet;
  readonly received: Summaries;
  readonly random: Seeded;
}

async function prepare(what: string, files: Partial<AgentFiles> = {}): Promise<Scene> {
  const random = seeded(what);
  const port = await freePort();
  const upstream = await startMosquitto();
  const received = await subscribeUpstream(upstream.url);
  const agent = await AgentProcess.prepare({
    config: [
      // As small as it may be, for many checkpoints.
      "store: { path: store, journalBytesMax: 262144 }",
      "commit: { maxDelay: 20ms }",
      "sources:",
      `  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
      "targets:",
      `  - { name: cloud, type: mqtt, url: "${upstream.url}" }`,
    ].join("\n"),
    profiles: FLEET_PROFILES,
    ...files,
  });
  return { agent, fleet: new Fleet({ port, random }), received, random };
}

/** @param cut with the power; `after` is called when the agent is gone, and makes the disk what it is at the next boot */
async function campaign(
  { agent, fleet, received, random }: Scene,
  how: { readonly cuts: number; readonly cut: () => void; readonly after: () => void | Promise<void> },
): Promise<string> {
  agent.spawn();
  fleet.load.start();
  for (let i = 0; i < how.cuts; i++) {
    const moment = MOMENTS[i % MOMENTS.length]!;
    await strikeAt(moment, { agent, load: fleet.load, random }, how.cut);
    await agent.kill();
    await agent.ended();
    await how.after();
    agent.spawn();
  }
  await agent.logged("agent-started");
  await fleet.finish();
  await fleet.expectKept(agent, received);
  // The torn end of what was not synced is no damage to start anew for.
  expect(agent.log.filter(({ event }) => event === "store-set-aside")).toEqual([]);
  return `${how.cuts} cuts, ${fleet.load.acknowledged} acknowledged, 0 lost, 0 doubled`;
}

/** One cut while nothing that is written gets to the disk. @returns how many acknowledged readings are gone */
async function lostIn(
  { agent, fleet, received }: Scene,
  how: { readonly cut: () => Promise<void> },
): Promise<number> {
  fleet.load.start();
  await fleet.load.progress(OPEN_READINGS);
  await how.cut();
  await agent.start();
  await fleet.finish();
  await fleet.delivered(agent, received);
  return fleet.account(received).lost.filter((each) => each.includes(" 20s ")).length;
}

async function diskOrSkip(context: TestContext): Promise<SmallDisk> {
  const disk = await smallDisk("ext4", DISK_MEGABYTES);
  if (typeof disk === "string") return context.skip(disk);
  return disk;
}

describeWithTools(["mosquitto", "mkfs.ext4", "perl"], "on a disk whose power is cut", () => {
  it("has every acknowledged reading in its window, once", { timeout: TIMEOUT_MS }, async (context) => {
    const disk = await diskOrSkip(context);
    // Slow syncs, where they can be had: then most cuts come before one is done.
    const { command } = new SyncRecord(join(await temporaryFolder(), "trace"), "slow");
    const under = canTrace() ? command : [];
    const scene = await prepare("power cuts", { storeFolder: disk.folder, under });
    const figures = await campaign(scene, {
      cuts: DISK_CUTS,
      cut: () => cutPower(disk, scene.agent.pid),
      after: () => remount(disk),
    });
    tell("power cuts, ext4", figures);
  });

  it("would lose readings if it did not sync", { timeout: TIMEOUT_MS }, async (context) => {
    if (!canTrace()) context.skip("strace is missing or not allowed");
    const disk = await diskOrSkip(context);
    const scene = await prepare("power cut without syncing", { storeFolder: disk.folder });
    await scene.agent.start();
    await inject(scene.agent.pid, { calls: { fdatasync: "retval=0", fsync: "retval=0" } });
    const lost = await lostIn(scene, {
      cut: async () => {
        cutPower(disk, scene.agent.pid);
        await scene.agent.kill();
        await remount(disk);
      },
    });
    expect(lost).toBeGreaterThan(0);
    tell(
      "power cuts, ext4",
      `without syncing, 1 cut loses ${lost} acknowledged readings of ${OPEN_READINGS}`,
    );
  });
});

describeWithTools(["mosquitto", "strace"], "with everything cut off that it has not synced", () => {
  it("has every acknowledged reading in its window, once", { timeout: TIMEOUT_MS }, async (context) => {
    if (!canTrace()) context.skip("strace is not allowed");
    const record = new SyncRecord(join(await temporaryFolder(), "trace"), "slow");
    const scene = await prepare("cuts to what is synced", { under: record.command });
    let within = 0;
    let unsynced = 0;
    const figures = await campaign(scene, {
      cuts: TRACED_CUTS,
      cut: () => scene.agent.signal("SIGKILL"),
      after: () => {
        const bytes = record.cut(join(scene.agent.folder, "store", "db"), scene.random);
        unsynced += bytes;
        within += bytes > 0 ? 1 : 0;
      },
    });
    expect(within, "cuts before a sync was done").toBeGreaterThan(0);
    tell(
      "power cuts, traced",
      `${figures}; ${within} of them before a sync was done, ${unsynced} bytes cut off`,
    );
  });

  it("would lose readings if it did not sync", { timeout: TIMEOUT_MS }, async (context) => {
    if (!canTrace()) context.skip("strace is not allowed");
    const record = new SyncRecord(join(await temporaryFolder(), "trace"), "pretended");
    const scene = await prepare("cut to what is synced, without syncing", { under: record.command });
    await scene.agent.start();
    const lost = await lostIn(scene, {
      cut: async () => {
        await scene.agent.kill();
        record.cut(join(scene.agent.folder, "store", "db"), scene.random);
      },
    });
    expect(lost).toBeGreaterThan(0);
    tell(
      "power cuts, traced",
      `without syncing, 1 cut loses ${lost} acknowledged readings of ${OPEN_READINGS}`,
    );
  });
});
