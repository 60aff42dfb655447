import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./child.js";

const config = (maxDelayMs: number, devicesMax: number) => `gateway: { id: bench }
store: { path: store }
limits: { devices: ${devicesMax} }
commit: { maxDelay: ${maxDelayMs}ms }
profiles: { path: profiles }
sources:
  - { name: local, type: broker, listen: "127.0.0.1:0", anonymous: true }
`;

/** Two fields, four aggregates of each, windows of ten seconds; event times out of the past are as good as others. */
const PROFILE = `schema: device-profile/1
id: bench
version: 1.0.0
match: { mqtt: { topics: ["bench/{device}"] } }
decode: { format: json, maxBytes: 8192 }
time: { from: /time, format: epoch-ms, maxPast: never, maxFuture: never, outOfOrderness: 1s, idleTimeout: never }
fields:
  temperature: { from: /temperature, unit: Cel, range: [-40, 85] }
  humidity: { from: /humidity, unit: "%RH", range: [0, 100] }
windows:
  - { name: 10s, tumbling: 10s, allowedLateness: 0s, fields: { "*": [count, mean, min, max] } }
`;

/** A running agent, started as the service is, with a store of its own in a temporary folder. */
export class WeirProcess {
  readonly child: Child;
  readonly port: number;
  readonly folder: string;

  private constructor(child: Child, port: number, folder: string) {
    this.child = child;
    this.port = port;
    this.folder = folder;
  }

  /** @param nodeOptions for profiling; @param within where the folder is made */
  static async start(
    nodeOptions: readonly string[],
    { maxDelayMs = 100, devicesMax = 10_000, within = tmpdir() } = {},
  ): Promise<WeirProcess> {
    const folder = await mkdtemp(join(within, "weir-bench-"));
    await mkdir(join(folder, "profiles"));
    await writeFile(join(folder, "weir.yaml"), config(maxDelayMs, devicesMax));
    await writeFile(join(folder, "profiles/bench.yaml"), PROFILE);
    return await WeirProcess.startIn(folder, nodeOptions);
  }

  /** Starts an agent in a folder in which another one has ended. */
  static async startIn(folder: string, nodeOptions: readonly string[]): Promise<WeirProcess> {
    const child = new Child(["run", "-c", join(folder, "weir.yaml")], "stderr", {
      command: "systemd/weir.sh",
      env: { WEIR_NODE_FLAGS: nodeOptions.join(" ") },
    });
    const [, port] = await child.line(/event=broker-listening .*\baddress=127\.0\.0\.1:(\d+)/);
    return new WeirProcess(child, Number(port), folder);
  }

  get databaseFolder(): string {
    return join(this.folder, "store/db");
  }

  /** Ends the agent in good order and counts what the closed windows in its log hold. */
  async stopAndCount(): Promise<number> {
    await this.child.stop();
    const log = execFileSync(
      process.execPath,
      ["dist/main.js", "log", "-c", join(this.folder, "weir.yaml")],
      {
        encoding: "utf8",
        maxBuffer: 1 << 30,
      },
    );
    let accepted = 0;
    for (const line of log.split("\n")) {
      if (line === "") continue;
      const summary = JSON.parse(line) as { readonly final: boolean; readonly quality: { accepted: number } };
      if (summary.final) accepted += summary.quality.accepted;
    }
    return accepted;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
