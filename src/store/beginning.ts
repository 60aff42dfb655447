import { open } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "./level-check.js";

/**
 * A small file beside the database that says that there is one. A database that is not there looks like one that has
 * not been begun yet; with this file it is one that was lost, and what it held has to be told as lost.
 *
 * It is written behind the first synced batch of a process that does not find it, and before that batch is
 * acknowledged; the folder is synced before and after, since a file system may keep the names in it in any order. So no
 * crash leaves the file without a database, nor something acknowledged without the file.
 */
const NAME = "begun";
const TEXT = `There is a database in the folder db. Where that is missing, it was lost, and the next start of the agent says
so. To begin anew on purpose, remove this file together with the database.
`;

export class Beginning {
  readonly #folder: string;
  /** Path of the file. */
  readonly file: string;
  #noted = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.file = join(folder, NAME);
  }

  /** Whether there was a database. */
  async noted(): Promise<boolean> {
    this.#noted ||= await isThere(this.file);
    return this.#noted;
  }

  async note(): Promise<void> {
    if (await this.noted()) return;
    await this.#syncFolder();
    const file = await open(this.file, "w", 0o600);
    try {
      await file.writeFile(TEXT);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#syncFolder();
    this.#noted = true;
  }

  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
