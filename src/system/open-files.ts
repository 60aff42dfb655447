/**
 * File descriptors, of which a process has only so many, and a connection takes one. When connections have taken the
 * last one, LevelDB cannot begin a new log: nothing can be written, so nothing is acknowledged, so no connection ends,
 * and it stays like this. So connections have to leave the rest of the process what it needs.
 */
import { readFileSync } from "node:fs";

/** The database's own files, upstream connections, local clients, child processes, the runtime. */
const OWN_FILES = 64;
/** LevelDB keeps tables open up to this share of the limit, where it does not map them to memory (its env_posix.cc). */
const TABLES_SHARE = 1 / 5;

/**
 * Files that this process may have open at a time; no end where the system does not say.
 * @param limits text of /proc/self/limits
 */
export function openFilesMax(limits = readLimits()): number {
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

/** How many of them may be connections that come in. */
export function connectionsOf(filesMax: number): number {
  return Math.max(1, Math.floor(filesMax * (1 - TABLES_SHARE)) - OWN_FILES);
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
