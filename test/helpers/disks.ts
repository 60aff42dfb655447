/**
 * Small file systems of a test's own, because only a real one is full as a gateway's is, and what can be done to them:
 * filled to the brim by somebody else's file, and frozen. They go away with the test.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { findTool, temporaryFolder, until } from "./tools.js";

export type DiskKind = "ext4" | "tmpfs" | "btrfs quota";

export interface SmallDisk {
  readonly kind: DiskKind;
  readonly mountPoint: string;
  /** An empty folder on it; where there is a quota, the quota is the folder's. */
  readonly folder: string;
  /** The file that a loop device makes a disk of. */
  readonly image: string | undefined;
}

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(findTool(program) ?? program, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });

/** btrfs does not come smaller. */
const BTRFS_MEGABYTES = 200;

/** @returns why there is none: no right to mount, no such program, or a kernel without it */
export async function smallDisk(kind: DiskKind, megabytes: number): Promise<SmallDisk | string> {
  const parent = await temporaryFolder();
  const image = join(parent, "image");
  const mountPoint = join(parent, "disk");
  mkdirSync(mountPoint);
  try {
    switch (kind) {
      case "tmpfs":
        run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", mountPoint);
        break;
      case "ext4":
        run("truncate", "-s", `${megabytes}M`, image);
        run("mkfs.ext4", "-q", "-F", "-m", "0", image);
        run("mount", "-o", "loop,errors=remount-ro", image, mountPoint);
        break;
      case "btrfs quota":
        run("truncate", "-s", `${BTRFS_MEGABYTES}M`, image);
        run("mkfs.btrfs", "-q", image);
        run("mount", "-o", "loop", image, mountPoint);
    }
    onTestFinished(() => void run("umount", "-l", mountPoint));
    const folder = join(mountPoint, "folder");
    if (kind === "btrfs quota") {
      run("btrfs", "quota", "enable", mountPoint);
      run("btrfs", "subvolume", "create", folder);
      run("btrfs", "qgroup", "limit", `${megabytes}M`, folder);
    } else mkdirSync(folder);
    return { kind, mountPoint, folder, image: kind === "tmpfs" ? undefined : image };
  } catch (error) {
    return `no ${kind}: ${error instanceof Error ? error.message.split("\n").at(-2) : String(error)}`;
  }
}

const CHUNKS_BYTES = [1_048_576, 65_536, 4_096, 512];
const TOP_UP_MS = 2;

/** A file of somebody else on the same disk, that takes whatever room there is. */
export class Ballast {
  readonly #path: string;
  #file: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(disk: SmallDisk) {
    this.#path = join(disk.folder, "ballast");
    onTestFinished(() => this.remove());
  }

  /** Fills the disk to the brim. */
  fill(): void {
    this.#topUp();
  }

  /** Fills the disk, and takes whatever room there will be. */
  keepFull(): void {
    this.#topUp();
    this.#timer = setInterval(() => this.#topUp(), TOP_UP_MS);
  }

  #topUp(): void {
    this.#file ??= openOrNot(this.#path);
    if (this.#file === undefined) return;
    for (const bytes of CHUNKS_BYTES) {
      const chunk = Buffer.alloc(bytes, "ballast");
      while (wrote(this.#file, chunk));
    }
  }

  remove(): void {
    clearInterval(this.#timer);
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    rmSync(this.#path, { force: true });
  }
}

/** A quota that is reached refuses even an empty file. */
function openOrNot(path: string): number | undefined {
  try {
    return openSync(path, "w");
  } catch {
    return undefined;
  }
}

function wrote(file: number, chunk: Buffer): boolean {
  try {
    return writeSync(file, chunk) === chunk.length;
  } catch {
    return false;
  }
}

/** Every write waits, as on a card that is busy with itself, until `thaw`. */
export function freeze(disk: SmallDisk): () => void {
  run("fsfreeze", "-f", disk.mountPoint);
  let frozen = true;
  const thaw = () => {
    if (frozen) run("fsfreeze", "-u", disk.mountPoint);
    frozen = false;
  };
  onTestFinished(thaw);
  return thaw;
}

/** Of the loop device, in /dev and /sys: another one behind every mount, when tests beside this one have disks, too. */
function deviceName({ image }: SmallDisk): string {
  return run("losetup", "-n", "-O", "NAME", "-j", image!).trim().replace("/dev/", "");
}

/** ext4 finds itself damaged, and becomes read-only as it was mounted to; only mounting it again ends that. */
export function breakFileSystem(disk: SmallDisk): void {
  const trigger = openSync(`/sys/fs/ext4/${deviceName(disk)}/trigger_fs_error`, "w");
  writeSync(trigger, "a test");
  closeSync(trigger);
}

/** Mounts it again, as a reboot does; nobody may have a file of it open. */
export async function remount(disk: SmallDisk): Promise<void> {
  const image = disk.image!;
  run("umount", disk.mountPoint);
  // It goes with the last mount, and namespaces of other tests may have one: the file system would be the same still.
  await until(() => run("losetup", "-n", "-j", image).trim() === "", { what: "the loop device has gone" });
  run("mount", "-o", "loop", image, disk.mountPoint);
}

/** RLIMIT_FSIZE of a running process: a longer file fails with EFBIG. */
export function limitFileSize(pid: number, bytes: number | "unlimited"): void {
  run("prlimit", "--pid", `${pid}`, `--fsize=${bytes}:unlimited`);
}

/** What strace makes of system calls (strace(1), "Tampering"). */
export interface Injection {
  /** By system calls, such as `fdatasync` or `rename,renameat2`: such as `error=EIO` or `delay_exit=300000` (µs). */
  readonly calls: Readonly<Record<string, string>>;
  /** Only calls that concern one of these files; all when there is none. */
  readonly paths?: readonly string[];
}

export interface Injected {
  /** Calls that were tampered with so far. */
  hits(): number;
  end(): Promise<void>;
}

/** Tampers with the system calls of a running process, in all threads of it, until `end`. */
export async function inject(pid: number, { calls, paths = [] }: Injection): Promise<Injected> {
  const tampering = Object.entries(calls).flatMap(([names, what]) => ["-e", `inject=${names}:${what}`]);
  const traced = Object.keys(calls).join(",");
  const only = paths.flatMap((path) => ["-P", path]);
  const strace = spawn("strace", ["-f", "-p", `${pid}`, "-e", `trace=${traced}`, ...tampering, ...only], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let hits = 0;
  let attached = false;
  let said = "";
  createInterface({ input: strace.stderr }).on("line", (line) => {
    if (/INJECTED|DELAYED/.test(line)) hits++;
    attached ||= / attached/.test(line);
    said = line;
  });
  const gone = once(strace, "close");
  const end = async (): Promise<void> => {
    strace.kill("SIGINT");
    await gone;
  };
  onTestFinished(end);
  await until(
    () => {
      if (strace.exitCode !== null) throw new Error(`strace cannot attach: ${said}`);
      return attached;
    },
    { what: "strace has attached" },
  );
  return { hits: () => hits, end };
}

const NUMBERS_AHEAD = 60;

/**
 * Paths of the files that a LevelDB has and may make next: all that it writes, opens, renames and removes, but LOCK, so
 * that an opening which fails has got as far as CURRENT.
 */
export function databaseFiles(folder: string): string[] {
  const there = readdirSync(folder).map((name) => Number(/\d+/.exec(name)?.[0] ?? 0));
  const numbers = Array.from({ length: Math.max(...there) + NUMBERS_AHEAD }, (_, i) =>
    `${i}`.padStart(6, "0"),
  );
  const names = numbers.flatMap((n) => [`${n}.log`, `${n}.ldb`, `${n}.dbtmp`, `MANIFEST-${n}`]);
  return ["CURRENT", "LOG", "LOG.old", ...names].map((name) => join(folder, name));
}
