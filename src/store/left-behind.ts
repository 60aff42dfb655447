import { open, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * A small file that names the database that was set aside last, for as long as there is something in it to be carried
 * over. It is written before the database is renamed, so that no crash in between forgets it.
 */
export class LeftBehind {
  readonly #folder: string;
  readonly #file: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, "left-behind");
  }

  async remember(name: string): Promise<void> {
    const file = await open(this.#file, "w", 0o600);
    try {
      await file.writeFile(name);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Undefined when there is none, or it was not set aside after all. */
  async name(): Promise<string | undefined> {
    const name = await readFile(this.#file, "utf8").catch(() => "");
    if (!/^[\w.-]+$/.test(name)) return undefined;
    const found = await stat(join(this.#folder, name)).catch(() => undefined);
    return found === undefined ? undefined : name;
  }

  async forget(): Promise<void> {
    await unlink(this.#file).catch(() => undefined);
  }
}
