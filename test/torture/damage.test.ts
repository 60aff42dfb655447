/**
 * Every file of a store cut and bit-flipped at many places, or gone. Whatever is done to it, the agent's state opens: it is that
 * of the last commit, or of one shortly before it and that is reported, or the store is set aside and named. Then the run goes
 * on, and what state and log say in the end is held to an account of the readings of every commit, kept beside it: so no
 * wrong number is missed, nor an id that says two things.
 */
import { cp, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { describe, expect, it } from "vitest";
import type { LogEntry, Summary } from "../../src/model/summary.js";
import { rounds, tell } from "../helpers/campaign.js";
import {
  COMMITS,
  COMMITS_BEFORE,
  expectReadings,
  finalsOf,
  folderInMemory,
  logOf,
  type Opened,
  openIn,
  Run,
  type RunOptions,
  setAsideIn,
} from "../helpers/damaged-store.js";
import { type Seeded, seeded } from "../helpers/seeded.js";
import { change, LOSSES, ODDITIES } from "../helpers/store-oddities.js";

/** A store as some run has left it, and what comes of it when nothing is damaged. */
interface Scene {
  readonly path: string;
  /** The same store at an earlier time. */
  readonly earlier: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly log: readonly LogEntry[];
  /** Newest position in the log after so many commits. */
  readonly heads: readonly number[];
  /** Final summaries at the very end, by id. */
  readonly finals: ReadonlyMap<string, Summary>;
}

/** Checkpoints come and go within every life. */
const JOURNAL_BYTES = 4_000;

const SCENES: Readonly<Record<string, (path: string, often: RunOptions) => Promise<Run>>> = {
  "that crashed in its first life": async (path, often) => {
    const run = await Run.open(path, often);
    await run.upTo(COMMITS_BEFORE);
    return run;
  },
  "that crashed in its third life": async (path, often) => {
    for (const commits of [150, 315]) {
      const run = await Run.open(path, often);
      await run.upTo(commits);
      await run.close();
      await cp(path, `${path}.earlier`, { recursive: true });
    }
    const run = await Run.open(path, often);
    await run.upTo(COMMITS_BEFORE);
    return run;
  },
  "that ended in good order": async (path, often) => {
    let run = await Run.open(path, often);
    await run.upTo(200);
    await run.close();
    run = await Run.open(path, { ...often, journalBytesMax: 1e9 });
    await run.upTo(COMMITS_BEFORE);
    await run.checkpoint();
    return run;
  },
  "that was opened again and did nothing": async (path, often) => {
    const run = await Run.open(path, often);
    await run.upTo(COMMITS_BEFORE);
    await run.close();
    return await Run.open(path, often);
  },
};

async function make(name: string): Promise<Scene> {
  const path = join(await folderInMemory(), "store");
  const often = { journalBytesMax: JOURNAL_BYTES, heads: [0] };
  const run = await SCENES[name]!(path, often);
  const log = await run.log();
  await run.close();
  const heads = [...often.heads];
  const folder = join(path, "db");
  const names = (await readdir(folder)).sort();
  const files = await Promise.all(
    names.map(async (file) => ({ name: file, bytes: (await stat(join(folder, file))).size })),
  );
  const whole = await folderInMemory();
  await cp(path, whole, { recursive: true });
  const opened = await openIn(whole);
  await (await Run.on(opened, often)).upTo(COMMITS);
  const finals = finalsOf(await logOf(opened), opened.engine.flush());
  await opened.store.close();
  return {
    path,
    earlier: `${path}.earlier`,
    files: files.filter(({ bytes }) => bytes > 0),
    log,
    heads,
    finals,
  };
}

interface Damage {
  readonly what: string;
  /** Whether it looks like the end of the database at an earlier moment. */
  readonly cutsEnd: boolean;
  /** @param path of the store's folder */
  do(path: string): Promise<void>;
}

const SECTOR = 512;
/** More commits than there is room for in one. */
const IN_SECTOR = 8;

function damageOf({ files }: Scene, random: Seeded): Damage {
  const { name, bytes } = files[random.below(files.length)]!;
  const at = random.below(bytes);
  const kind = random.below(6);
  const newest = files.findLast((file) => file.name.endsWith(".log"))?.name === name;
  const fileIn = (path: string) => join(path, "db", name);
  if (kind === 0) {
    return { what: `${name} cut at ${at}`, cutsEnd: newest, do: (path) => truncate(fileIn(path), at) };
  }
  if (kind === 1) {
    const from = at - (at % SECTOR);
    const to = Math.min(bytes, from + SECTOR);
    const fill = random.below(2) * 0xff;
    // Zeros at the very end are what a file system may leave of a write that a power cut has torn.
    const cutsEnd = newest && fill === 0 && to === bytes;
    const what = `${name} with ${to - from} bytes of ${fill} at ${from}`;
    return { what, cutsEnd, do: (path) => change(fileIn(path), (data) => data.fill(fill, from, to)) };
  }
  if (kind === 2) return { what: `${name} gone`, cutsEnd: newest, do: (path) => rm(fileIn(path)) };
  const bit = random.below(8);
  const flip = (data: Buffer) => data.writeUInt8(data[at]! ^ (1 << bit), at);
  return {
    what: `${name} with bit ${bit} at ${at}`,
    cutsEnd: false,
    do: (path) => change(fileIn(path), flip),
  };
}

type Outcome = "whole" | "earlier and told" | "earlier, as after a crash" | "set aside";

async function outcomeOf(scene: Scene, damage: Damage): Promise<{ outcome: Outcome; carried: number }> {
  const path = await folderInMemory();
  await cp(scene.path, path, { recursive: true });
  await damage.do(path);
  const opened = await openIn(path);
  try {
    const aside = await setAsideIn(path);
    expect(aside.length, "databases set aside, each told").toBe(
      opened.events.named("store-set-aside").length,
    );
    return aside.length > 0
      ? await afterSettingAside(scene, opened)
      : await afterOpening(scene, opened, damage);
  } finally {
    await opened.store.close();
    await rm(path, { recursive: true, force: true });
  }
}

async function afterOpening(scene: Scene, opened: Opened, damage: Damage) {
  const { engine, events } = opened;
  const reached = engine.sequence;
  const there = scene.log.filter(({ position }) => position <= scene.heads[reached]!);
  const found = await logOf(opened);
  expectEntriesOf(scene, found);
  const lost = events.named("log-entries-lost") as { readonly entries: number }[];
  const told = lost.reduce((sum, { entries }) => sum + entries, events.named("log-entry-damaged").length);
  expect(there.length - found.length, "entries missing, as told").toBe(told);
  const { summaries, log } = await goOn(opened, COMMITS_BEFORE - reached);
  const finals = finalsOf([...there, ...log], summaries);
  expectReadings(finals.values(), (commit) => commit < reached || commit >= COMMITS_BEFORE);
  if (reached === COMMITS_BEFORE) {
    expect(finals).toEqual(scene.finals);
    return { outcome: "whole" as const, carried: 0 };
  }
  if (events.named("store-loss").length > 0) {
    expect(COMMITS_BEFORE - reached, "commits that may have been cut off").toBeLessThanOrEqual(IN_SECTOR);
    return { outcome: "earlier and told" as const, carried: 0 };
  }
  expect(damage.cutsEnd, `an earlier state, ${reached}, and not a word`).toBe(true);
  return { outcome: "earlier, as after a crash" as const, carried: 0 };
}

async function afterSettingAside(scene: Scene, opened: Opened) {
  const found = await logOf(opened);
  expectEntriesOf(scene, found);
  const { summaries, log } = await goOn(opened, COMMITS_BEFORE);
  const finals = finalsOf(log, summaries);
  expectReadings(finals.values(), (commit) => commit >= COMMITS_BEFORE);
  const sent = new Map(scene.log.map(({ json }) => [revisionOf(JSON.parse(json) as Summary), json]));
  for (const { json } of log) {
    const before = sent.get(revisionOf(JSON.parse(json) as Summary));
    if (before !== undefined) expect(json, "what was sent before under this id and revision").toBe(before);
  }
  for (const [id, summary] of finals) {
    if (summary.incomplete) continue;
    expect(summary.fields, `${id}, which is not marked as incomplete`).toEqual(scene.finals.get(id)?.fields);
  }
  return { outcome: "set aside" as const, carried: found.length };
}

/** The rest of the run, on what the store has come back with. */
async function goOn(opened: Opened, skipped: number) {
  const head = opened.store.log.head();
  const run = await Run.on(opened, { journalBytesMax: JOURNAL_BYTES, heads: [], skipped });
  await run.upTo(COMMITS);
  const log = (await logOf(opened)).filter(({ position }) => position > head);
  return { log, summaries: opened.engine.flush() };
}

function revisionOf({ id, revision }: Summary): string {
  return `${id} ${revision}`;
}

function expectEntriesOf({ log }: Scene, found: readonly LogEntry[]): void {
  const json = new Map(log.map((entry) => [entry.position, entry.json]));
  for (const entry of found) expect(json.get(entry.position), `entry ${entry.position}`).toBe(entry.json);
}

/** What came of so many damages; the first that ends in something wrong is the error. */
async function campaign(
  scene: Scene,
  damages: number,
  damageAt: () => Damage | Promise<Damage>,
): Promise<string> {
  const tally = new Map<string, number>();
  let carried = 0;
  for (let i = 0; i < damages; i++) {
    const damage = await damageAt();
    const result = await outcomeOf(scene, damage).catch((error: unknown) => {
      throw new Error(`${damage.what}: ${String(error)}`, { cause: error });
    });
    tally.set(result.outcome, (tally.get(result.outcome) ?? 0) + 1);
    carried += result.carried;
  }
  return `${damages} damages: ${told(tally)}; ${carried} summaries taken over`;
}

function told(outcomes: ReadonlyMap<string, number>): string {
  return [...outcomes]
    .map(([outcome, times]) => `${times} ${outcome}`)
    .sort()
    .join(", ");
}

/**
 * Damage as LevelDB itself may do it when it has taken a bad block for a good one and written it anew: a record is gone,
 * is another one, or what it was before.
 */
async function recordDamageOf(scene: Scene, random: Seeded): Promise<Damage> {
  const now = await recordsOf(scene.path);
  const before = await recordsOf(scene.earlier);
  const pick = <T>(of: readonly T[]): T => of[random.below(of.length)]!;
  const other = pick([...now.values()]);
  const kind = pick(["gone", "another one", "what it was"]);
  const after = (key: string) =>
    kind === "gone" ? undefined : kind === "another one" ? other : before.get(key);
  const newestBlock = [...now.keys()].findLast((key) => key.startsWith("j"));
  const keys = [...new Set([...now.keys(), ...before.keys()])].filter(
    (key) => key !== newestBlock && hex(after(key)) !== hex(now.get(key)),
  );
  // One key space after another: there are hundreds of blocks and a few devices.
  const space = pick([...new Set(keys.map((key) => key[0]!))]);
  const key = pick(keys.filter((each) => each.startsWith(space)));
  const value = after(key);
  return {
    what: `record ${key} is ${kind}`,
    cutsEnd: false,
    do: (path) => withLevel(path, (db) => (value === undefined ? db.del(key) : db.put(key, value))),
  };
}

function hex(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString("hex");
}

async function recordsOf(path: string): Promise<Map<string, Uint8Array>> {
  return await withLevel(path, async (db) => new Map(await db.iterator().all()));
}

async function withLevel<T>(path: string, work: (db: Level<string, Uint8Array>) => Promise<T>): Promise<T> {
  const db = new Level<string, Uint8Array>(join(path, "db"), { valueEncoding: "view" });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

describe("a damaged store", () => {
  it.each(Object.keys(SCENES))(
    "%s opens whatever is done to it, and never with wrong numbers",
    async (name) => {
      const scene = await make(name);
      const random = seeded("damage");
      const result = await campaign(scene, rounds(60, 800), () => damageOf(scene, random));
      tell("damage", `a store ${name}, ${result}`);
    },
    1_800_000,
  );

  it("opens whatever of its records is gone, or another one, or of an earlier time", async () => {
    const scene = await make("that crashed in its third life");
    const random = seeded("damage");
    const result = await campaign(scene, rounds(60, 800), () => recordDamageOf(scene, random));
    tell("damage", `records of a store, ${result}`);
  }, 1_800_000);

  it.each(Object.keys(SCENES))(
    "%s is set aside, and told, where the newest of it or all of it is gone",
    async (name) => {
      const scene = await make(name);
      for (const [what, how] of Object.entries(LOSSES)) {
        const { outcome } = await outcomeOf(scene, { what, cutsEnd: false, do: how });
        expect(outcome, what).toBe("set aside");
      }
    },
    120_000,
  );

  it("opens also where files are missing, or are something else altogether", async () => {
    const scene = await make("that crashed in its third life");
    const outcomes = new Map<string, number>();
    for (const [what, how] of Object.entries(ODDITIES)) {
      const { outcome } = await outcomeOf(scene, { what, cutsEnd: what.includes("log is"), do: how }).catch(
        (error: unknown) => {
          throw new Error(`${what}: ${String(error)}`, { cause: error });
        },
      );
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    tell("damage", `${Object.keys(ODDITIES).length} oddities: ${told(outcomes)}`);
  }, 120_000);
});
