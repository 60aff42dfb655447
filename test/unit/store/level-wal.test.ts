import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { describe, expect, it } from "vitest";
import { unseenLossBytes } from "../../../src/store/level-wal.js";
import { temporaryFolder } from "../../helpers/tools.js";

/** The write-ahead log that LevelDB makes of some hundred batches. */
async function writeAheadLog(): Promise<Buffer> {
  const path = await temporaryFolder();
  const db = new Level<string, string>(path);
  for (let i = 0; i < 200; i++) await db.put(`key ${i}`, `${i} `.repeat(200));
  await db.close();
  const name = (await readdir(path)).find((file) => file.endsWith(".log"))!;
  return await readFile(join(path, name));
}

describe("LevelDB's write-ahead log", () => {
  it("has lost nothing unseen as it is, nor cut anywhere, nor with zeros behind it", async () => {
    const log = await writeAheadLog();
    expect(log.length).toBeGreaterThan(100_000);
    expect(unseenLossBytes(log)).toBe(0);
    for (let at = log.length - 3_000; at < log.length; at += 7) {
      expect(unseenLossBytes(log.subarray(0, at))).toBe(0);
    }
    expect(unseenLossBytes(Buffer.concat([log, Buffer.alloc(20_000)]))).toBe(0);
    expect(unseenLossBytes(Buffer.alloc(0))).toBe(0);
  });

  it("has lost what lies behind a length that is too large, and behind a sector of zeros", async () => {
    const log = await writeAheadLog();
    const lastBlock = log.length - (log.length % 32_768);
    const long = Buffer.from(log);
    // The first record of the last block may be the rest of one that began before.
    const second = lastBlock + 7 + long.readUInt16LE(lastBlock + 4);
    long[second + 5]! |= 0x80;
    expect(unseenLossBytes(long)).toBe(log.length - second);
    const zeros = Buffer.from(log);
    zeros.fill(0, 32_768, 32_768 + 512);
    expect(unseenLossBytes(zeros)).toBe(32_768);
  });

  it("has lost its last record when that one's length is too large", async () => {
    const log = await writeAheadLog();
    let last = log.length - (log.length % 32_768);
    while (last + 7 + log.readUInt16LE(last + 4) < log.length) last += 7 + log.readUInt16LE(last + 4);
    log[last + 5]! |= 0x80;
    expect(unseenLossBytes(log)).toBe(log.length - last);
  });
});
