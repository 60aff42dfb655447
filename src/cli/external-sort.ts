import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRecording } from "../source/file.js";

/**
 * Sorts lines by a key in bounded memory: sorted runs go to temporary files, which are merged at the end.
 * Keys hold no tab and no line break, lines no line break. Equal keys keep the order in which they came.
 */
const RUN_CHARACTERS_MAX = 32 * 1024 * 1024;
const WRITE_LINES = 5_000;

interface Entry {
  readonly key: string;
  readonly line: string;
}

export class ExternalSort {
  readonly #runCharactersMax: number;
  #entries: Entry[] = [];
  #characters = 0;
  #folder: string | undefined;
  readonly #runs: string[] = [];

  constructor(runCharactersMax = RUN_CHARACTERS_MAX) {
    this.#runCharactersMax = runCharactersMax;
  }

  add(key: string, line: string): void {
    this.#entries.push({ key, line });
    this.#characters += key.length + line.length;
  }

  /** To be awaited now and then between calls of `add`: writes a run when there is enough for one. */
  async settle(): Promise<void> {
    if (this.#characters >= this.#runCharactersMax) await this.#spill();
  }

  async #spill(): Promise<void> {
    this.#folder ??= await mkdtemp(join(tmpdir(), "weir-sort-"));
    const path = join(this.#folder, `${this.#runs.length}`);
    this.#runs.push(path);
    const entries = this.#sorted();
    const file = await open(path, "w", 0o600);
    try {
      for (let at = 0; at < entries.length; at += WRITE_LINES) {
        const some = entries.slice(at, at + WRITE_LINES);
        await file.write(some.map(({ key, line }) => `${key}\t${line}\n`).join(""));
      }
    } finally {
      await file.close();
    }
  }

  #sorted(): Entry[] {
    const entries = this.#entries.sort((a, b) => compare(a.key, b.key));
    this.#entries = [];
    this.#characters = 0;
    return entries;
  }

  /** All lines in the order of their keys; ends the sorter. */
  async *lines(): AsyncGenerator<string> {
    const last = this.#sorted();
    if (this.#runs.length === 0) {
      for (const { line } of last) yield line;
      return;
    }
    const runs = [...this.#runs.map(readRun), fromMemory(last)];
    const heads = await Promise.all(runs.map((run) => run.next()));
    for (;;) {
      let best = -1;
      for (let i = 0; i < heads.length; i++) {
        if (heads[i]!.done) continue;
        if (best < 0 || compare((heads[i]!.value as Entry).key, (heads[best]!.value as Entry).key) < 0)
          best = i;
      }
      if (best < 0) return;
      yield (heads[best]!.value as Entry).line;
      heads[best] = await runs[best]!.next();
    }
  }

  /** Removes the temporary files. */
  async close(): Promise<void> {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}

async function* readRun(path: string): AsyncGenerator<Entry> {
  const run = await openRecording({ path, encoding: "utf-8", lineBytesMax: Number.MAX_SAFE_INTEGER });
  for await (const batch of run.batches()) {
    for (const text of batch as readonly string[]) {
      const tab = text.indexOf("\t");
      yield { key: text.slice(0, tab), line: text.slice(tab + 1) };
    }
  }
}

async function* fromMemory(entries: readonly Entry[]): AsyncGenerator<Entry> {
  yield* entries;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A time in milliseconds as text that sorts as the number does. */
export function sortableTime(ms: number): string {
  return String(ms + 8.64e15).padStart(17, "0");
}
