import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "vitest";
import { FileTarget } from "../../src/forward/file-target.js";
import { Recorder } from "../helpers/recorder.js";
import { temporaryFolder } from "../helpers/tools.js";
import { targetContract } from "./target.js";

/** The upstream of a file is its folder: a disk that is unmounted and mounted again. */
describe("the file target", () => {
  targetContract(async () => {
    const folder = await temporaryFolder();
    const [mounted, unmounted] = [join(folder, "disk"), join(folder, "unmounted")];
    await mkdir(mounted);
    const path = join(mounted, "summaries.jsonl");
    return {
      create: () =>
        new FileTarget({
          name: "archive",
          path,
          rotateBytes: 20_000,
          keep: 50,
          batch: { entriesMax: 100, bytesMax: 100_000 },
          observer: new Recorder(),
        }),
      received: async () => {
        const age = (name: string): number => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
        const names = (await readdir(mounted)).sort((a, b) => age(b) - age(a));
        const texts = await Promise.all(names.map((name) => readFile(join(mounted, name), "utf8")));
        return texts.join("").split("\n").slice(0, -1);
      },
      takeAway: () => rename(mounted, unmounted),
      bringBack: () => rename(unmounted, mounted),
    };
  });
});
