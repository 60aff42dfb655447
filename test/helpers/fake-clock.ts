/**
 * A wall clock of a process's own, by libfaketime: it is stepped while the process runs, and the clock that counts on
 * from the start of the machine is left alone. Every question reads the file, so a step takes effect at once.
 */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./tools.js";

/** Undefined where libfaketime is not installed. */
function findLibrary(): string | undefined {
  const folders = existsSync("/usr/lib") ? readdirSync("/usr/lib") : [];
  return folders
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketime.so.1`)
    .find((path) => existsSync(path));
}

export class FakeClock {
  /** For the process that is to live by it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  #aheadMs = 0;

  private constructor(library: string, file: string) {
    this.#file = file;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      // The name of the second one is of older versions.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
    this.set(0);
  }

  static async create(): Promise<FakeClock> {
    const library = findLibrary();
    if (library === undefined) throw new Error("libfaketime is not installed");
    return new FakeClock(library, join(await temporaryFolder(), "offset"));
  }

  /** How far it is ahead of the test's own clock. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** Steps it to so far ahead of the test's own clock, whole seconds; behind where negative. */
  set(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    const seconds = aheadMs / 1_000;
    // Never half a file, nor none.
    writeFileSync(`${this.#file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
