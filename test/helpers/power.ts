/**
 * Power cuts. With root, a real one as far as a file system can tell: ext4 on a loop device is shut down by its own
 * ioctl without a flush of its journal, so that after the next mount what was not synced is gone. Without root, what
 * the agent syncs is recorded by strace, and after its end the files are cut back to that.
 *
 * The second variant takes renames and deletions as done, which a file system need not; the first one does not.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";
import type { SmallDisk } from "./disks.js";
import type { Seeded } from "./seeded.js";

/** `FS_IOC_SHUTDOWN` with `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`, of linux/fs.h; Perl is on every Debian, and has ioctl. */
const SHUTDOWN =
  'my $how = pack("I", 2); open(my $f, "<", $ARGV[0]) or die "open: $!"; ioctl($f, 0x8004587d, $how) or die "ioctl: $!"';

/**
 * What was not synced is not there after `remount`. The process that writes stands still first, as everything does
 * when the power goes: ext4 lets a sync that is under way during its shutdown succeed all the same, and the process
 * would acknowledge what is gone. It is to be killed before the disk is mounted again.
 */
export function cutPower(disk: SmallDisk, pid: number): void {
  process.kill(pid, "SIGSTOP");
  execFileSync("perl", ["-e", SHUTDOWN, disk.mountPoint], { stdio: ["ignore", "ignore", "pipe"] });
}

/** Whether a process may be traced here. */
export function canTrace(): boolean {
  try {
    execFileSync("strace", ["-qq", "-e", "trace=none", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** LevelDB's notes for people, and its lock: nothing is read from them. */
const NOT_DATA = /^(LOG|LOG\.old|LOCK)$/;
const SYNCS = "fdatasync,fsync";
const CALLS = `openat,write,pwrite64,rename,${SYNCS}`;
const SYNC_DELAY_US = 15_000;

/** What one process has written to files and what of it is synced, by the system calls it made. */
export class SyncRecord {
  readonly #file: string;
  readonly #syncing: string;

  /** @param syncing what becomes of it: it is slow, as on a card, so that many ends fall into one; or nothing happens */
  constructor(file: string, syncing: "slow" | "pretended") {
    this.#file = file;
    this.#syncing = syncing === "slow" ? `delay_enter=${SYNC_DELAY_US}` : "retval=0";
  }

  /** The command to run a process under; each process overwrites the record of the one before. */
  get command(): readonly string[] {
    const what = ["-e", `trace=${CALLS}`, "-e", "signal=none", "-e", `inject=${SYNCS}:${this.#syncing}`];
    // -D: the process is our child, and strace a grandchild that ends with it.
    return ["strace", "-D", "-f", "-qq", "-y", "-s", "0", ...what, "-o", this.#file];
  }

  /**
   * Does to the files of a folder what a power cut does at worst: of what was written after the last sync only a part
   * is there, or zeros in its place. The process has ended.
   * @returns how many bytes were not synced
   */
  cut(folder: string, random: Seeded): number {
    let unsynced = 0;
    for (const [name, { synced, named }] of this.#syncedFiles(folder)) {
      const path = join(folder, name);
      const size = statSync(path, { throwIfNoEntry: false })?.size;
      if (size === undefined || size <= synced) continue;
      unsynced += size - synced;
      if (!named && random.below(2) === 0) {
        rmSync(path);
        continue;
      }
      const kept = random.below(3) === 0 ? 0 : random.below(size - synced + 1);
      truncateSync(path, synced + kept);
      if (random.below(3) === 0) appendFileSync(path, Buffer.alloc(size - synced - kept));
    }
    return unsynced;
  }

  /** By name; files that the process did not make are as they were. */
  #syncedFiles(folder: string): Map<string, WrittenFile> {
    const files = new Map<string, WrittenFile>();
    /** What a file held when its sync began, which is all that the sync can answer for. */
    const syncing = new Map<SystemCall, number>();
    for (const [call, result] of systemCalls(readFileSync(this.#file, "utf8"))) {
      const file = files.get(nameIn(/^\d+<([^>]*)>/, call.args));
      if (call.name === "rename" && result === 0) {
        const [from, to] = [...call.args.matchAll(/"([^"]*)"/g)].map(([, path]) => basename(path!));
        const moved = files.get(from!);
        files.delete(from!);
        if (moved !== undefined) files.set(to!, moved);
      } else if (call.name === "openat") {
        const made = result !== undefined && result >= 0 && call.args.includes("O_TRUNC");
        if (made) files.set(nameIn(/"([^"]*)"/, call.args), { bytes: 0, synced: 0, named: false });
      } else if (/sync$/.test(call.name) && nameIn(/^\d+<([^>]*)>/, call.args) === basename(folder)) {
        if (result === 0) for (const each of files.values()) each.named = true;
      } else if (file === undefined) {
        // Not one of those that are asked about.
      } else if (/sync$/.test(call.name)) {
        if (result === undefined) syncing.set(call, file.bytes);
        else if (result === 0) {
          file.synced = Math.max(file.synced, syncing.get(call)!);
          file.named ||= file.synced > 0;
        }
      } else if (result !== undefined && result > 0) file.bytes += result;
    }
    const there = readdirSync(folder).filter((name) => !NOT_DATA.test(name) && files.has(name));
    return new Map(there.map((name) => [name, files.get(name)!]));
  }
}

interface WrittenFile {
  bytes: number;
  /** Of these, what is synced. */
  synced: number;
  /** Whether it is in its folder for sure: that was synced since, or the file was, when there was something in it. */
  named: boolean;
}

interface SystemCall {
  readonly name: string;
  readonly args: string;
}

/** Each call twice, in the order in which they began and ended: without a result, and with it. */
function* systemCalls(trace: string): Generator<readonly [SystemCall, number | undefined]> {
  const underWay = new Map<string, SystemCall>();
  for (const line of trace.split("\n")) {
    const begun = /^(\d+) +(\w+)\((.*)$/.exec(line);
    const resumed = /^(\d+) +<\.\.\. \w+ resumed>/.exec(line);
    const thread = (begun ?? resumed)?.[1];
    if (thread === undefined) continue;
    if (begun !== null) {
      underWay.set(thread, { name: begun[2]!, args: begun[3]! });
      yield [underWay.get(thread)!, undefined];
      if (line.endsWith("<unfinished ...>")) continue;
    }
    const call = underWay.get(thread);
    // What strace made up has not happened.
    const result = /\) += (-?\d+)(?!.*\(INJECTED\))/.exec(line)?.[1];
    if (call !== undefined && result !== undefined) yield [call, Number(result)];
    underWay.delete(thread);
  }
}

function nameIn(pattern: RegExp, args: string): string {
  return basename(pattern.exec(args)?.[1] ?? "");
}
