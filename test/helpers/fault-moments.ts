/**
 * Moments in an agent's life at which a kill or a power cut is most likely to find something half done. What they
 * wait for comes from outside: acknowledgements that a device has read, and files of the store that change.
 */
import { existsSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import type { AgentProcess } from "./agent-process.js";
import type { Load } from "./mqtt-load.js";
import { moment, type Seeded } from "./seeded.js";
import { until } from "./tools.js";

export type Moment = "load" | "acknowledging" | "recovery" | "checkpoint" | "coarsening" | "reload";

export interface Scene {
  readonly agent: AgentProcess;
  readonly load: Load;
  readonly random: Seeded;
  /** Makes the running agent change over to something else. */
  readonly reload?: () => Promise<void>;
}

/** From the database's being opened until readings are taken; what there is to recover is little here. */
const RECOVERY_MS = 60;
/** A commit of these loads is smaller, and a checkpoint larger. */
const CHECKPOINT_BYTES_MIN = 12_000;

/**
 * Lives until the moment and strikes in it. The agent was started just before, and may still be starting.
 * @param strike does it at once
 */
export async function strikeAt(at: Moment, scene: Scene, strike: () => void): Promise<void> {
  const { agent, load, random } = scene;
  switch (at) {
    case "load":
      await load.progress(1 + random.below(350));
      await moment(random.below(25));
      strike();
      return;
    case "acknowledging":
      await new Promise<void>((resolve) =>
        load.whenAcknowledged(1 + random.below(250), () => {
          strike();
          resolve();
        }),
      );
      return;
    case "recovery":
      await fileChange(join(agent.folder, "store", "db"), (name) => name.startsWith("LOG"));
      await moment(random.below(RECOVERY_MS));
      strike();
      return;
    case "checkpoint":
      await load.progress(1);
      await largeWrite(join(agent.folder, "store", "db"), CHECKPOINT_BYTES_MIN);
      if (random.below(2) === 0) await moment(random.below(5));
      strike();
      return;
    case "coarsening":
      // A pass that has ended is followed by the next one after some commits.
      await agent.logged("log-coarsened");
      await moment(random.below(40));
      strike();
      return;
    case "reload":
      await load.progress(1 + random.below(150));
      await scene.reload!();
      agent.signal("SIGHUP");
      if (random.below(4) === 0) await agent.logged("reloaded");
      else await moment(random.below(40));
      strike();
  }
}

/** Files in the order in which a first start makes them. */
const FIRST_FILES = [
  "store",
  "store/db",
  "store/db/LOCK",
  "store/db/CURRENT",
  "store/reserve",
  "store/begun",
  "store/weir.sock",
];

/** The same for the first start of all, on an empty folder. */
export async function strikeAtFirstStart(
  { agent, random }: Pick<Scene, "agent" | "random">,
  strike: () => void,
): Promise<void> {
  const file = join(agent.folder, FIRST_FILES[random.below(FIRST_FILES.length)]!);
  await until(
    () => {
      if (!agent.running) throw new Error(`the agent ended before it made ${file}:\n${agent.tail()}`);
      return existsSync(file);
    },
    { what: `the agent has made ${file}` },
  );
  await moment(random.below(8));
  strike();
}

/** Resolves when something happens to a file of a folder. */
function fileChange(folder: string, wanted: (name: string) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(folder, (_event, name) => {
      if (name === null || !wanted(name)) return;
      watcher.close();
      resolve();
    });
    watcher.on("error", reject);
  });
}

/** Resolves when LevelDB's write-ahead log has grown by so much since the last time one looked. */
async function largeWrite(folder: string, bytes: number): Promise<void> {
  const sizes = new Map<string, number>();
  await fileChange(folder, (name) => {
    if (!name.endsWith(".log")) return false;
    const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
    const before = sizes.get(name) ?? size;
    sizes.set(name, size);
    return size - before >= bytes;
  });
}
