import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Store } from "../../src/store/store.js";
import { systemClock, systemTimers } from "../../src/system/clock.js";
import { EventNames } from "../helpers/store.js";
import { temporaryFolder, until } from "../helpers/tools.js";

/** A small ext4 of its own, because only a real file system is full as a gateway's is; undefined where we may not mount. */
async function smallDisk(megabytes: number): Promise<string | undefined> {
  const folder = await temporaryFolder();
  const image = join(folder, "image");
  const disk = join(folder, "disk");
  try {
    execFileSync("truncate", ["-s", `${megabytes}M`, image]);
    execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", image], { stdio: "pipe" });
    execFileSync("mkdir", [disk]);
    execFileSync("mount", ["-o", "loop", image, disk], { stdio: "pipe" });
  } catch {
    return undefined;
  }
  onTestFinished(() => {
    execFileSync("umount", ["-l", disk]);
  });
  return disk;
}

describe("a store on a full disk", () => {
  it("confirms nothing while it cannot write, goes on by itself when there is room, and has lost nothing it confirmed", async (context) => {
    const disk = await smallDisk(24);
    if (disk === undefined) return context.skip("needs mkfs.ext4 and the right to mount");
    const events = new EventNames();
    const options = {
      path: join(disk, "store"),
      clock: systemClock,
      timers: systemTimers,
      observer: events,
      logBytesMax: 1e9,
    };
    const store = await Store.open(options);
    writeFileSync(join(disk, "ballast"), randomBytes(6_000_000));
    // Text that does not compress, so that the disk does fill.
    const summaries = () => [JSON.stringify({ noise: randomBytes(30_000).toString("base64") })];
    let confirmed = 0;
    let stop = false;
    const writing = (async () => {
      while (!stop) {
        await store.commit({ summaries: summaries(), records: [] });
        confirmed++;
      }
    })();
    await until(() => store.failing !== undefined, { what: "the disk is full" });
    const before = confirmed;
    expect(before).toBeGreaterThan(10);
    expect(events.names).toContain("store-write-failed");
    rmSync(join(disk, "ballast"));
    await until(() => confirmed >= before + 20, { what: "it writes again" });
    stop = true;
    await writing;
    expect(events.names).toContain("store-recovered");
    await store.close();
    const again = await Store.open(options);
    expect(again.log.head()).toBe(confirmed);
    const entries = await again.log.read(0, { entriesMax: 1e6, bytesMax: 1e9 });
    expect(entries.map((e) => e.position)).toEqual(Array.from({ length: confirmed }, (_, i) => i + 1));
    await again.close();
  });
});
