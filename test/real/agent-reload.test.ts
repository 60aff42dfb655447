/** SIGHUP on a running agent: good files take effect without a gap, bad ones change nothing. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { hashPassword } from "../../src/source/password.js";
import { type AgentFiles, AgentProcess } from "../helpers/agent-process.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { LoadClient } from "../helpers/mqtt-load.js";
import { expectAccounted, FIRST_MS } from "../helpers/numbered-readings.js";
import { RawMqtt } from "../helpers/raw-mqtt.js";
import { describeWithTools, findTool, freePort, temporaryFolder, until } from "../helpers/tools.js";

const MINUTE = 60_000;

function profile(parts: { readonly version?: string; readonly windows: readonly string[] }): string {
  return [
    "schema: device-profile/1",
    "id: room",
    `version: ${parts.version ?? "1.0.0"}`,
    'match: { mqtt: { topics: ["r/{device}"] } }',
    "decode: { format: json }",
    "time: { from: /t, format: epoch-ms, maxFuture: never, outOfOrderness: 0s, idleTimeout: 1h }",
    "fields:",
    "  x: { from: /x }",
    "windows:",
    ...parts.windows.map((window) => `  - ${window}`),
    "",
  ].join("\n");
}

const MINUTELY = "{ name: 1m, tumbling: 1m, fields: { x: [count, sum] } }";
const MINUTELY_MAX = "{ name: 1m, tumbling: 1m, fields: { x: [count, sum, max] } }";
const HOURLY = "{ name: 1h, tumbling: 1h, fields: { x: [count, sum] } }";
const PROFILE = profile({ windows: [MINUTELY, HOURLY] });
const SPARE = profile({ windows: [HOURLY] })
  .replace("id: room", "id: spare")
  .replace("r/{device}", "s/{device}");

interface Running {
  readonly agent: AgentProcess;
  /** Publishes readings at these times after the first minute's beginning, value 1; resolves when acknowledged. */
  publish(...atMs: readonly number[]): Promise<void>;
  summaries(): Promise<Summary[]>;
}

async function running(files: Partial<AgentFiles> & { readonly port?: number } = {}): Promise<Running> {
  const port = files.port ?? (await freePort());
  const agent = await AgentProcess.prepare({
    config: brokerConfig(port),
    profiles: { room: PROFILE },
    ...files,
  });
  await agent.start();
  const publish = async (...atMs: readonly number[]): Promise<void> => {
    const messages = atMs.map((at) => ({ topic: "r/kitchen", payload: `{"t":${FIRST_MS + at},"x":1}` }));
    const client = new LoadClient({ port, clientId: "kitchen", qos: 1, inflightMax: 10, messages });
    client.start();
    await until(() => client.done, { what: "the readings are acknowledged" });
    client.end();
  };
  const summaries = async () => (await agent.summaries()).map((line) => JSON.parse(line) as Summary);
  return { agent, publish, summaries };
}

function brokerConfig(port: number): string {
  return `commit: { maxDelay: 5ms }\nsources:\n  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`;
}

function brief({ id, revision, final, reconfigured, fields }: Summary) {
  return [
    id.replace("gw/room/kitchen/", "").replace("2026-01-14T", ""),
    revision,
    final,
    reconfigured ?? false,
    fields.x,
  ];
}

describe("a reload", () => {
  it("with a broken config changes nothing, and says what is wrong", async () => {
    const { agent, publish } = await running();
    await publish(1);
    await agent.configure({ config: "sources: [{ name: local, type: brokr }]" });
    await agent.reload("reload-refused");
    expect(JSON.stringify(agent.events("file-problem"))).toContain("weir.yaml:");
    await publish(2);
    const { byDevice } = await agent.status();
    expect(byDevice).toMatchObject([{ device: "kitchen", accepted: 2, openWindows: 2 }]);
  });

  it("is answered at once each time, with every problem, also when the same mistake comes again", async () => {
    const { agent } = await running();
    const good = await readFile(join(agent.folder, "weir.yaml"), "utf8");
    const mistakes = ["sources: []", "sources: []", "sources: 1", "groups: 2", "sources: []"];
    for (const [i, config] of mistakes.entries()) {
      await agent.configure({ config });
      await agent.reload("reload-refused");
      expect(agent.events("file-problem").length).toBeGreaterThan(i);
      await agent.write("weir.yaml", good);
      await agent.reload();
    }
    expect(agent.log.filter((line) => "repeated" in line)).toEqual([]);
  });

  it("with a broken profile keeps the old one in force, across restarts too", async () => {
    const { agent, publish, summaries } = await running();
    await publish(1);
    await agent.writeProfile("room", PROFILE.replace("tumbling: 1m", "tumbling: 1 minuet"));
    await agent.reload();
    expect(JSON.stringify(agent.events("file-problem"))).toContain("room.yaml:");
    await publish(2);
    await agent.kill();
    await agent.start();
    await publish(3, MINUTE);
    expect((await summaries()).map(brief)).toEqual([["1m/12:00:00Z", 0, true, false, { count: 3, sum: 3 }]]);
    expectAccounted((await agent.status()).byDevice);
  });

  it("that would leave no profile in force is refused: a renamed file with a mistake takes the old one out", async () => {
    const { agent, publish, summaries } = await running();
    await publish(1);
    await agent.removeProfile("room");
    await agent.writeProfile("rooms", PROFILE.replace("tumbling: 1m", "tumbling: 1 minuet"));
    await agent.reload("reload-refused");
    await publish(2);
    await publish(3, MINUTE);
    expect((await summaries()).map(brief)).toEqual([["1m/12:00:00Z", 0, true, false, { count: 3, sum: 3 }]]);
  });

  it("with another window closes the old one as reconfigured; the unchanged one goes on through a crash", async () => {
    const { agent, publish, summaries } = await running();
    await publish(1, 2, 3);
    await agent.writeProfile("room", profile({ version: "1.1.0", windows: [MINUTELY_MAX, HOURLY] }));
    await agent.reload();
    expect((await summaries()).map(brief)).toEqual([["1m/12:00:00Z", 0, true, true, { count: 3, sum: 3 }]]);
    await agent.kill();
    await agent.start();
    // A reading that was there before the change is still a duplicate.
    await publish(3, 4, MINUTE, 60 * MINUTE);
    expect((await summaries()).slice(1).map(brief)).toEqual([
      ["1m/12:00:00Z/2", 0, true, false, { count: 1, sum: 1, max: 1 }],
      ["1m/12:01:00Z", 0, true, false, { count: 1, sum: 1, max: 1 }],
      ["1h/12:00:00Z", 0, true, false, { count: 5, sum: 5 }],
    ]);
    const { byDevice } = await agent.status();
    expect(byDevice).toMatchObject([{ received: 7, accepted: 6, rejected: { duplicate: 1 } }]);
    expectAccounted(byDevice);
  });

  it("closes the windows of a profile that is gone, and takes readings again when it is back", async () => {
    const { agent, publish, summaries } = await running({ profiles: { room: PROFILE, spare: SPARE } });
    await publish(1);
    await agent.removeProfile("room");
    await agent.reload();
    expect((await summaries()).map(brief)).toEqual([
      ["1m/12:00:00Z", 0, true, true, { count: 1, sum: 1 }],
      ["1h/12:00:00Z", 0, true, true, { count: 1, sum: 1 }],
    ]);
    await agent.writeProfile("room", PROFILE);
    await agent.reload();
    await publish(2, MINUTE);
    expect((await summaries()).slice(2).map(brief)).toEqual([
      ["1m/12:00:00Z/2", 0, true, false, { count: 1, sum: 1 }],
    ]);
    await agent.removeProfile("room");
    await agent.reload();
    await agent.writeProfile("room", profile({ version: "2.0.0", windows: [HOURLY] }));
    await agent.reload();
    await agent.kill();
    await agent.start();
    await publish(MINUTE + 1);
    const { byDevice } = await agent.status();
    expect(byDevice).toMatchObject([{ accepted: 4, rejected: {}, openWindows: 1 }]);
  });

  it("with groups puts a profile out of force whose id stands for them, and a start leaves it out, too", async () => {
    const port = await freePort();
    const group = SPARE.replace("id: spare", "id: group");
    const { agent, publish, summaries } = await running({
      config: brokerConfig(port),
      profiles: { room: PROFILE, group },
      port,
    });
    expect(agent.events("file-problem")).toEqual([]);
    await publish(1);
    const hall = "groups: [{ name: hall, windows: [{ name: 1m, tumbling: 1m, fields: { x: [count] } }] }]";
    await agent.configure({ config: `${brokerConfig(port)}\n${hall}` });
    await agent.reload();
    expect(JSON.stringify(agent.events("file-problem"))).toMatch(/group\.yaml:1:1 reserved-id /);
    expect(agent.events("profiles-changed").at(-1)).toMatchObject({ removed: "group" });
    // Nor does it come back from the store when nothing else can be read.
    await agent.writeProfile("group", "id: group");
    await agent.reload();
    await agent.kill();
    await agent.writeProfile("group", group);
    await agent.removeProfile("room");
    await agent.start();
    expect(JSON.stringify(agent.events("file-problem"))).toMatch(/group\.yaml:1:1 reserved-id /);
    expect(agent.events("profiles-kept")).toMatchObject([{ profiles: "room" }]);
    await publish(2, MINUTE);
    expect((await summaries()).map(({ id }) => id.replace("gw/", ""))).toEqual([
      "room/kitchen/1m/2026-01-14T12:00:00Z",
      "group/hall/1m/2026-01-14T12:00:00Z",
    ]);
    // With it alone there would be no profile.
    await agent.reload("reload-refused");
  });

  it.each(["is missing", "is empty", "is no folder"])(
    "when the folder of the profiles %s is refused, and so is taking away every profile at a start",
    async (hazard) => {
      const { agent, publish, summaries } = await running({ profiles: { room: PROFILE, spare: SPARE } });
      await publish(1);
      await agent.removeProfile("spare");
      await agent.reload();
      const folder = join(agent.folder, "profiles");
      await rename(folder, `${folder}.aside`);
      if (hazard === "is empty") await mkdir(folder);
      if (hazard === "is no folder") await writeFile(folder, "");
      await agent.reload("reload-refused");
      expect(JSON.stringify(agent.events("file-problem"))).toContain("weir.yaml:");
      await publish(2);
      await agent.kill();
      await agent.start();
      // What was taken away before stays away.
      expect(agent.events("profiles-kept")).toMatchObject([{ profiles: "room" }]);
      expect(agent.events("profiles-changed")).toEqual([]);
      await publish(3, MINUTE);
      expect((await summaries()).map(brief)).toEqual([
        ["1m/12:00:00Z", 0, true, false, { count: 3, sum: 3 }],
      ]);
      expectAccounted((await agent.status()).byDevice);
    },
  );

  it("with another zone of the gateway says that a restart is needed, and until then keeps the old one", async () => {
    const { agent } = await running();
    const text = await readFile(join(agent.folder, "weir.yaml"), "utf8");
    await agent.write("weir.yaml", text.replace("zone: UTC", "zone: Pacific/Auckland"));
    await agent.reload();
    expect(agent.events("restart-needed")).toMatchObject([{ section: "gateway" }]);
    expect(agent.events("profiles-changed")).toHaveLength(1);
    await agent.kill();
    await agent.start();
    expect(agent.events("profiles-changed")).toMatchObject([{ changed: "room" }]);
  });

  it("opens a broker whose user file had a mistake, when it is mended", async () => {
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      config: [
        "sources:",
        `  - { name: local, type: broker, listen: "127.0.0.1:${port}", users: users }`,
        '  - { name: spare, type: broker, listen: "127.0.0.1:0" }',
      ].join("\n"),
      profiles: { room: PROFILE },
    });
    await writeFile(join(agent.folder, "users"), "kitchen:not a hash\n");
    await agent.start();
    expect(agent.events("part-failed")).toMatchObject([{ part: "source local" }]);
    expect((await agent.status()).sources).toMatchObject([
      { name: "local", state: "failed" },
      { name: "spare", state: "listening" },
    ]);
    await writeFile(join(agent.folder, "users"), `kitchen:${await hashPassword("secret")}\n`);
    await agent.reload();
    const login = await RawMqtt.login(port, "kitchen", { username: "kitchen", password: "secret" });
    expect(login.ofType(0x20)[0]![3]).toBe(0);
  });
});

describe("a target whose file cannot be written", () => {
  it("stops neither a start nor a reload, and log and status tell of it until it can", async () => {
    const port = await freePort();
    const target = "targets: [{ name: archive, type: file, path: usb/out.jsonl }]";
    const agent = await AgentProcess.prepare({
      config: `${brokerConfig(port)}\n${target}`,
      profiles: { room: PROFILE },
    });
    const state = async () => (await agent.status()).targets[0]!.upstream.state;
    const becomes = (wanted: string): Promise<void> =>
      until(async () => (await state()) === wanted, { what: `the target is ${wanted}` });
    await agent.start();
    expect(JSON.stringify(agent.events("file-problem"))).toMatch(/weir\.yaml:\d+:\d+ no-folder /);
    expect(await state()).not.toBe("ready");
    await becomes("failing");
    await agent.reload();
    expect(agent.events("reloaded")).toMatchObject([{ problems: 1 }]);
    expect(agent.events("file-problem")).toHaveLength(2);
    await mkdir(join(agent.folder, "usb"));
    await becomes("ready");
    await agent.reload();
    expect(agent.events("reloaded")[1]).toMatchObject({ problems: 0 });
  });
});

describeWithTools(["mosquitto", "mosquitto_passwd"], "a reload of a target", () => {
  it("takes on a password that was wrong", async () => {
    const folder = await temporaryFolder();
    const passwords = join(folder, "passwords");
    execFileSync(findTool("mosquitto_passwd")!, ["-b", "-c", passwords, "weir", "right"]);
    const lines = [`password_file ${passwords}`];
    const upstream = await startMosquitto({ anonymous: false, lines });
    const port = await freePort();
    const config = (password: string) =>
      [
        brokerConfig(port),
        "targets:",
        `  - { name: cloud, type: mqtt, url: "${upstream.url}", username: weir, password: ${password} }`,
      ].join("\n");
    const agent = await AgentProcess.prepare({ config: config("wrong"), profiles: { room: PROFILE } });
    await agent.start();
    expect(await agent.logged("mqtt-connect-failed")).toMatchObject({ target: "cloud" });
    await agent.configure({ config: config("right") });
    await agent.reload();
    expect(await agent.logged("mqtt-connected")).toMatchObject({ target: "cloud" });
  });
});
