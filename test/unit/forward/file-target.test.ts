import { execFileSync } from "node:child_process";
import { appendFile, chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { rotate } from "../../../src/forward/append-file.js";
import { FileTarget, type FileTargetOptions } from "../../../src/forward/file-target.js";
import type { LogEntry } from "../../../src/model/summary.js";
import { summaryJson } from "../../helpers/memory-log.js";
import { Recorder } from "../../helpers/recorder.js";
import { temporaryFolder, until } from "../../helpers/tools.js";

interface Rig {
  readonly target: FileTarget;
  readonly recorder: Recorder;
  readonly folder: string;
  readonly path: string;
}

async function rig(options: Partial<FileTargetOptions> & { readonly folder?: string } = {}): Promise<Rig> {
  const folder = options.folder ?? (await temporaryFolder());
  const path = options.path ?? join(folder, "summaries.jsonl");
  const recorder = new Recorder();
  const { rotateBytes = 1_000_000, keep = 3 } = options;
  const target = new FileTarget({
    name: "archive",
    path,
    rotateBytes,
    keep,
    batch: { entriesMax: 500, bytesMax: 1_000_000 },
    observer: recorder,
  });
  onTestFinished(() => target.stop());
  target.start();
  return { target, recorder, folder, path };
}

const entries = (from: number, to: number): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => ({ position: from + at, json: summaryJson(from + at) }));

/** Positions in a file, by the count that `summaryJson` puts in; throws on a line that is not JSON. */
async function positions(path: string): Promise<number[]> {
  const text = await readFile(path, "utf8");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line).fields.temperature.count as number);
}

describe("FileTarget", () => {
  it("writes the canonical bytes, one line each, and lets only owner and group read", async () => {
    const { target, path } = await rig();
    await target.deliver(entries(1, 2));
    await target.deliver(entries(3, 3));
    const expected = entries(1, 3).map((entry) => `${entry.json}\n`);
    expect(await readFile(path, "utf8")).toBe(expected.join(""));
    expect((await stat(path)).mode & 0o137).toBe(0);
  });

  it("cuts off the torn line that a crash left, says so, and writes on behind the last whole one", async () => {
    const { target, path, recorder } = await rig();
    const whole = `${summaryJson(1)}\n`;
    await writeFile(path, `${whole}${summaryJson(2).slice(0, 40)}`);
    await target.deliver(entries(2, 3));
    expect(await positions(path)).toEqual([1, 2, 3]);
    expect(recorder.named("file-target-repaired")).toEqual([{ target: "archive", path, bytes: 40 }]);
  });

  it("finds the last whole line however long the torn one is, and one at the very start", async () => {
    for (const torn of [1, 65_535, 65_536, 65_537, 200_000]) {
      const { target, path } = await rig();
      await writeFile(path, `${summaryJson(1)}\n${"x".repeat(torn)}`);
      await target.deliver(entries(2, 2));
      expect(await positions(path)).toEqual([1, 2]);
    }
    const { target, path } = await rig();
    await writeFile(path, "{");
    await target.deliver(entries(1, 1));
    expect(await positions(path)).toEqual([1]);
  });

  it("mends a torn summary of several megabytes, also where it is all there is, or zeros of a power cut", async () => {
    const torn = summaryJson(2).replace('"fields":{', `"fields":{"${"x".repeat(5_000_000)}`);
    for (const [whole, cut] of [
      [1, torn],
      [0, torn],
      [1, "\0".repeat(2_000_000)],
    ] as const) {
      const { target, path, recorder } = await rig({ rotateBytes: 10_000_000 });
      await writeFile(path, `${`${summaryJson(1)}\n`.repeat(whole)}${cut}`);
      await target.deliver(entries(2, 2));
      expect(await positions(path)).toEqual(whole === 0 ? [2] : [1, 2]);
      expect(recorder.named("file-target-repaired")).toMatchObject([{ bytes: cut.length }]);
    }
  });

  it.each([
    ["was never one of lines", "A".repeat(3_000_000)],
    ["is one long document of another kind", `{"id":"tiles","features":["${"x".repeat(3_000_000)}"]}`],
    ["someone else wrote on in", `${summaryJson(1)}\n${"A".repeat(3_000_000)}`],
    ["holds nothing but zeros", "\0".repeat(3_000_000)],
  ])("does not cut a file that %s", async (_hazard, text) => {
    const { target, path } = await rig();
    await writeFile(path, text);
    await expect(target.deliver(entries(1, 1))).rejects.toMatchObject({ code: "file-target-foreign" });
    expect((await stat(path)).size).toBe(text.length);
  });

  it("keeps every line through rotations, oldest in the highest number, none longer than the limit", async () => {
    const lineBytes = summaryJson(10).length + 1;
    const { target, path, folder } = await rig({ rotateBytes: 3 * lineBytes + 5, keep: 9 });
    await target.deliver(entries(10, 14));
    await target.deliver(entries(15, 15));
    await target.deliver(entries(16, 22));
    const names = (await readdir(folder)).sort().reverse();
    expect(names).toHaveLength(5);
    const all = [];
    for (const name of [...names.filter((n) => n !== "summaries.jsonl"), "summaries.jsonl"]) {
      expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(3 * lineBytes + 5);
      all.push(...(await positions(join(folder, name))));
    }
    expect(all).toEqual(entries(10, 22).map((entry) => entry.position));
    expect(await positions(path)).toEqual([22]);
  });

  it("removes the oldest beyond `keep`, and says which", async () => {
    const { target, path, folder, recorder } = await rig({ rotateBytes: 10, keep: 2 });
    await target.deliver(entries(1, 5));
    expect((await readdir(folder)).sort()).toEqual([
      "summaries.jsonl",
      "summaries.jsonl.1",
      "summaries.jsonl.2",
    ]);
    expect(await positions(path)).toEqual([5]);
    expect(await positions(`${path}.2`)).toEqual([3]);
    expect(
      recorder.named("file-target-rotated").map((event) => (event as { removed: string }).removed),
    ).toEqual(["", "", `${path}.2`, `${path}.2`]);
  });

  it("gives a line longer than the limit a file of its own", async () => {
    const { target, path } = await rig({ rotateBytes: 10, keep: 0 });
    await target.deliver(entries(1, 1));
    expect(await positions(path)).toEqual([1]);
  });

  it.each([0, 1, 2, 3])(
    "loses nothing to a rotation that a crash cut off after %d renames",
    async (renames) => {
      const folder = await temporaryFolder();
      const path = join(folder, "f");
      for (const [n, name] of [path, `${path}.1`, `${path}.2`].entries()) await writeFile(name, `${n}\n`);
      // The renames of a rotation, from the oldest, up to the crash.
      for (const n of [3, 2, 1].slice(0, renames))
        await rename(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
      const { target } = await rig({ folder, path, rotateBytes: 1_000_000, keep: 5 });
      await target.deliver(entries(1, 1));
      await target.stop();
      await rotate(path, 5);
      const texts = await Promise.all(
        (await readdir(folder)).sort().map((name) => readFile(join(folder, name), "utf8")),
      );
      const text = texts.join("");
      for (const line of ["0\n", "1\n", "2\n", `${summaryJson(1)}\n`]) expect(text).toContain(line);
    },
  );

  it("starts a new file where logrotate has moved the old one, or someone removed it", async () => {
    const { target, path } = await rig();
    await target.deliver(entries(1, 1));
    await rename(path, `${path}-20260114`);
    await target.deliver(entries(2, 2));
    await rm(path);
    await target.deliver(entries(3, 3));
    expect(await positions(`${path}-20260114`)).toEqual([1]);
    expect(await positions(path)).toEqual([3]);
  });

  it("waits for the folder instead of creating one beneath a mount point", async () => {
    const folder = join(await temporaryFolder(), "usb");
    const { target, path } = await rig({ folder });
    await expect(target.deliver(entries(1, 1))).rejects.toMatchObject({
      code: "file-target-no-folder",
      retryable: true,
      hint: expect.stringContaining("mount"),
    });
    expect(target.status()).toMatchObject({ state: "failing", detail: expect.stringContaining(path) });
    await mkdir(folder);
    await target.deliver(entries(1, 1));
    expect(await positions(path)).toEqual([1]);
    expect(target.status().state).toBe("ready");
  });

  it("does not call itself ready before there is a place to write to, nor after it is gone", async () => {
    const folder = join(await temporaryFolder(), "usb");
    const { target, path } = await rig({ folder });
    const state = (wanted: string): Promise<void> =>
      until(() => target.status().state === wanted, { what: `the target is ${wanted}` });
    expect(target.status().state).toBe("waiting");
    await state("failing");
    expect(target.status().detail).toContain(folder);
    await mkdir(folder);
    await state("ready");
    expect(await readdir(folder)).toEqual([]);
    await mkdir(path);
    await state("failing");
    expect(target.status().detail).toContain("not an ordinary file");
    await rm(folder, { recursive: true });
    await writeFile(folder, "a file where the folder was");
    await state("failing");
  });

  it.skipIf(process.getuid?.() === 0)("does not call itself ready where it may not write", async () => {
    const { target, folder } = await rig();
    await chmod(folder, 0o500);
    await until(() => target.status().state === "failing", { what: "the target is failing" });
  });

  it("does not hang on a pipe", async () => {
    const { target, path } = await rig();
    execFileSync("mkfifo", [path]);
    await expect(target.deliver(entries(1, 1))).rejects.toMatchObject({
      code: "file-target-special",
      retryable: true,
    });
  });

  it.skipIf(process.getuid?.() === 0)("says who must be let in where it may not write", async () => {
    const { target, folder } = await rig();
    await chmod(folder, 0o500);
    await expect(target.deliver(entries(1, 1))).rejects.toMatchObject({
      code: "file-target-denied",
      retryable: true,
    });
  });

  it("writes no half batch twice: what a failed write left is cut off before the next one", async () => {
    const { target, path, recorder } = await rig();
    await target.deliver(entries(1, 2));
    const file = (target as unknown as { file: { append: (text: Buffer) => Promise<void> } }).file;
    file.append = async (text) => {
      await appendFile(path, text.subarray(0, text.length - 20)); // one whole line and a torn one reach the disk
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
    await expect(target.deliver(entries(3, 4))).rejects.toMatchObject({
      code: "file-target-full",
      retryable: true,
    });
    await target.deliver(entries(3, 4));
    expect(await positions(path)).toEqual([1, 2, 3, 4]);
    expect(recorder.named("file-target-repaired")).toHaveLength(1);
  });

  it("takes deliveries in turn, and none after the stop", async () => {
    const { target, path } = await rig();
    const open = [target.deliver(entries(1, 50)), target.deliver(entries(51, 60))];
    const stopping = target.stop();
    const ended = await Promise.allSettled([...open, target.deliver(entries(61, 61))]);
    await stopping;
    const there: number[] = await positions(path).catch(() => []);
    for (const [at, result] of ended.entries()) {
      const first = [1, 51, 61][at]!;
      expect(there.includes(first)).toBe(result.status === "fulfilled");
      if (result.status === "rejected")
        expect(result.reason).toMatchObject({ code: "target-stopped", retryable: true });
    }
    expect(target.status().state).toBe("stopped");
  });
});
