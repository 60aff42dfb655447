import { describe, expect, it } from "vitest";
import { DiskError, type KeyValues } from "../../../src/store/disk.js";
import { Handle, type Openable } from "../../../src/store/handle.js";

/** A disk that fails as it is told to, and keeps a list of what it was asked for. */
class FailingDisk implements Openable {
  readonly asked: string[] = [];
  /** Errors of the next batches, openings and probes; undefined is a success. */
  batches: (DiskError | undefined)[] = [];
  openings: (DiskError | undefined)[] = [];
  probe: DiskError | undefined;
  roomForReserve = true;
  #opened = 0;

  async open(): Promise<KeyValues> {
    const name = `db${++this.#opened}`;
    this.asked.push(`open ${name}`);
    const error = this.openings.shift();
    if (error !== undefined) throw error;
    return {
      batch: async () => {
        this.asked.push(`write ${name}`);
        const failure = this.batches.shift();
        if (failure !== undefined) throw failure;
      },
      get: async () => Buffer.from(name),
      close: async () => void this.asked.push(`close ${name}`),
    } as unknown as KeyValues;
  }

  async takesWrites(): Promise<void> {
    if (this.probe !== undefined) throw this.probe;
  }

  async reserve({ inPart }: { readonly inPart: boolean }): Promise<boolean> {
    this.asked.push(inPart ? "reserve in part" : "reserve");
    return this.roomForReserve;
  }

  async giveUpReserve(): Promise<void> {
    this.asked.push("give up the reserve");
  }
}

const full = new DiskError("full", "no space left on device", undefined);
const broken = new DiskError("failed", "input/output error", undefined);
const damaged = new DiskError("damaged", "checksum mismatch", undefined);

/** An opened handle; what was asked for the opening is forgotten. */
async function opened(disk: FailingDisk): Promise<Handle> {
  const handle = await Handle.open(disk, { create: true });
  disk.asked.length = 0;
  return handle;
}

describe("the handle of a database on a disk that fails", () => {
  it("reads from what has failed to write and never writes to it, and opens anew when the folder takes writes", async () => {
    const disk = new FailingDisk();
    const handle = await opened(disk);
    disk.batches = [broken];
    disk.probe = broken;
    await expect(handle.write([], 0)).rejects.toBe(broken);
    await expect(handle.write([], 1)).rejects.toBe(broken);
    await expect(handle.write([], 2)).rejects.toBe(broken);
    expect(await handle.db?.get("")).toEqual(Buffer.from("db1"));
    expect(disk.asked).toEqual(["write db1"]);
    disk.probe = undefined;
    await handle.write([], 3);
    expect(disk.asked).toEqual(["write db1", "close db1", "open db2", "write db2"]);
    await handle.write([], 0);
    expect(disk.asked.at(-1)).toBe("write db2");
  });

  it("opens anew every so often although nothing can be written: what fills the disk may be its own leftovers", async () => {
    const disk = new FailingDisk();
    const handle = await opened(disk);
    disk.batches = [full];
    disk.probe = full;
    for (let failures = 0; failures < 8; failures++) {
      await expect(handle.write([], failures)).rejects.toBe(full);
    }
    expect(disk.asked).toEqual(["write db1"]);
    await handle.write([], 8);
    expect(disk.asked.slice(1)).toEqual(["close db1", "open db2", "reserve in part", "write db2"]);
  });

  it("writes nothing after a full disk until there is room for the whole reserve", async () => {
    const disk = new FailingDisk();
    const handle = await opened(disk);
    disk.batches = [full];
    disk.roomForReserve = false;
    await expect(handle.write([], 0)).rejects.toBe(full);
    await expect(handle.write([], 1)).rejects.toMatchObject({ fault: "full" });
    await expect(handle.write([], 2)).rejects.toMatchObject({ fault: "full" });
    expect(disk.asked.filter((what) => what.startsWith("write"))).toEqual(["write db1"]);
    expect(handle.db).toBeDefined();
    disk.roomForReserve = true;
    await handle.write([], 3);
    expect(disk.asked.at(-1)).toBe("write db2");
  });

  it("gives up the reserve only where it cannot be opened otherwise, and takes back what it can before it writes", async () => {
    const disk = new FailingDisk();
    disk.openings = [full];
    const handle = await Handle.open(disk, { create: true });
    expect(disk.asked).toEqual(["open db1", "give up the reserve", "open db2", "reserve in part"]);
    disk.asked.length = 0;
    disk.roomForReserve = false;
    await expect(handle.write([], 0)).rejects.toMatchObject({ fault: "full" });
    expect(disk.asked).toEqual(["reserve in part"]);
  });

  it("tries again where it cannot be opened, and has nothing to read meanwhile", async () => {
    const disk = new FailingDisk();
    const handle = await opened(disk);
    disk.batches = [broken];
    disk.openings = [broken, broken];
    await expect(handle.write([], 0)).rejects.toBe(broken);
    await expect(handle.write([], 1)).rejects.toBe(broken);
    expect(handle.db).toBeUndefined();
    await expect(handle.write([], 2)).rejects.toBe(broken);
    await handle.write([], 3);
    expect(handle.db).toBeDefined();
  });

  it("does not go on, and tries no more, where the database turns out to be damaged", async () => {
    const disk = new FailingDisk();
    const handle = await opened(disk);
    disk.batches = [broken];
    disk.openings = [damaged];
    await expect(handle.write([], 0)).rejects.toBe(broken);
    await expect(handle.write([], 1)).rejects.toMatchObject({ code: "store-damaged", retryable: false });
  });

  it("does not go on where writing shows that it is damaged: a compaction has met a bad block", async () => {
    const disk = new FailingDisk();
    const handle = await opened(disk);
    disk.batches = [damaged];
    await expect(handle.write([], 0)).rejects.toMatchObject({ code: "store-damaged", retryable: false });
  });
});
