import { open, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Disk space kept back for the moment the disk is full: opening a LevelDB rewrites its log as a table, so without
 * some room a full disk could not be recovered from even after other files were deleted.
 */
const RESERVE_BYTES = 4 * 1024 * 1024;

export class Reserve {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, "reserve");
  }

  /** Makes sure that the space is taken; does nothing where there is none to take. */
  async restore(): Promise<void> {
    const there = await stat(this.#file).catch(() => undefined);
    if (there !== undefined && there.size >= RESERVE_BYTES) return;
    try {
      const file = await open(this.#file, "w", 0o600);
      try {
        // Written, not truncated to size: a sparse file reserves nothing. Not zeros: some file systems skip those.
        const chunk = Buffer.alloc(1024 * 1024, 0x57);
        for (let written = 0; written < RESERVE_BYTES; written += chunk.length) await file.write(chunk);
      } finally {
        await file.close();
      }
    } catch {
      await this.giveUp();
    }
  }

  async giveUp(): Promise<void> {
    await unlink(this.#file).catch(() => undefined);
  }
}
