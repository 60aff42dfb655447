/**
 * Stores made by real runs of the pipeline, and what may come of them after a file was damaged: the state of one of
 * the commits, of which an independent model knows every reading, or a store that was set aside.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { type OpenState, openState } from "../../src/agent/state.js";
import { parseConfig } from "../../src/config/load.js";
import { newGroup } from "../../src/model/block.js";
import type { Profile } from "../../src/model/profile.js";
import { canonicalJson, type LogEntry, type Summary } from "../../src/model/summary.js";
import { Checkpointer } from "../../src/pipeline/checkpoint.js";
import { changeProfiles } from "../../src/pipeline/profiles.js";
import { loadProfile } from "../../src/profile/load.js";
import { LevelDisk } from "../../src/store/level-disk.js";
import { ManualClock } from "./manual-clock.js";
import { FIRST_MS, NUMBERED_PROFILE, READINGS_MAX, STEP_MS } from "./numbered-readings.js";
import { Recorder } from "./recorder.js";

export const DEVICES = ["a", "b", "c", "d"];
/** Commits of one whole run; each brings some readings of a device. */
export const COMMITS = 400;
/** As many of them have been made when the damage is done. */
export const COMMITS_BEFORE = 340;
const EVERYTHING = { entriesMax: 1e6, bytesMax: 1e9 };
const SILENT_AFTER = 130;
const BITS = 50;

const numberedProfile: Profile = loadProfile(NUMBERED_PROFILE, { file: "numbered.yaml", zone: "UTC" })
  .profile!;

export interface Opened extends OpenState {
  readonly events: Recorder;
  readonly clock: ManualClock;
}

/** Writing the reserve would take most of the time. */
class DiskWithoutReserve extends LevelDisk {
  override async reserve(): Promise<boolean> {
    return true;
  }
}

export async function openIn(path: string): Promise<Opened> {
  const text = `gateway: { id: g }\nstore: { path: ${JSON.stringify(path)} }\nsources: [{ name: b, type: broker }]\n`;
  const { config } = parseConfig(text, join(path, "weir.yaml"), { env: {} });
  // The devices' clocks are right.
  const clock = new ManualClock({ wallMs: FIRST_MS + (COMMITS_BEFORE / COMMITS) * READINGS_MAX * STEP_MS });
  const events = new Recorder();
  const disk = new DiskWithoutReserve(path);
  const world = { clock, timers: clock, random: () => 0.5, observer: events, disk };
  const state = await openState(config!, world);
  return { ...state, events, clock };
}

/**
 * The numbers of the readings that a device sends in a commit. The last device falls silent early: its record is
 * written once and lies untouched while the others' come and go.
 */
function readingsOf(device: number, commit: number): readonly number[] {
  if (commit % DEVICES.length !== device) return [];
  if (device === DEVICES.length - 1 && commit > SILENT_AFTER) return [];
  const each = READINGS_MAX / (COMMITS / DEVICES.length);
  const first = Math.floor(commit / DEVICES.length) * each;
  return Array.from({ length: each }, (_, i) => first + i);
}

export interface RunOptions {
  readonly journalBytesMax: number;
  /** Filled as the run goes on. */
  readonly heads: number[];
  /** Commits that this store has never seen. */
  readonly skipped?: number;
}

/** A run of the pipeline over one store, in one life of the agent. */
export class Run {
  readonly #opened: Opened;
  readonly #checkpointer: Checkpointer;
  /** Newest position in the log after so many commits. */
  readonly heads: number[];
  /** Commits whose readings the store has never had. */
  readonly #skipped: number;

  private constructor(opened: Opened, options: RunOptions) {
    this.heads = options.heads;
    this.#opened = opened;
    this.#checkpointer = new Checkpointer(opened.engine, options.journalBytesMax);
    this.#skipped = options.skipped ?? 0;
  }

  static async open(path: string, options: RunOptions): Promise<Run> {
    return await Run.on(await openIn(path), options);
  }

  static async on(opened: Opened, options: RunOptions): Promise<Run> {
    const run = new Run(opened, options);
    const { engine, store } = opened;
    const [checkpointer, profiles] = [run.#checkpointer, [numberedProfile]];
    await changeProfiles({ engine, store, checkpointer, present: new Map(), profiles });
    return run;
  }

  async upTo(commits: number): Promise<void> {
    const { engine, store } = this.#opened;
    while (engine.sequence + this.#skipped < commits) {
      const commit = engine.sequence + this.#skipped;
      const block = {
        sequence: engine.sequence + 1,
        processingMs: commit * 50,
        clockTrusted: true,
        tick: false,
      };
      const groups = DEVICES.map((name, device) => groupOf(name, readingsOf(device, commit), commit));
      const whole = { ...block, groups: groups.filter(({ times }) => times.length > 0) };
      const summaries = engine.apply(whole);
      const share = this.#checkpointer.nextShare(store);
      await store.commit({ block: whole, summaries, ...share.commit });
      share.written();
      const head = store.log.head();
      this.heads[commit + 1] = head;
      if (commit % 10 === 9) await store.save("cloud", { confirmed: Math.max(0, head - 20), reserved: head });
    }
  }

  async checkpoint(): Promise<void> {
    const share = this.#checkpointer.everything();
    await this.#opened.store.commit({ summaries: [], ...share.commit });
    share.written();
  }

  async log(): Promise<readonly LogEntry[]> {
    return await this.#opened.store.log.read(0, EVERYTHING);
  }

  async close(): Promise<void> {
    await this.#opened.store.close();
  }
}

function groupOf(device: string, numbers: readonly number[], commit: number) {
  const group = newGroup(numberedProfile.hash, device, false);
  for (const i of numbers) {
    const values = numberedProfile.fields.map(({ name }) => {
      if (name === "note") return `${commit.toString(36)} ${(i * 7_919).toString(36).repeat(16)}`;
      return name === `b${Math.floor(i / BITS)}` ? 2 ** (i % BITS) : Number.NaN;
    });
    group.arrivals.push(FIRST_MS + i * STEP_MS);
    group.times.push(FIRST_MS + i * STEP_MS);
    group.values.push(values);
    group.deliveries.push(0);
  }
  return group;
}

/** Final summaries by id; the later one of two, which has the higher revision. */
export function finalsOf(log: readonly LogEntry[], summaries: readonly Summary[]): Map<string, Summary> {
  const all = [...log.map(({ json }) => json), ...summaries.map(canonicalJson)];
  const parsed = all.map((json) => JSON.parse(json) as Summary);
  return new Map(parsed.filter(({ final }) => final).map((summary) => [summary.id, summary]));
}

/** Holds final summaries to the readings of these commits, each there once in every kind of window. */
export function expectReadings(finals: Iterable<Summary>, brought: (commit: number) => boolean): void {
  const found = new Map<string, { count: number; sum: number }>();
  for (const { device, window, fields } of finals) {
    for (const [field, { count, sum }] of Object.entries(fields)) {
      if (field !== "note") add(found, `${device} ${window.name} ${field}`, count as number, sum as number);
    }
  }
  const wanted = new Map<string, { count: number; sum: number }>();
  for (let commit = 0; commit < COMMITS; commit++) {
    if (!brought(commit)) continue;
    for (const [device, name] of DEVICES.entries()) {
      for (const i of readingsOf(device, commit)) {
        for (const window of ["5s", "20s"]) {
          add(wanted, `${name} ${window} b${Math.floor(i / BITS)}`, 1, 2 ** (i % BITS));
        }
      }
    }
  }
  expect(Object.fromEntries([...found].sort())).toEqual(Object.fromEntries([...wanted].sort()));
}

function add(to: Map<string, { count: number; sum: number }>, key: string, count: number, sum: number): void {
  const total = to.get(key) ?? { count: 0, sum: 0 };
  to.set(key, { count: total.count + count, sum: total.sum + sum });
}

/** Nothing here depends on what a real disk does, and in memory it is faster by far. */
export async function folderInMemory(): Promise<string> {
  const folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "weir-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function setAsideIn(path: string): Promise<readonly string[]> {
  return (await readdir(path)).filter((name) => name.startsWith("db."));
}

export async function logOf({ store }: OpenState): Promise<readonly LogEntry[]> {
  await store.logChecked;
  return await store.log.read(0, EVERYTHING);
}
