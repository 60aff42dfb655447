import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WeirError } from "../../../src/model/errors.js";
import { openRecording, type RecordingOptions } from "../../../src/source/file.js";
import type { Line } from "../../../src/source/line-batches.js";
import { cases } from "../../helpers/cases.js";

const DATA = fileURLToPath(new URL("../../../../shared/data/", import.meta.url));

let folder: string;
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-file-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(content: Uint8Array | string): Promise<string> {
  const path = join(folder, `recording-${++made}`);
  await writeFile(path, content);
  return path;
}

interface Outcome {
  readonly lines: readonly Line[];
  readonly error: WeirError | undefined;
  readonly bytesRead: number;
}

async function read(path: string, options: Partial<RecordingOptions> = {}): Promise<Outcome> {
  const lines: Line[] = [];
  let error: WeirError | undefined;
  let bytesRead = 0;
  try {
    const recording = await openRecording({ path, encoding: "utf-8", lineBytesMax: 1_000_000, ...options });
    try {
      for await (const batch of recording.batches()) {
        expect(batch.length).toBeGreaterThan(0);
        lines.push(...batch);
      }
    } finally {
      bytesRead = recording.bytesRead;
    }
  } catch (thrown) {
    if (!(thrown instanceof WeirError)) throw thrown;
    error = thrown;
  }
  return { lines, error, bytesRead };
}

/** Lines that compress badly, so that a cut falls among them. */
function noise(count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => `${i},${createHash("sha1").update(String(i)).digest("hex")}`,
  );
}

async function* inChunks(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

describe("a recording", () => {
  it("is the same plain, compressed, in several members, and from standard input", async () => {
    const lines = noise(20_000);
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    const members = Buffer.concat([
      gzipSync(bytes.subarray(0, 100)),
      gzipSync(""),
      gzipSync(bytes.subarray(100, 700_000)),
      gzipSync(bytes.subarray(700_000)),
    ]);
    for (const content of [bytes, gzipSync(bytes), members, Buffer.concat([members, Buffer.alloc(512)])]) {
      const outcome = await read(await file(content));
      expect(outcome.error).toBeUndefined();
      expect(outcome.lines).toEqual(lines);
      expect((await read("-", { stdin: inChunks(content) })).lines).toEqual(lines);
    }
  });

  it("is known by its first bytes, even if they come one by one, and not by its name", async () => {
    const compressed = gzipSync("a\nb\n");
    const single = [...compressed].map((byte) => Uint8Array.of(byte));
    expect((await read("-", { stdin: inChunks(...single) })).lines).toEqual(["a", "b"]);
    const misnamed = join(folder, "plain.gz");
    await writeFile(misnamed, "a\nb\n");
    expect((await read(misnamed)).lines).toEqual(["a", "b"]);
    expect((await read(await file(Uint8Array.of(0x1f)), { encoding: "latin1" })).lines).toEqual(["\x1f"]);
  });

  it("may be empty", async () => {
    for (const content of ["", "\n\r\n", gzipSync("")]) {
      expect(await read(await file(content))).toMatchObject({ lines: [], error: undefined });
    }
    expect((await read("-", { stdin: inChunks() })).lines).toEqual([]);
  });

  it("comes back from any lines, compressed or not, at any cut of members", async () => {
    const line = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/[\n\r\ufeff]/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.nat(), fc.boolean(), async (lines, at, compressed) => {
        const bytes = Buffer.from(lines.join("\r\n"));
        const place = at % (bytes.length + 1);
        const parts = [bytes.subarray(0, place), bytes.subarray(place)];
        const chunks = compressed ? [Buffer.concat(parts.map((part) => gzipSync(part)))] : parts;
        expect((await read("-", { stdin: inChunks(...chunks) })).lines).toEqual(lines);
      }),
      cases(100),
    );
  });

  it("tells how far it has been read, and of how much", async () => {
    const content = gzipSync(noise(50_000).join("\n"));
    const recording = await openRecording({
      path: await file(content),
      encoding: "utf-8",
      lineBytesMax: 1_000,
    });
    expect([recording.bytesRead, recording.bytesTotal]).toEqual([0, content.length]);
    const seen: number[] = [];
    for await (const _ of recording.batches()) seen.push(recording.bytesRead);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen[0]).toBeLessThan(content.length);
    expect(seen.at(-1)).toBe(content.length);
    const piped = await openRecording({ path: "-", encoding: "utf-8", lineBytesMax: 1, stdin: inChunks() });
    expect(piped.bytesTotal).toBeUndefined();
  });

  it("can be one payload, up to its limit and one byte beyond", async () => {
    const path = await file('{\n  "a": 1\n}\n');
    const options = { framing: "whole", lineBytesMax: 13 } as const;
    expect((await read(path, options)).lines).toEqual([Buffer.from('{\n  "a": 1\n}\n')]);
    expect((await read(path, { ...options, lineBytesMax: 12 })).lines[0]).toHaveLength(13);
    expect((await read(path, { ...options, lineBytesMax: 5 })).lines).toEqual([Buffer.from('{\n  "a')]);
    const compressed = await file(gzipSync("x".repeat(1_000_000)));
    expect((await read(compressed, { ...options, lineBytesMax: 99 })).lines[0]).toHaveLength(100);
  });

  it("takes little memory, however much comes out of a small file", async () => {
    // 512 MB of zeros with a line break each 64 KB, in half a megabyte.
    const member = gzipSync(
      Buffer.alloc(64 * 1024 * 1024, Buffer.concat([Buffer.alloc(65_535, "0"), Buffer.of(10)])),
    );
    const path = await file(Buffer.concat(Array.from({ length: 8 }, () => member)));
    const recording = await openRecording({ path, encoding: "latin1", lineBytesMax: 70_000 });
    let lines = 0;
    let peakBytes = 0;
    const beforeBytes = process.memoryUsage().arrayBuffers;
    for await (const batch of recording.batches()) {
      lines += batch.length;
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers - beforeBytes);
    }
    expect(lines).toBe(8 * 1_024);
    expect(peakBytes).toBeLessThan(64_000_000);
  });

  it("is closed when its reader leaves early", async () => {
    const openFiles = async () => (await readdir("/proc/self/fd")).length;
    const path = await file(noise(50_000).join("\n"));
    const compressed = await file(gzipSync(noise(50_000).join("\n")));
    const before = await openFiles();
    for (const name of [path, compressed, path, compressed]) {
      const recording = await openRecording({ path: name, encoding: "utf-8", lineBytesMax: 1_000 });
      for await (const _ of recording.batches()) break;
    }
    expect(await openFiles()).toBe(before);
  });
});

describe("a recording that cannot be read", () => {
  it("gives everything before the place where it was cut, then an error", async () => {
    const lines = noise(30_000);
    const whole = gzipSync(lines.join("\n"));
    for (const size of [whole.length - 1, whole.length - 8, Math.floor(whole.length / 2), 400_000]) {
      const { lines: got, error } = await read(await file(whole.subarray(0, size)));
      expect(error).toMatchObject({ code: "file-truncated" });
      expect(error?.hint).toMatch(/copy it again/);
      expect(got).toEqual(lines.slice(0, got.length));
      // Deflate holds back no more than a block.
      expect(got.length).toBeGreaterThan((size / whole.length) * lines.length * 0.9 - 2_000);
    }
    const { lines: none, error } = await read(await file(whole.subarray(0, 5)));
    expect([none, error?.code]).toEqual([[], "file-truncated"]);
  });

  it("is damaged inside, or followed by something else", async () => {
    const whole = gzipSync(noise(30_000).join("\n"));
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, 700_000, 700_100);
    const badSum = Buffer.from(whole);
    badSum[whole.length - 6]! ^= 1;
    for (const content of [damaged, badSum, Buffer.concat([whole, Buffer.from("tail")])]) {
      const { lines, error } = await read(await file(content));
      expect(error).toMatchObject({ code: "file-corrupt" });
      expect(error?.hint).toBeDefined();
      expect(lines.length).toBeGreaterThan(10_000);
    }
  });

  it("does not exist, or is a folder", async () => {
    const missing = await read(join(folder, "nothing"));
    expect(missing.error).toMatchObject({
      code: "file-unreadable",
      hint: expect.stringMatching(/no such file/),
    });
    expect((await read(folder)).error).toMatchObject({
      code: "file-unreadable",
      hint: "name the files in it",
    });
  });

  it.skipIf(process.getuid?.() === 0)("is somebody else's", async () => {
    const path = await file("a");
    await chmod(path, 0);
    expect((await read(path)).error).toMatchObject({ code: "file-unreadable" });
  });

  it("passes on what standard input reports", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("a\nb");
      throw Object.assign(new Error("read EIO"), { code: "EIO" });
    }
    const { lines, error } = await read("-", { stdin: broken() });
    expect(lines).toEqual(["a"]);
    expect(error).toMatchObject({ code: "file-unreadable", message: "cannot read standard input: read EIO" });
  });
});

describe.skipIf(!existsSync(DATA))("recorded data in ../shared/data", () => {
  it("has all its lines", async () => {
    const luftdaten = await read(`${DATA}luftdaten/dht22_sensor_24544.csv.gz`);
    expect(luftdaten.lines).toHaveLength(13_563);
    const mote = await read(`${DATA}ulb_wsn/lib1_R3.txt`, { encoding: "latin1" });
    expect(mote.lines).toHaveLength(11_029);
    expect(mote.lines[0]).toContain("1\u00a0000");
    const asUtf8 = await read(`${DATA}ulb_wsn/lib1_R3.txt`);
    expect(asUtf8.lines.every((line) => typeof line !== "string")).toBe(true);
    const handle = await open(`${DATA}beijing/PRSA_Data_Dongsi_20130301-20170228.csv.gz`);
    const stdin = handle.createReadStream();
    expect((await read("-", { stdin })).lines).toHaveLength(35_065);
  });
});
