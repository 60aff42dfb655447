import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** What a block device has been asked to do so far. */
export interface DeviceFigures {
  readonly writtenBytes: number;
  readonly flushes: number;
}

const MEGABYTES = 96;

/** An ext4 of its own on a loop device, so that nobody else's writes are counted, and those of its journal are. */
export class SmallDisk {
  readonly folder: string;
  readonly #directory: string;
  readonly #device: string;
  #removed = false;

  private constructor(directory: string, folder: string, device: string) {
    this.#directory = directory;
    this.folder = folder;
    this.#device = device;
  }

  /** @returns undefined where this user may not mount */
  static mount(): SmallDisk | undefined {
    const directory = mkdtempSync(join(tmpdir(), "weir-disk-"));
    const [image, folder] = [join(directory, "image"), join(directory, "disk")];
    const quiet = { stdio: "pipe", encoding: "utf8" } as const;
    try {
      execFileSync("truncate", ["-s", `${MEGABYTES}M`, image], quiet);
      const whole = "lazy_itable_init=0,lazy_journal_init=0";
      execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", "-E", whole, image], quiet);
      mkdirSync(folder);
      execFileSync("mount", ["-o", "loop,noatime", image, folder], quiet);
      const device = execFileSync("findmnt", ["-n", "-o", "SOURCE", folder], quiet).trim();
      const disk = new SmallDisk(directory, folder, device);
      process.once("exit", () => disk.remove());
      return disk;
    } catch {
      rmSync(directory, { recursive: true, force: true });
      return undefined;
    }
  }

  /** Kernel documentation, block/stat: the seventh field counts sectors written, the sixteenth flushes. */
  figures(): DeviceFigures {
    const fields = readFileSync(`/sys/block/${basename(this.#device)}/stat`, "utf8")
      .trim()
      .split(/\s+/);
    return { writtenBytes: Number(fields[6]) * 512, flushes: Number(fields[15]) };
  }

  /** Has everything written that the system still keeps in memory. */
  settle(): void {
    execFileSync("sync", ["-f", this.folder]);
  }

  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    execFileSync("umount", ["-l", this.folder]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
