/**
 * Nothing acknowledged is lost on a disk that fails: real agents under load, on real file systems that are filled,
 * limited, broken and frozen, and with system calls that fail. In each case the agent pushes back and says why,
 * what it has in its log is forwarded all the same, and it goes on by itself when the disk does.
 */
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, it, type TestContext } from "vitest";
import { PROGRAM } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { DEVICES, DiskScene, INFLIGHT } from "../helpers/disk-scene.js";
import {
  Ballast,
  breakFileSystem,
  type DiskKind,
  freeze,
  inject,
  limitFileSize,
  remount,
  type SmallDisk,
  smallDisk,
} from "../helpers/disks.js";
import { NUMBERED_PROFILE } from "../helpers/numbered-readings.js";
import { moment, seeded } from "../helpers/seeded.js";
import { describeWithTools, temporaryFolder, until } from "../helpers/tools.js";

const TIMEOUT_MS = 120_000;
const FILLINGS = rounds(3, 6);
const MEGABYTES = 24;
/** A tmpfs is as full as any other, so the short form does without it. */
const KINDS: readonly DiskKind[] = LONG ? ["ext4", "btrfs quota", "tmpfs"] : ["ext4", "btrfs quota"];
const NO_ROOM = /space|quota|-122/i;

async function diskOf(kind: DiskKind, context: TestContext): Promise<SmallDisk> {
  const disk = await smallDisk(kind, MEGABYTES);
  return typeof disk === "string" ? context.skip(disk) : disk;
}

describeWithTools(["mosquitto"], "on a disk that is full", () => {
  it.for(KINDS)(
    "%s: waits, forwards, and goes on when there is room; a restart meanwhile changes nothing",
    { timeout: TIMEOUT_MS },
    async (kind, context) => {
      const disk = await diskOf(kind, context);
      const scene = await DiskScene.prepare({ storeFolder: disk.folder, readings: 150 });
      await scene.warmUp();
      const ballast = new Ballast(disk);
      ballast.fill();
      await scene.failing(NO_ROOM);
      await scene.pushesBack();
      const forwarded = await scene.forwards();
      if (kind === "ext4" || LONG) {
        // The reserve is there for this: the store opens although there is no room.
        await scene.agent.kill();
        await scene.agent.start();
        await scene.failing(NO_ROOM);
        ballast.keepFull();
        await scene.agent.kill();
        scene.agent.spawn();
      }
      ballast.remove();
      await scene.startUntilItRuns();
      await scene.keepsAll();
      await scene.delivers();
      const { acknowledged, repeated } = scene.load;
      tell(
        `disk full, ${kind}`,
        `${acknowledged} acknowledged (${repeated} repeated), 0 lost, ${forwarded} forwarded meanwhile`,
      );
    },
  );

  it("loses nothing whenever it is filled, also around a checkpoint", {
    timeout: TIMEOUT_MS * rounds(1, 8),
  }, async (context) => {
    const random = seeded("moments of a full disk");
    const disk = await diskOf("ext4", context);
    let fillings = 0;
    for (let round = 0; round < rounds(1, 12); round++) {
      rmSync(join(disk.folder, "db"), { recursive: true, force: true });
      const scene = await DiskScene.prepare({ storeFolder: disk.folder, readings: 300 });
      await scene.warmUp();
      const ballast = new Ballast(disk);
      for (let filling = 0; filling < FILLINGS && !scene.load.done; filling++) {
        const near = filling % 2 === 0;
        await (near ? scene.checkpointIsNear() : scene.load.progress(random.below(500)));
        if (scene.load.done) break;
        fillings++;
        if (random.below(2) === 0) ballast.fill();
        else ballast.keepFull();
        await scene.failing(NO_ROOM);
        await moment(random.below(300));
        ballast.remove();
        await scene.recovers();
      }
      await scene.agent.kill();
      await scene.agent.start();
      await scene.keepsAll();
      await scene.delivers();
      await scene.agent.kill();
    }
    tell("disk full again and again", `${fillings} times, 0 lost`);
  });

  it("starts on it, or is started again until there is room, and ends on it within five seconds", {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const disk = await diskOf("ext4", context);
    const scene = await DiskScene.prepare({ storeFolder: disk.folder, readings: 100 });
    const ballast = new Ballast(disk);
    ballast.keepFull();
    scene.agent.spawn();
    // There is no store yet, and no reserve: nothing can be done.
    expect((await scene.agent.ended()).code).toBe(1);
    expect(scene.agent.noise.join("\n")).toMatch(/cannot open the store .*space/i);
    ballast.remove();
    await scene.agent.start();
    // It would be so again one day: the disk is smaller than the store may become.
    await scene.agent.logged("store-larger-than-disk");
    scene.load.start();
    await scene.load.progress(100);
    ballast.keepFull();
    await scene.failing(NO_ROOM);
    // A reload has to wait for the commit that cannot get through; the end has not.
    scene.agent.signal("SIGHUP");
    const { code, elapsedMs } = await scene.agent.end("SIGTERM");
    expect(code).toBe(1);
    expect(elapsedMs).toBeLessThan(5_000);
    ballast.remove();
    await scene.agent.start();
    await scene.keepsAll();
    await scene.delivers();
    tell("disk full at start and end", `ended in ${Math.round(elapsedMs)} ms, 0 lost`);
  });

  it("would lose what it has acknowledged if it did not close and open the database after a failed write", {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const disk = await diskOf("ext4", context);
    const program = await programWithoutReopening();
    const scene = await DiskScene.prepare({ storeFolder: disk.folder, readings: 150, program });
    await scene.warmUp();
    const ballast = new Ballast(disk);
    ballast.fill();
    await scene.failing(NO_ROOM);
    ballast.remove();
    await scene.recovers();
    await scene.load.progress(500);
    await scene.agent.kill();
    await scene.agent.start();
    await scene.load.finished();
    const lost = await scene.missing();
    expect(lost).toBeGreaterThan(0);
    tell("disk full, without reopening", `${lost} acknowledged readings lost, as it must be`);
  });
});

/** The same build with a disk that is opened once and never closed. */
async function programWithoutReopening(): Promise<string> {
  const folder = await temporaryFolder();
  const built = dirname(PROGRAM);
  cpSync(built, join(folder, "dist"), { recursive: true });
  cpSync(join(built, "..", "package.json"), join(folder, "package.json"));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const file = join(folder, "dist", "store", "level-disk.js");
  const fault = [
    "const openForGood = LevelDisk.prototype.open;",
    "LevelDisk.prototype.open = function (options) {",
    "  this.kept ??= openForGood.call(this, options).then((db) => Object.assign(db, { close: async () => {} }));",
    // One that is damaged at the start is set aside, and the next one is another.
    "  return this.kept.catch((error) => { this.kept = undefined; throw error; });",
    "};",
  ];
  writeFileSync(file, [readFileSync(file, "utf8"), ...fault].join("\n"));
  return join(folder, "dist", "main.js");
}

describeWithTools(["mosquitto", "strace"], "with system calls that fail", () => {
  const FAILURES = {
    "a sync": { fdatasync: "error=EIO" },
    "a write": { write: "error=EIO" },
    "no room for tables": { fdatasync: "error=ENOSPC", write: "error=ENOSPC" },
    "a rename": { fdatasync: "error=EIO", "rename,renameat,renameat2": "error=EIO" },
    "an open": { fdatasync: "error=EIO", openat: "error=EIO" },
    "a removal": { fdatasync: "error=EIO", "unlink,unlinkat": "error=EIO" },
  };

  it("loses nothing, and goes on when they succeed again; also when it is killed in between", {
    timeout: TIMEOUT_MS * rounds(1, 8),
  }, async () => {
    const random = seeded("failing system calls");
    const hits = new Map<string, number>();
    let ends = 0;
    for (let round = 0; round < rounds(1, 8); round++) {
      const storeFolder = await temporaryFolder();
      const scene = await DiskScene.prepare({ storeFolder, readings: 300 });
      await scene.warmUp();
      const killedIn = random.below(Object.keys(FAILURES).length);
      for (const [i, [name, calls]] of Object.entries(FAILURES).entries()) {
        const failing = await inject(scene.agent.pid, { calls, paths: scene.databaseFiles() });
        const ended = await scene.failsOrEnds(/Input\/output|EIO|space/);
        if (ended) ends++;
        await moment(random.below(200));
        hits.set(name, (hits.get(name) ?? 0) + failing.hits());
        if (i === killedIn) await scene.agent.kill();
        await failing.end();
        if (i === killedIn || ended) await scene.agent.start();
        else await scene.recovers();
      }
      await scene.keepsAll();
      await scene.delivers();
      expect(scene.agent.log.filter(({ event }) => event.startsWith("store-set-aside"))).toEqual([]);
      await scene.agent.kill();
    }
    const failures = [...hits].map(([name, count]) => `${name} ${count}`).join(", ");
    tell("disk errors", `${failures}; ended ${ends} times because it could not read; 0 lost`);
  });

  it("forwards what it has while the file system refuses every write", { timeout: TIMEOUT_MS }, async () => {
    const scene = await DiskScene.prepare({ storeFolder: await temporaryFolder(), readings: 150 });
    await scene.warmUp();
    const calls = { "write,fdatasync,openat,rename,renameat2,unlink,mkdir": "error=EROFS" };
    const readOnly = await inject(scene.agent.pid, { calls, paths: scene.databaseFiles() });
    await scene.failing(/read-only/i);
    await scene.pushesBack();
    const forwarded = await scene.forwards();
    await readOnly.end();
    await scene.recovers();
    await scene.keepsAll();
    await scene.delivers();
    tell("disk read-only for a while", `${readOnly.hits()} calls refused, ${forwarded} forwarded, 0 lost`);
  });

  it("says so when a sync takes 300 ms, and lets acknowledgements wait for it", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const scene = await DiskScene.prepare({ storeFolder: await temporaryFolder(), readings: 250 });
    await scene.warmUp();
    scene.upstream.thaw();
    const fast = scene.load.acknowledged;
    const slow = await inject(scene.agent.pid, { calls: { fdatasync: "delay_exit=300000" } });
    const store = async () => (await scene.agent.status()).store;
    await until(async () => (await store()).writeMs > 250, { what: "the status says how slow the disk is" });
    await scene.agent.logged("store-slow");
    const { failing, writeMs } = await store();
    expect(failing).toBeUndefined();
    const [startMs, start] = [performance.now(), scene.load.acknowledged];
    await scene.load.progress(200);
    const perSecond = ((scene.load.acknowledged - start) * 1_000) / (performance.now() - startMs);
    // Each device waits for the sync that has its readings before it sends others.
    expect(perSecond).toBeLessThan((INFLIGHT * DEVICES.length) / 0.3);
    await slow.end();
    await scene.agent.logged("store-fast");
    await scene.keepsAll();
    await scene.delivers();
    tell(
      "disk slow",
      `${Math.round(perSecond)} acknowledged a second, writeMs ${writeMs}, ${fast} before, 0 lost`,
    );
  });
});

describeWithTools(["mosquitto", "prlimit"], "under a limit on the size of files", () => {
  it("goes on although neither log nor tables get as long as they should, and loses nothing", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const scene = await DiskScene.prepare({
      storeFolder: await temporaryFolder(),
      readings: 300,
      // No checkpoint empties the journal meanwhile.
      journalBytesMax: 16 * 2 ** 20,
    });
    // Whatever the log has when it meets the limit fits into a table; what a compaction makes of many does not.
    await scene.warmUp(() => limitFileSize(scene.agent.pid, 180_000));
    const failed = (what: RegExp) => scene.reasons().some((reason) => what.test(reason));
    await until(() => failed(/\.log: file too large/i) && failed(/\.ldb: file too large/i), {
      what: "the log and a compaction have met the limit",
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${scene.reasons().join("; ")}`);
    });
    limitFileSize(scene.agent.pid, "unlimited");
    await scene.keepsAll();
    await scene.agent.kill();
    await scene.agent.start();
    await scene.keepsAll();
    await scene.delivers();
    tell("disk files limited", `${scene.reasons().length} failed writes, 0 lost`);
  });
});

describeWithTools(["mosquitto", "fsfreeze"], "on a disk that stands still", () => {
  it("takes the silence for its own, not for the devices', and says so while it lasts", {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const disk = await diskOf("ext4", context);
    // What an idle device sends after its windows have closed is late.
    const profile = NUMBERED_PROFILE.replace("idleTimeout: 1h", "idleTimeout: 3s").replaceAll(
      "allowedLateness: 10s",
      "allowedLateness: 0s",
    );
    const scene = await DiskScene.prepare({ storeFolder: disk.folder, readings: 150, profile });
    await scene.warmUp();
    const thaw = freeze(disk);
    await scene.agent.logged("store-slow");
    const { writeMs } = (await scene.agent.status()).store;
    expect(writeMs).toBeGreaterThanOrEqual(5_000);
    await scene.pushesBack();
    thaw();
    await scene.keepsAll();
    await scene.delivers();
    tell("disk standing still", `told after ${writeMs} ms, 0 late, 0 lost`);
  });
});

describeWithTools(["mosquitto"], "on a file system that finds itself damaged and turns read-only", () => {
  it("forwards what it has, and has everything after the next boot", {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const disk = await diskOf("ext4", context);
    const scene = await DiskScene.prepare({ storeFolder: disk.folder, readings: 150 });
    await scene.warmUp();
    // ext4 may answer a sync that is under way in that moment although it has not been done (Linux 6.18, one in ten).
    await scene.agent.pause();
    breakFileSystem(disk);
    scene.agent.signal("SIGCONT");
    await scene.failing(/read-only/i);
    await scene.pushesBack();
    const forwarded = await scene.forwards();
    await scene.agent.kill();
    scene.agent.spawn();
    expect((await scene.agent.ended()).code).toBe(1);
    await remount(disk);
    await scene.agent.start();
    await scene.keepsAll();
    await scene.delivers();
    tell("disk turned read-only", `${forwarded} forwarded, 0 lost`);
  });
});
