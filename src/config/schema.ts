/** The gateway's config, declared once: types, checks, JSON Schema and reference come from here. */
import { LIMITS } from "../model/limits.js";
import { ladder } from "../schema/ladder.js";
import { byteSize, count, duration, name, timeZone } from "../schema/types.js";
import { type Problem, withRule, z } from "../schema/zod.js";
import { groups } from "./groups.js";
import { sources } from "./sources.js";
import { targets } from "./targets.js";
import { type ConfigContext, filePath } from "./types.js";

const ABOUT = {
  title: "The gateway's config",
  description: [
    "A YAML file (1.2). Relative paths start at the file's folder.",
    `In a value, \`\${NAME}\` stands for an environment variable, \`\${NAME:-default}\` for one that may be missing,`,
    `and \`$\${\` for a plain \`\${\`.`,
  ].join(" "),
};

const gateway = z
  .strictObject({
    id: name().describe("Name of this gateway; part of every summary's id, so do not change it."),
    site: name().describe("Where the gateway stands; part of topics.").default("default"),
    zone: timeZone()
      .describe("Time zone of devices without one, of local days and of schedules.")
      .default("UTC"),
  })
  .describe("Who this gateway is.");

export function store(context: ConfigContext) {
  return z
    .strictObject({
      path: filePath(context).describe("Folder of the database; created when missing.").prefault("weir-data"),
      logBytesMax: byteSize({ minBytes: 1_000_000 })
        .describe("Size of the log of summaries, which is local history and outbox in one.")
        .prefault("256MB"),
      coarsen: ladder()
        .describe(
          "When the log is full, unsent summaries are merged into windows of these sizes, the oldest first, before any is dropped. A window's profile may say otherwise. Empty for never.",
        )
        .prefault(["15m", "1h", "1d"]),
      journalBytesMax: byteSize({ minBytes: 262_144 })
        .describe("Size of the journal of readings at which a checkpoint is taken.")
        .prefault("16MB"),
    })
    .describe("What is kept on disk, and how much of it.")
    .prefault({});
}

const commit = z
  .strictObject({
    maxDelay: duration({ maxMs: 10_000 })
      .describe(
        [
          "Longest wait of a reading for its commit, and the least average distance of two commits.",
          "A pause saves up a few, so a lone sender is acknowledged at once.",
          "Shorter wears the flash (the README has a table), longer delays acknowledgements.",
        ].join(" "),
      )
      .prefault("100ms"),
    maxBytes: byteSize({ minBytes: 1_024, maxBytes: LIMITS.commitBytesMax })
      .describe("Bytes of payload at which a commit does not wait any longer.")
      .prefault("1MB"),
  })
  .describe("Readings are made durable, and then acknowledged, in groups.")
  .prefault({});

const limits = z
  .strictObject({
    devices: count({ max: 10_000_000 })
      .describe("Devices; readings of further ones are rejected as `overLimit`.")
      .default(10_000),
    memoryBytesMax: byteSize({ minBytes: 1_000_000 })
      .describe(
        [
          "Memory for devices, their open windows and duplicate filters, by estimate.",
          "Beyond it what has not been used for longest is left to the store, and read back when something needs it;",
          "while too little of it is stored, commits wait and sources are pushed back.",
        ].join(" "),
      )
      .prefault("24MB"),
  })
  .describe("Bounds of what devices can make the agent keep.")
  .prefault({});

export function profiles(context: ConfigContext) {
  return z
    .strictObject({
      path: filePath(context)
        .describe("Folder of the device profiles, all its `*.yaml`.")
        .prefault("device-profiles"),
    })
    .describe("How payloads become readings.")
    .prefault({});
}

const log = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error"])
      .describe("Less severe events are left out.")
      .default("info"),
    format: z.enum(["logfmt", "json"]).describe("Form of the lines on standard error.").default("logfmt"),
  })
  .describe("What the agent says about itself.")
  .prefault({});

export function createConfigSchema(context: ConfigContext) {
  const schema = z.strictObject({
    gateway,
    store: store(context),
    commit,
    limits,
    profiles: profiles(context),
    groups: groups(),
    sources: sources(context),
    targets: targets(context),
    log,
  });
  return withRule(schema.meta(ABOUT), (value, report) => {
    const all = { sources: items(value.sources), targets: items(value.targets) };
    unique(items(value.groups), "groups", "name", report);
    unique(all.sources, "sources", "name", report);
    unique(all.targets, "targets", "name", report);
    unique(all.sources, "sources", "port", report);
    unique(all.targets, "targets", "path", report);
    unique(all.sources.map(listenText), "sources", "listen", report);
  });
}

type Item = Readonly<Record<string, unknown>>;

function items(list: unknown): Item[] {
  return Array.isArray(list)
    ? list.map((item) => (typeof item === "object" && item !== null ? item : {}))
    : [];
}

function listenText({ listen }: Item): Item {
  const { host, port } = (listen ?? {}) as { readonly host?: unknown; readonly port?: unknown };
  // Port 0 is a different one for each listener.
  return port === undefined || port === 0 ? {} : { listen: `${host}:${port}` };
}

/** Two of a kind under one name would share their progress, their port or their file. */
function unique(
  list: readonly Item[],
  section: string,
  key: string,
  report: (problem: Problem) => void,
): void {
  const seen = new Map<string, number>();
  for (const [index, item] of list.entries()) {
    const text = item[key];
    if (typeof text !== "string") continue;
    const first = seen.get(text);
    if (first === undefined) {
      seen.set(text, index);
      continue;
    }
    const code = key === "name" ? "duplicate-name" : "duplicate-value";
    const message = `${section}[${first}] has the ${key} "${text}" already`;
    report({ code, message, hint: "each needs its own", path: [section, index, key] });
  }
}
