/**
 * A real Mosquitto for tests: own folder, own port, queues without limit so that a test about loss sees only the
 * loss it asks about. It ends with the test that started it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { findTool, freePort, temporaryFolder, until } from "./tools.js";

export interface MosquittoOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Address to listen on and to be reached under. */
  readonly host?: string;
  /** A command that runs the one behind it, in the same process as far as signals are concerned. */
  readonly under?: readonly string[];
  /** Whole configuration lines, added at the end. */
  readonly lines?: readonly string[];
  /** Takes anybody unless false. */
  readonly anonymous?: boolean;
  /** Keeps sessions and queues on disk, so that they outlive `stop` and `start`. */
  readonly persistent?: boolean;
}

export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  /** What it has written to its log since the first start. */
  log(): string;
  /** Starts it again on the same port and folder after `stop` or `kill`. */
  start(): Promise<void>;
  /** SIGTERM; a persistent one writes its sessions. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
}

export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const program = findTool("mosquitto");
  if (program === undefined) throw new Error("mosquitto is not installed");
  const port = options.port ?? (await freePort());
  const { host = "127.0.0.1", under = [] } = options;
  const folder = await temporaryFolder();
  const file = join(folder, "mosquitto.conf");
  await writeFile(file, configuration({ ...options, port, host, folder }));
  let child: ChildProcess | undefined;
  let log = "";

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    running.kill("SIGCONT");
    running.kill(signal);
    await gone;
  };

  const start = async (): Promise<void> => {
    const [command, ...args] = [...under, program, "-c", file];
    const started = spawn(command!, args, { stdio: ["ignore", "pipe", "pipe"] });
    const collect = (chunk: Buffer): void => {
      log += chunk.toString();
    };
    started.stdout.on("data", collect);
    started.stderr.on("data", collect);
    child = started;
    await until(
      () => {
        if (started.exitCode !== null) throw new Error(`mosquitto ended at once:\n${log}`);
        return answers(port, host);
      },
      { what: "mosquitto listens" },
    );
  };

  onTestFinished(() => end("SIGKILL"));
  await start();
  return {
    port,
    url: `mqtt://${host}:${port}`,
    folder,
    log: () => log,
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
  };
}

function configuration(
  options: MosquittoOptions & { readonly port: number; readonly host: string; readonly folder: string },
): string {
  const lines = [
    "per_listener_settings false",
    `listener ${options.port} ${options.host}`,
    `allow_anonymous ${options.anonymous !== false}`,
    // Where it runs as root it would drop to a user who may not enter the test's folder.
    "user root",
    "log_dest stderr",
    "log_type all",
    "connection_messages true",
    "max_queued_messages 0",
    "max_inflight_messages 0",
  ];
  if (options.persistent === true) {
    lines.push("persistence true", `persistence_location ${options.folder}/`);
  }
  return `${[...lines, ...(options.lines ?? [])].join("\n")}\n`;
}

function answers(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
