import { open, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Disk space kept back for the moment the disk is full: opening a LevelDB rewrites its log as a table, so without
 * some room a full disk could not be recovered from even after other files were deleted.
 */
const RESERVE_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

export class Reserve {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, "reserve");
  }

  /**
   * Sees to it that the space is taken.
   * @param inPart whether to keep what there is of it when there is not enough
   * @returns whether all of it is there
   */
  async restore({ inPart }: { readonly inPart: boolean }): Promise<boolean> {
    try {
      await this.#fill();
      return true;
    } catch {
      if (!inPart) await this.giveUp();
      return false;
    }
  }

  async #fill(): Promise<void> {
    const there = await stat(this.#file).catch(() => undefined);
    let bytes = there?.size ?? 0;
    if (bytes >= RESERVE_BYTES) return;
    const file = await open(this.#file, "a", 0o600);
    try {
      // Written, not truncated to size: a sparse file reserves nothing. And in a way that no file system compresses.
      const chunk = incompressible(CHUNK_BYTES);
      while (bytes < RESERVE_BYTES) bytes += (await file.write(chunk)).bytesWritten;
    } finally {
      await file.close();
    }
  }

  async giveUp(): Promise<void> {
    await unlink(this.#file).catch(() => undefined);
  }
}

/** Noise that is the same every time: xorshift32 (G. Marsaglia, Journal of Statistical Software 8(14), 2003). */
function incompressible(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  let state = 0x57656972;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}
