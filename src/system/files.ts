import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, WeirError } from "../model/errors.js";

/**
 * Replaces a file so that a crash at any instant leaves the old content or the new, never a part: written beside it,
 * synced, renamed over it, and the folder synced, without which the rename itself may be lost in a power cut.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = await open(temporary, "w", options.mode ?? 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw new WeirError("write-failed", `cannot write ${path}: ${messageOf(error)}`, {
      hint: "check that the folder exists, is writable and has room",
      retryable: true,
      cause: error,
    });
  }
}

/** Makes created, renamed and removed names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates a folder that nobody but this user and group can enter, with its parents. An existing one is used as it
 * is, but must be a folder and not open to everybody for writing: what others can replace cannot keep a promise.
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    const created = await mkdir(path, { recursive: true, mode: 0o750 });
    if (created !== undefined) await chmod(path, 0o750);
  } catch (error) {
    throw new WeirError("folder-unusable", `cannot create the folder ${path}: ${messageOf(error)}`, {
      hint: "give a path that this user may write to",
      cause: error,
    });
  }
  const target = await lstat(path);
  const sticky = (target.mode & 0o1000) !== 0;
  if ((target.mode & 0o002) !== 0 && !target.isSymbolicLink() && !sticky) {
    throw new WeirError("folder-unusable", `the folder ${path} may be written to by everybody`, {
      hint: `chmod o-w ${path}`,
    });
  }
}
