/**
 * A real systemd for tests: a small Debian root made once, and booted in a container (systemd-nspawn) on an overlay,
 * so that each boot finds it untouched. Needs root and the programs in `CONTAINER_TOOLS`; no network while it runs.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { until } from "./tools.js";

export const CONTAINER_TOOLS = ["mmdebstrap", "systemd-nspawn", "nsenter", "mount"] as const;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Container {
  /** Runs a command inside, as root; an exit code is a result, not an error. */
  run(...command: readonly string[]): Promise<CommandResult>;
  /** Puts a file in, with its folders; not below /run or /tmp, which are file systems of the container itself. */
  write(path: string, content: string): Promise<void>;
  /** Powers off, or kills what does not, and takes everything away. */
  stop(): Promise<void>;
}

const PACKAGES = ["systemd", "systemd-sysv", "dbus", "procps", "socat", "udev", "libstdc++6"];

/** Unpacks the root, once per machine and list of packages; takes half a minute. */
export async function prepareRoot(): Promise<string> {
  const version = createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 8);
  const root = join(tmpdir(), `weir-systemd-root-${version}`);
  if ((await execute("test", ["-x", join(root, "lib/systemd/systemd")])).code === 0) return root;
  const making = await mkdtemp(`${root}.`);
  const made = await execute("mmdebstrap", [
    "--variant=minbase",
    `--include=${PACKAGES.join(",")}`,
    "--dpkgopt=path-exclude=/usr/share/{doc,man,locale}/*",
    "bookworm",
    join(making, "root"),
  ]);
  if (made.code === 0) await rename(join(making, "root"), root).catch(() => undefined);
  await rm(making, { recursive: true, force: true });
  if (made.code !== 0) throw new Error(`mmdebstrap: ${made.stderr.trim().split("\n").at(-1)}`);
  return root;
}

export interface BootOptions {
  readonly root: string;
  /** Folders or files that are seen inside, read-only: `[here, there]`. */
  readonly binds: readonly (readonly [string, string])[];
  /** Symbolic links to make inside: `[path, target]`. */
  readonly links: readonly (readonly [string, string])[];
}

export async function bootContainer(options: BootOptions): Promise<Container> {
  const folder = await mkdtemp(join(tmpdir(), "weir-container-"));
  const tree = join(folder, "tree");
  await mountOverlay(options.root, folder, tree);
  for (const [path, target] of options.links) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await symlink(target, join(tree, path));
  }
  const nspawn = startNspawn(tree, folder, options.binds);
  const exited = new Promise<void>((resolve) => nspawn.once("exit", () => resolve()));
  const takeAway = async (): Promise<void> => {
    await execute("umount", ["--lazy", tree]);
    await execute("umount", ["--lazy", join(folder, "layers")]);
    await rm(folder, { recursive: true, force: true });
  };

  let leader: number;
  const run = (...command: readonly string[]): Promise<CommandResult> =>
    execute("nsenter", [
      ...["-t", String(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "-i"],
      ...["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", ...command],
    ]);
  try {
    leader = await findLeader(nspawn, join(folder, "console"));
    await until(async () => /running|degraded/.test((await run("systemctl", "is-system-running")).stdout), {
      what: "systemd has booted",
    });
  } catch (error) {
    nspawn.kill("SIGKILL");
    await exited;
    await takeAway();
    throw error;
  }
  return {
    run,
    async write(path, content) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), content);
    },
    async stop() {
      await run("systemctl", "poweroff", "--no-block");
      const killer = setTimeout(() => nspawn.kill("SIGKILL"), 20_000);
      await exited;
      clearTimeout(killer);
      await takeAway();
    },
  };
}

/** The root below, a file system in memory above. */
async function mountOverlay(root: string, folder: string, tree: string): Promise<void> {
  const layers = join(folder, "layers");
  await mkdir(layers);
  await mkdir(tree);
  await executeOrThrow("mount", ["-t", "tmpfs", "tmpfs", layers]);
  await mkdir(join(layers, "upper"));
  await mkdir(join(layers, "work"));
  const overlay = `lowerdir=${root},upperdir=${join(layers, "upper")},workdir=${join(layers, "work")}`;
  await executeOrThrow("mount", ["-t", "overlay", "overlay", "-o", overlay, tree]);
}

function startNspawn(tree: string, folder: string, binds: BootOptions["binds"]): ChildProcess {
  const console = openSync(join(folder, "console"), "w");
  return spawn(
    "systemd-nspawn",
    [
      ...["--quiet", "-D", tree, "--register=no", "--keep-unit", "--private-network"],
      `--machine=weir-test-${process.pid}`,
      ...binds.map(([here, there]) => `--bind-ro=${here}:${there}`),
      ...["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--boot", "--console=pipe"],
    ],
    { stdio: ["ignore", console, console] },
  );
}

/** The container's process 1. nspawn's first child is a short-lived helper, so the name is looked at, too. */
async function findLeader(nspawn: ChildProcess, console: string): Promise<number> {
  let found: number | undefined;
  await until(
    () => {
      if (nspawn.exitCode !== null) throw new Error(`systemd-nspawn: ${readFileSync(console, "utf8")}`);
      found = children(nspawn.pid!).find((pid) => read(`/proc/${pid}/comm`).trim() === "systemd");
      return found !== undefined;
    },
    { what: "the container's systemd runs" },
  );
  return found!;
}

function children(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

/** Empty where the process has gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function execute(program: string, args: readonly string[]): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(program, [...args], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

async function executeOrThrow(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await execute(program, args);
  if (code !== 0) throw new Error(`${program}: ${stderr}`);
}
