/** What Linux knows of a process, from /proc. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

export interface ProcessFigures {
  /** User and system time of all its threads. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly residentPeakBytes: number;
  /** What it has caused to be written to disk; undefined where the system does not count it. */
  readonly writtenBytes: number | undefined;
  /** What it has handed over in system calls, to files and sockets alike. */
  readonly handedBytes: number | undefined;
}

export const PROC_AVAILABLE = existsSync("/proc/self/stat");

let tickMs = 0;

export function figuresOf(pid: number): ProcessFigures {
  if (tickMs === 0) tickMs = 1_000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  const stats = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name in parentheses, with whatever it likes in it.
  const fields = stats.slice(stats.lastIndexOf(")") + 2).split(" ");
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
    residentBytes: numberIn(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB/m)! * 1_024,
    residentPeakBytes: numberIn(`/proc/${pid}/status`, /^VmHWM:\s+(\d+) kB/m)! * 1_024,
    writtenBytes: numberIn(`/proc/${pid}/io`, /^write_bytes: (\d+)/m),
    handedBytes: numberIn(`/proc/${pid}/io`, /^wchar: (\d+)/m),
  };
}

function numberIn(path: string, pattern: RegExp): number | undefined {
  try {
    const found = pattern.exec(readFileSync(path, "utf8"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

/** Sizes of all files in a folder and those below. */
export async function folderBytes(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true });
  const sizes = await Promise.all(
    entries.map((name) =>
      stat(join(path, name)).then(
        (file) => (file.isFile() ? file.size : 0),
        // LevelDB deletes files while we look.
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
