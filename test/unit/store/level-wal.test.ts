import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { describe, expect, it } from "vitest";
import { readLog } from "../../../src/store/level-wal.js";
import { temporaryFolder } from "../../helpers/tools.js";

const BLOCK = 32_768;

/** The write-ahead log that LevelDB makes of so many batches; the last of a hundred is larger than a block. */
async function writeAheadLog(batches = 200): Promise<Buffer> {
  const path = await temporaryFolder();
  const db = new Level<string, string>(path);
  for (let i = 0; i < batches; i++) await db.put(`key ${i}`, `${i} `.repeat(i % 100 === 99 ? 20_000 : 200));
  await db.close();
  const name = (await readdir(path)).find((file) => file.endsWith(".log"))!;
  return await readFile(join(path, name));
}

function changed(log: Buffer, how: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(log);
  how(copy);
  return copy;
}

/** Where the records of a block begin. */
function recordsOf(log: Buffer, block: number): number[] {
  const places: number[] = [];
  const end = Math.min(log.length, block + BLOCK);
  for (let at = block; at + 7 <= end; at += 7 + log.readUInt16LE(at + 4)) places.push(at);
  return places;
}

describe("LevelDB's write-ahead log", () => {
  it("lacks nothing as it is, and looks like an earlier one where it is cut, or zeros are behind it", async () => {
    const log = await writeAheadLog();
    expect(log.length).toBeGreaterThan(200_000);
    expect(readLog(log)).toEqual({ flaw: undefined, hasBatches: true });
    expect(readLog(Buffer.alloc(0))).toEqual({ flaw: undefined, hasBatches: false });
    for (let at = log.length - 90_000; at < log.length; at += 101) {
      const { flaw } = readLog(log.subarray(0, at));
      if (flaw !== undefined) expect(flaw, `cut at ${at}`).toMatchObject({ isEnd: true, isFollowed: false });
    }
    const { flaw } = readLog(Buffer.concat([log, Buffer.alloc(20_000)]));
    expect(flaw).toEqual({ at: log.length, isEnd: true, isFollowed: false });
  });

  it("has lost what was acknowledged where any bit of a batch has turned that another one follows", async () => {
    const log = await writeAheadLog(20);
    const places = recordsOf(log, 0);
    const last = places.at(-1)!;
    for (let at = 0; at < last; at += 13) {
      const { flaw } = readLog(changed(log, (copy) => copy.writeUInt8(copy[at]! ^ (1 << (at % 8)), at)));
      const record = places.findLast((place) => place <= at);
      expect(flaw, `byte ${at}`).toMatchObject({ at: record, isFollowed: true });
    }
  });

  it("has lost what was acknowledged behind a length that is too large, and behind a sector of zeros", async () => {
    const log = await writeAheadLog();
    const whole = await writeAheadLog(150);
    const second = recordsOf(whole, 0)[1]!;
    const long = changed(whole, (copy) => copy.writeUInt8(copy[second + 5]! | 0x80, second + 5));
    expect(readLog(long).flaw).toEqual({ at: second, isEnd: false, isFollowed: true });
    const zeros = changed(log, (copy) => copy.fill(0, BLOCK, BLOCK + 512));
    expect(readLog(zeros).flaw?.isFollowed).toBe(true);
  });

  it("has lost its last batch when only that one's length is wrong", async () => {
    const log = await writeAheadLog(20);
    const last = recordsOf(log, 0).at(-1)!;
    const long = changed(log, (copy) => copy.writeUInt8(copy[last + 5]! | 0x80, last + 5));
    expect(readLog(long).flaw).toEqual({ at: last, isEnd: true, isFollowed: true });
  });

  it("may have been written when the power went, where only pieces of the same batch are behind the damage", async () => {
    const log = await writeAheadLog(100);
    const begin = recordsOf(log, 0).findLast((at) => at < BLOCK) ?? 0;
    const blocks = Math.floor(log.length / BLOCK);
    expect(blocks).toBeGreaterThan(2);
    const torn = changed(log, (copy) => copy.fill(0, (blocks - 1) * BLOCK, (blocks - 1) * BLOCK + 4_096));
    const { flaw } = readLog(torn);
    expect(flaw).toMatchObject({ isEnd: false, isFollowed: false });
    expect(flaw!.at).toBeGreaterThanOrEqual(begin);
  });

  it("has lost a batch of which the beginning is gone, or the end", async () => {
    const log = await writeAheadLog(150);
    expect(recordsOf(log, BLOCK)[0]).toBe(BLOCK);
    expect(readLog(log.subarray(BLOCK)).flaw).toEqual({ at: 0, isEnd: false, isFollowed: true });
    const [first, second] = [recordsOf(log, 0).at(-1)!, recordsOf(log, BLOCK)[1]!];
    const begun = Buffer.concat([log.subarray(0, BLOCK), log.subarray(second, second + BLOCK)]);
    expect(readLog(begun).flaw).toMatchObject({ at: first, isFollowed: true });
  });
});
