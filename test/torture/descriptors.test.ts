/**
 * Few file descriptors: LevelDB needs one for every new log and table, and connections must not have taken the last of
 * them. Who was let in is served, the others are refused by count, and nothing acknowledged is lost.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { FLEET_PROFILES } from "../helpers/endless-device.js";
import { Fleet } from "../helpers/fleet.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { connectPacket, RawMqtt } from "../helpers/raw-mqtt.js";
import { seeded } from "../helpers/seeded.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { subscribeUpstream } from "../helpers/upstream.js";

const TIMEOUT_MS = LONG ? 900_000 : 240_000;
const PATIENCE_MS = 120_000;
const FILES_MAX = 256;
const GUESTS = 400;
/** LevelDB begins one every 4 MB. */
const NEW_LOGS = rounds(1, 8);

describeWithTools(["mosquitto", "prlimit"], "an agent with few file descriptors", () => {
  it("leaves the store enough of them, however many want to connect", { timeout: TIMEOUT_MS }, async () => {
    const port = await freePort();
    const upstream = await startMosquitto();
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}", connectionsMax: 10000 }]`,
        `targets: [{ name: cloud, type: mqtt, url: "${upstream.url}" }]`,
      ].join("\n"),
      profiles: FLEET_PROFILES,
      under: ["prlimit", `--nofile=${FILES_MAX}:${FILES_MAX}`],
    });
    await agent.start();
    expect(agent.events("connections-limited")).toMatchObject([{ source: "local", openFilesMax: FILES_MAX }]);
    const fleet = new Fleet({ port, random: seeded("few file descriptors") });
    fleet.load.start();
    await until(() => fleet.load.clients.every(({ acknowledged }) => acknowledged > 0), {
      what: "every device of the fleet is in",
    });
    const guests = await crowd(port);
    const database = new Database(join(agent.folder, "store", "db"));
    for (let i = 0; i < NEW_LOGS; i++) await database.beginsLog();
    const [used, there] = [openFiles(agent), guests.filter(({ closed }) => !closed).length];
    await fleet.finish();
    for (const guest of guests) guest.close();
    await fleet.expectKept(agent, received);
    expect(agent.events("store-write-failed")).toEqual([]);
    const { events } = await agent.status();
    const refused = events.find(({ name }) => name === "broker-connection-refused")?.value ?? 0;
    expect(refused + there, "guests that are there or were refused").toBeGreaterThanOrEqual(GUESTS);
    tell(
      "limits, file descriptors while the store needs some",
      `${used} of ${FILES_MAX} used by ${there} guests and 20 devices, ${refused} refused; ${fleet.load.acknowledged} acknowledged, 0 lost`,
    );
  });
});

/** Clients that say who they are, and then nothing. Whoever is refused stays away. */
async function crowd(port: number): Promise<RawMqtt[]> {
  const guests: RawMqtt[] = [];
  for (let i = 0; i < GUESTS; i++) {
    const guest = await RawMqtt.open(port);
    guest.send(connectPacket(`guest-${i}`, { keepaliveS: 0 }));
    guests.push(guest);
  }
  const answered = ({ closed, packets }: RawMqtt): boolean => closed || packets.length > 0;
  await until(() => guests.every(answered), { what: "every guest has been let in or refused" });
  return guests;
}

function openFiles({ pid }: AgentProcess): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

class Database {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Waits until LevelDB goes over to another write-ahead log. */
  async beginsLog(): Promise<void> {
    const before = this.#logs().at(-1)!;
    await until(() => (this.#logs().at(-1) ?? "") > before, {
      what: "LevelDB begins a new log",
      timeoutMs: PATIENCE_MS,
    });
  }

  #logs(): string[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(".log"))
      .sort();
  }
}
