/**
 * A year without upstream: the engine and the real store, driven as fast as they go, with one target that never answers
 * and one that answers for a few hours now and then. Then both come back, and the energy of every device, and the
 * least and greatest power of each of its days, must be exact. The long form has minute windows and a log of 20 MB, the
 * short one a fifth of both.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mergeSummaries } from "../../src/aggregate/merge.js";
import { Engine } from "../../src/engine/engine.js";
import { Forwarder } from "../../src/forward/forwarder.js";
import { createSchedule } from "../../src/forward/schedule.js";
import { type Block, newGroup } from "../../src/model/block.js";
import { LIMITS } from "../../src/model/limits.js";
import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import { Store } from "../../src/store/store.js";
import { rounds, tell } from "../helpers/campaign.js";
import { engineProfile, field, tumbling } from "../helpers/engine.js";
import { FakeTarget } from "../helpers/fake-target.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { truth } from "../helpers/marked-readings.js";
import { Recorder } from "../helpers/recorder.js";
import { type Seeded, seeded } from "../helpers/seeded.js";
import { temporaryFolder, until } from "../helpers/tools.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const FIRST_MS = Date.UTC(2026, 0, 1);
const LOG_BYTES_MAX = rounds(4_000_000, 20_000_000);
const METER_WINDOW_MS = rounds(5 * MINUTE, MINUTE);
/** What appending may add before room is made. */
const OVERRUN_BYTES = 500_000;

const names = { energy: ["count", "sum"], power: ["mean", "min", "max"] };

function profile(id: string, sizeMs: number, allowedLatenessMs: number): EngineProfile {
  const aggregates = [
    { field: 0, names: names.energy },
    { field: 1, names: names.power },
  ];
  return engineProfile({
    id,
    hash: `hash of ${id}`,
    fields: [field("energy", { unit: "Wh" }), field("power", { unit: "W" })],
    windows: [tumbling("w", sizeMs, aggregates, allowedLatenessMs)],
  });
}

const METER = profile("meter", METER_WINDOW_MS, 0);
/** Two revisions of each window. */
const PLUG = profile("plug", HOUR, 10 * MINUTE);

interface Account {
  readings: number;
  energy: number;
  /** By day: least and greatest power. */
  readonly days: Map<number, [number, number]>;
}

const account = (): Account => ({ readings: 0, energy: 0, days: new Map() });

function book(
  into: Account,
  entry: { count: number; energy: number; day: number; low: number; high: number },
): void {
  into.readings += entry.count;
  into.energy += entry.energy;
  const [low, high] = into.days.get(entry.day) ?? [entry.low, entry.high];
  into.days.set(entry.day, [Math.min(low, entry.low), Math.max(high, entry.high)]);
}

/** What a receiver makes of everything it got. */
function accountsOf(jsons: readonly string[]): { accounts: Map<string, Account>; coarse: number } {
  const accounts = new Map<string, Account>();
  let coarse = 0;
  for (const { device, window, fields } of truth(jsons)) {
    if (window.coarsened !== undefined) coarse++;
    const own = accounts.get(device) ?? account();
    accounts.set(device, own);
    const { energy, power } = fields as Record<string, Record<string, number>>;
    const day = Math.floor(Date.parse(window.start!) / DAY);
    expect(Math.floor((Date.parse(window.end!) - 1) / DAY), "a window within its day").toBe(day);
    book(own, { count: energy!.count!, energy: energy!.sum!, day, low: power!.min!, high: power!.max! });
  }
  return { accounts, coarse };
}

/** The devices of a site and what they have truly measured. */
class Site {
  readonly truth = new Map<string, Account>();
  readonly #random: Seeded;
  readonly #meters: number;
  readonly #plugs: number;
  #sequence = 0;

  constructor(random: Seeded, devices: { readonly meters: number; readonly plugs: number }) {
    this.#random = random;
    this.#meters = devices.meters;
    this.#plugs = devices.plugs;
  }

  /** An hour of readings: one in each window of a meter, each plug's every half hour. */
  hour(startMs: number): Block {
    const groups = [];
    for (let m = 0; m < this.#meters; m++)
      groups.push(this.#group(METER, `meter-${m}`, startMs, HOUR / METER_WINDOW_MS));
    for (let p = 0; p < this.#plugs; p++) groups.push(this.#group(PLUG, `plug-${p}`, startMs, 2));
    this.#sequence++;
    return { sequence: this.#sequence, processingMs: 0, clockTrusted: true, tick: false, groups };
  }

  #group({ hash }: EngineProfile, device: string, startMs: number, count: number) {
    const group = newGroup(hash, device, false);
    const own = this.truth.get(device) ?? account();
    this.truth.set(device, own);
    for (let i = 0; i < count; i++) {
      const timeMs = startMs + (i * HOUR) / count + this.#random.below(MINUTE);
      const energy = this.#random.below(4_000);
      const power = this.#random.below(30_000) / 10;
      group.arrivals.push(timeMs);
      group.times.push(timeMs);
      group.values.push([energy, power]);
      group.deliveries.push(0);
      book(own, { count: 1, energy, day: Math.floor(timeMs / DAY), low: power, high: power });
    }
    return group;
  }
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sum + bytesIn(path);
    // LevelDB may have deleted it since.
    return sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  }, 0);
}

describe("a year without upstream", () => {
  it("costs resolution and nothing else, in a log of a few megabytes", async () => {
    const devices = { meters: rounds(1, 3), plugs: rounds(2, 17) };
    const site = new Site(seeded("a year"), devices);
    const path = await temporaryFolder();
    const clock = new ManualClock({ wallMs: FIRST_MS });
    const observer = new Recorder();
    const store = await Store.open({
      path,
      clock,
      timers: clock,
      observer,
      logBytesMax: LOG_BYTES_MAX,
      databaseBytesMax: LOG_BYTES_MAX,
      coarsening: { ladderMs: [15 * MINUTE, HOUR, DAY], zone: "UTC", merge: mergeSummaries },
    });
    const engine = new Engine({ gateway: "gw", devicesMax: 100, mergeable: true });
    for (const each of [METER, PLUG]) engine.addProfile(each);
    const targets = ["never", "sometimes"].map(
      (name) => new FakeTarget({ name, batch: { entriesMax: 50, bytesMax: 1_000_000 } }),
    );
    for (const target of targets) target.away = true;
    const forwarders = targets.map(
      (target) =>
        new Forwarder({
          target,
          schedule: createSchedule({
            expression: "immediate",
            zone: "UTC",
            log: store.log,
            clock,
            timers: clock,
          }),
          log: store.log,
          cursors: store,
          clock,
          timers: clock,
          random: () => 0.5,
          observer,
        }),
    );
    for (const forwarder of forwarders) forwarder.start();
    const room = makingRoom(
      store,
      targets.map(({ name }) => name),
    );
    let summaries = 0;
    let [peakLog, peakFolder] = [0, 0];
    const commit = async (fired: readonly Summary[]): Promise<void> => {
      summaries += fired.length;
      await store.commit({ summaries: fired, records: [] });
      peakLog = Math.max(peakLog, store.log.bytes);
      await room();
    };
    for (let hour = 0; hour < 365 * 24; hour++) {
      await commit(engine.apply(site.hour(FIRST_MS + hour * HOUR)));
      clock.advance(HOUR);
      const sometimes = targets[1]!;
      if (hour % (90 * 24) === 0) sometimes.comeBack();
      if (hour % (90 * 24) === 6) sometimes.away = true;
      if (hour % 24 === 0) peakFolder = Math.max(peakFolder, bytesIn(path));
    }
    await commit(engine.flush());
    const { coarsened, dropped } = store.log;
    const entries = store.log.count();
    for (const target of targets) target.comeBack();
    await until(() => forwarders.every((forwarder) => forwarder.status().cursor === store.log.head()), {
      what: "both targets have everything",
      timeoutMs: 120_000,
    });
    for (const forwarder of forwarders) await forwarder.stop();
    await store.close();
    expect(dropped).toBe(0);
    const figures = targets.map((target) => {
      const { accounts, coarse } = accountsOf(target.received.map(({ json }) => json));
      expect(Object.fromEntries(accounts)).toEqual(Object.fromEntries(site.truth));
      return `${target.name}: ${target.received.length} received, ${coarse} coarse`;
    });
    expect(peakLog).toBeLessThanOrEqual(LOG_BYTES_MAX + OVERRUN_BYTES);
    expect(peakFolder).toBeLessThanOrEqual(LOG_BYTES_MAX + OVERRUN_BYTES + LIMITS.databaseHeadRoomBytes);
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    tell(
      "outage",
      `${devices.meters + devices.plugs} devices, a log of ${mb(LOG_BYTES_MAX)}, ${summaries} summaries, ${coarsened} windows merged into ` +
        `${entries} entries; at most ${mb(peakLog)} of log, ${mb(peakFolder)} of files; ${figures.join("; ")}`,
    );
  }, 3_600_000);
});

/** As the agent does it: beside the commits, one at a time; here the commits wait where they would run away. */
function makingRoom(store: Store, targets: readonly string[]): () => Promise<void> {
  let making: Promise<void> | undefined;
  return async () => {
    if (store.log.bytes > LOG_BYTES_MAX) {
      making ??= store
        .trimLog(() => targets)
        .finally(() => {
          making = undefined;
        });
    }
    if (store.log.bytes > LOG_BYTES_MAX + OVERRUN_BYTES / 2) await making;
  };
}
