import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FileTarget } from "../../src/forward/file-target.js";
import type { LogEntry } from "../../src/model/summary.js";
import { summaryJson } from "../helpers/memory-log.js";
import { Recorder } from "../helpers/recorder.js";

/** A tmpfs of one megabyte; undefined where this process may not mount. */
async function smallDisk(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "weir-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], { stdio: "pipe" });
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
  onTestFinished(async () => {
    execFileSync("umount", ["-l", folder]);
    await rm(folder, { recursive: true });
  });
  return folder;
}

const entries = (from: number, to: number): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => ({ position: from + at, json: summaryJson(from + at) }));

describe("the file target on a full disk", () => {
  it("rejects, leaves no torn line behind, and loses and repeats nothing once there is room", async (context) => {
    const disk = await smallDisk();
    if (disk === undefined) return context.skip("needs the right to mount");
    const ballast = join(disk, "ballast");
    await writeFile(ballast, Buffer.alloc(900_000));
    const path = join(disk, "summaries.jsonl");
    const observer = new Recorder();
    const target = new FileTarget({
      name: "archive",
      path,
      rotateBytes: 100_000_000,
      keep: 3,
      batch: { entriesMax: 500, bytesMax: 1_000_000 },
      observer,
    });

    let next = 1;
    let failure: unknown;
    while (failure === undefined && next < 100_000) {
      // 100 lines are no multiple of a page, so the failing write is a partial one.
      failure = await target.deliver(entries(next, next + 99)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) next += 100;
    }
    expect(failure).toMatchObject({ code: "file-target-full", retryable: true });
    expect(next).toBeGreaterThan(1);
    await expect(target.deliver(entries(next, next + 99))).rejects.toMatchObject({
      code: "file-target-full",
    });

    await rm(ballast);
    await target.deliver(entries(next, next + 99));
    await target.stop();
    const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
    expect(lines).toEqual(entries(1, next + 99).map((entry) => entry.json));
    expect(await readdir(disk)).toEqual(["summaries.jsonl"]);
    expect(observer.named("file-target-repaired").length).toBeGreaterThan(0);
  });
});
