import { parse, stringify } from "yaml";
import { parseConfig } from "../../src/config/load.js";
import type { DeviceCounts } from "../../src/engine/counts.js";
import type { Engine } from "../../src/engine/engine.js";
import type { GroupCounts } from "../../src/engine/groups.js";
import { type Block, newGroup, type ReadingGroup } from "../../src/model/block.js";
import type { GroupDefinition } from "../../src/model/group.js";
import type { Profile } from "../../src/model/profile.js";
import { REASON_CODE } from "../../src/model/reasons.js";
import type { Summary } from "../../src/model/summary.js";
import { loadProfile } from "../../src/profile/load.js";
import { newEngine, restored } from "../helpers/engine.js";
import { type Step, TableError, type TableReading, type WindowCase } from "../helpers/window-table.js";
import { countsLine, eventLines, plainLine, type SaidLine, summaryLine } from "./transcript.js";

/** Plays window tables through the profile loader, the decoder and the engine. */

type Document = Readonly<Record<string, unknown>>;

/** What a table needs not say: one number `x`, event times, no disorder, counts and sums. */
function withDefaults({ groups: _, ...document }: Document): Document {
  const { time, fields, windows, ...rest } = document;
  return {
    schema: "device-profile/1",
    id: "p",
    version: "1.0.0",
    decode: { format: "json" },
    time: {
      from: "/time",
      format: "local-iso",
      outOfOrderness: "0s",
      idleTimeout: "never",
      ...(time as Document | undefined),
    },
    fields: Object.fromEntries(Object.entries((fields ?? { x: {} }) as Document).map(withPlace)),
    ...rest,
    windows: withAggregates(windows),
  };
}

function withAggregates(windows: unknown): unknown {
  if (!Array.isArray(windows)) return windows;
  return windows.map((window: Document) => ({ fields: { "*": ["count", "sum"] }, ...window }));
}

const TARGET = { name: "archive", type: "file", path: "a.jsonl", schedule: "immediate" };

const groupings = new WeakMap<WindowCase, readonly GroupDefinition[]>();

/** @throws TableError with everything that the loader says */
export function groupsOf(of: WindowCase): readonly GroupDefinition[] {
  const groups = groupings.get(of) ?? loadGroups(of, {});
  groupings.set(of, groups);
  return groups;
}

/** Through the loader of the gateway's config. */
function loadGroups(of: WindowCase, change: Document): readonly GroupDefinition[] {
  const { groups = [] } = { ...read(of, of.profile, of.profileLine), ...change };
  const written = (groups as Document[]).map((group) => ({
    ...group,
    windows: withAggregates(group.windows),
  }));
  const text = stringify({
    gateway: { id: "gw" },
    sources: [{ name: "local", type: "broker" }],
    targets: [TARGET],
    groups: written,
  });
  const { config, diagnostics } = parseConfig(text, of.file, { env: {} });
  if (config !== undefined) return config.groups;
  const problems = diagnostics.map(({ message }) => message).join("; ");
  throw new TableError(of.file, of.profileLine, `the groups are refused: ${problems}`);
}

/** A field is in the payload under its own name. */
function withPlace([name, field]: [string, unknown]): [string, unknown] {
  const known = (field ?? {}) as Document;
  return [name, "from" in known || "compute" in known ? known : { from: `/${name}`, ...known }];
}

const profiles = new WeakMap<WindowCase, Profile>();

/** @throws TableError with everything that the loader says */
export function profileOf(of: WindowCase): Profile {
  const profile = profiles.get(of) ?? load(of, {}, of.profileLine);
  profiles.set(of, profile);
  return profile;
}

function load(of: WindowCase, change: Document, line: number): Profile {
  const written = read(of, of.profile, of.profileLine);
  const text = stringify(withDefaults({ ...written, ...change }));
  const { profile, diagnostics } = loadProfile(text, { file: of.file, zone: of.times.zone });
  if (profile !== undefined) return profile;
  const problems = diagnostics.map(({ message, hint }) =>
    hint === undefined ? message : `${message} (${hint})`,
  );
  throw new TableError(of.file, line, `the profile is refused: ${problems.join("; ")}`);
}

function read(of: WindowCase, yaml: string, line: number): Document {
  const document: unknown = parse(yaml);
  if (typeof document === "object" && document !== null && !Array.isArray(document))
    return document as Document;
  throw new TableError(of.file, line, "a profile is a mapping such as windows: [...]");
}

export interface Played {
  /** What the engine said, step by step, in the table's notation. */
  readonly said: readonly (readonly SaidLine[])[];
  /** All summaries, also those that a flush behind the last step gives. */
  readonly summaries: readonly Summary[];
  readonly counts: readonly DeviceCounts[];
  readonly groups: readonly GroupCounts[];
  /** How many readings were sent. */
  readonly sent: number;
  /** Arrival of each, by reading: what a reading that does not say when it arrives got. */
  readonly arrivals: ReadonlyMap<TableReading, number>;
}

/** @param restarts whether the state goes through stored records after every step */
export function play(of: WindowCase, restarts = false): Played {
  const player = new Player(of, profileOf(of));
  const said = of.steps.map((step) => {
    const lines = player.step(step);
    if (restarts && step.action.type !== "end") player.restart();
    return lines;
  });
  return { said, ...player.finish() };
}

/** Plays readings in another order, one block each; they arrive when they arrived in `before`. */
export function playReadings(of: WindowCase, readings: readonly TableReading[], before: Played): Played {
  const player = new Player(of, profileOf(of));
  const said = readings.map((reading, line) => {
    const arrived = { ...reading, arrivalMs: before.arrivals.get(reading) };
    return player.step({ line, text: [], action: { type: "readings", readings: [arrived] }, expected: [] });
  });
  return { said, ...player.finish() };
}

class Player {
  readonly #of: WindowCase;
  #engine: Engine;
  #profile: Profile;
  #groups: readonly GroupDefinition[];
  readonly #summaries: Summary[] = [];
  readonly #arrivals = new Map<TableReading, number>();
  #wallMs = Number.NEGATIVE_INFINITY;
  #processingMs = 0;
  #sequence = 0;
  #sent = 0;

  constructor(of: WindowCase, profile: Profile) {
    this.#of = of;
    this.#profile = profile;
    this.#groups = groupsOf(of);
    this.#engine = newEngine(profile);
    this.#engine.redefine({ groups: this.#groups });
    if (this.#engine.groups.counts().length < this.#groups.length) {
      throw new TableError(of.file, of.profileLine, "a group does not go with the profile");
    }
  }

  /** @returns what the engine says to it */
  step({ action, line }: Step): SaidLine[] {
    if (action.type === "counts") {
      const counts = this.#engine.counts().find(({ device }) => device === action.device);
      return [plainLine(countsLine(action.device, counts))];
    }
    const before = this.#engine.counts();
    const [profile, groups] = [this.#profile, this.#groups];
    const summaries = this.#do(action, line);
    this.#summaries.push(...summaries);
    const windowsOf = ({ device, members }: Summary) =>
      (members === undefined ? profile : groups.find(({ name }) => name === device)!).windows;
    const lines = summaries.map((summary) => summaryLine(summary, windowsOf(summary), this.#of.times));
    return [...eventLines(before, this.#engine.counts()).map(plainLine), ...lines];
  }

  #do(action: Step["action"], line: number): Summary[] {
    switch (action.type) {
      case "readings":
        return this.#engine.apply(this.#block(action.readings, line));
      case "silence":
        return this.#silence(action.ms);
      case "restart":
        this.restart();
        return [];
      case "reload": {
        const change = read(this.#of, action.profile, line);
        this.#profile = load(this.#of, change, line);
        this.#groups = loadGroups(this.#of, change);
        return this.#engine.redefine({ profiles: [this.#profile], groups: this.#groups });
      }
      default:
        return this.#engine.flush();
    }
  }

  restart(): void {
    this.#engine = restored(this.#engine, this.#profile);
  }

  finish(): Omit<Played, "said"> {
    this.#summaries.push(...this.#engine.flush());
    const counts = this.#engine.counts();
    const groups = this.#engine.groups.counts();
    return { summaries: this.#summaries, counts, groups, sent: this.#sent, arrivals: this.#arrivals };
  }

  #silence(ms: number): Summary[] {
    const summaries: Summary[] = [];
    for (let left = ms; left > 0; left -= 1_000) {
      const passed = Math.min(1_000, left);
      this.#processingMs += passed;
      this.#wallMs += passed;
      if (!this.#engine.ticks.isDue(this.#processingMs)) continue;
      summaries.push(...this.#engine.apply(this.#next([], true)));
    }
    return summaries;
  }

  #next(groups: readonly ReadingGroup[], tick: boolean): Block {
    this.#sequence++;
    return { sequence: this.#sequence, processingMs: this.#processingMs, clockTrusted: true, tick, groups };
  }

  #block(readings: readonly TableReading[], line: number): Block {
    const groups = new Map<string, ReadingGroup>();
    for (const reading of readings) {
      const { device } = reading;
      const { hash, duplicates } = this.#profile;
      const group = groups.get(device) ?? newGroup(hash, device, duplicates.by === "key");
      groups.set(device, group);
      this.#decode(reading, group, line);
    }
    return this.#next([...groups.values()], false);
  }

  /** The way of a payload, as the pipeline has it. */
  #decode(reading: TableReading, group: ReadingGroup, line: number): void {
    const { device, time, timeMs, values, delivery } = reading;
    const ownMs = Number.isNaN(timeMs) ? Number.NEGATIVE_INFINITY : timeMs;
    const arrivalMs = reading.arrivalMs ?? Math.max(this.#wallMs, ownMs);
    this.#wallMs = arrivalMs;
    this.#arrivals.set(reading, arrivalMs);
    this.#sent++;
    for (const name of Object.keys(values)) {
      if (name !== "key" && this.#profile.fields.every((field) => field.name !== name)) {
        throw new TableError(this.#of.file, line, `the profile has no field ${name}`);
      }
    }
    const context = { captures: { device }, topic: undefined, arrivalMs };
    this.#profile.decode(JSON.stringify({ time, ...values }), context, {
      reading: (_, eventMs, decoded, key) => {
        group.arrivals.push(arrivalMs);
        group.times.push(eventMs);
        group.values.push(decoded);
        group.keys?.push(key ?? "");
        group.deliveries.push(Number.isNaN(eventMs) ? delivery : 0);
      },
      reject: (_, reason) => {
        const code = REASON_CODE[reason];
        group.rejected[code] = (group.rejected[code] ?? 0) + 1;
      },
    });
  }
}
