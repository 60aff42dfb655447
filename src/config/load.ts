/** From a config file to what the parts of the agent are given: checked, with every default and path filled in. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostic.js";
import type { GroupDefinition } from "../model/group.js";
import { parseDocument } from "../schema/document.js";
import { timeZone } from "../schema/types.js";
import type { Path, Place } from "../schema/yaml.js";
import { z } from "../schema/zod.js";
import { findClashes } from "./file-clash.js";
import { cannotRead } from "./files.js";
import { groupDefinition } from "./groups.js";
import { createConfigSchema, profiles } from "./schema.js";
import type { ConfigContext } from "./types.js";
import { type Environment, substituteVariables } from "./variables.js";

export interface LoadOptions
  extends Pick<ConfigContext, "validateSchedule" | "validateTopic" | "validateUsers"> {
  readonly env: Environment;
  /** The gateway of an agent that runs: defaults that depend on it stay as they are until the next start. */
  readonly gatewayInForce?: Pick<Config["gateway"], "id" | "zone">;
}

type Parsed = z.output<ReturnType<typeof createConfigSchema>>;
type ParsedSource<T extends string> = Extract<Parsed["sources"][number], { readonly type: T }>;
type ParsedTarget<T extends string> = Extract<Parsed["targets"][number], { readonly type: T }>;

/** The keys whose default depends on another part of the config are there after loading. */
type Filled<T, K extends keyof T> = Readonly<Omit<T, K> & { [P in K]-?: Exclude<T[P], undefined> }>;

export type BrokerSourceConfig = Filled<ParsedSource<"broker">, "anonymous">;
export type MqttSourceConfig = Filled<ParsedSource<"mqtt">, "clientId">;
export type SerialSourceConfig = Filled<ParsedSource<"serial">, "device">;
export type SourceConfig = BrokerSourceConfig | MqttSourceConfig | SerialSourceConfig;
export type MqttTargetConfig = Filled<ParsedTarget<"mqtt">, "clientId" | "timezone">;
export type FileTargetConfig = Filled<ParsedTarget<"file">, "timezone">;
export type TargetConfig = MqttTargetConfig | FileTargetConfig;

/** Sizes are bytes, durations milliseconds, rates per second, paths absolute. */
export interface Config extends Readonly<Omit<Parsed, "groups" | "sources" | "targets">> {
  readonly groups: readonly GroupDefinition[];
  readonly sources: readonly SourceConfig[];
  readonly targets: readonly TargetConfig[];
}

export interface LoadedConfig {
  /** Undefined when there are diagnostics. */
  readonly config: Config | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** Where and how profiles are to be read, also when other parts are wrong; undefined when that cannot be told. */
  readonly profiles: { readonly path: string; readonly zone: string } | undefined;
  /** Where a key's value stands in the file. */
  place(path: Path): Place;
}

/** Never throws: a file that cannot be read is a diagnostic, too. */
export function loadConfig(file: string, options: LoadOptions): LoadedConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const hint = "give the path of the config with -c";
    const message = cannotRead(file, error);
    return {
      config: undefined,
      profiles: undefined,
      diagnostics: [{ file, line: 1, column: 1, code: "unreadable-file", message, hint }],
      place: () => ({ line: 1, column: 1 }),
    };
  }
  return parseConfig(text, file, options);
}

/** The same from a text; relative paths start at the folder of `file`. */
export function parseConfig(text: string, file: string, options: LoadOptions): LoadedConfig {
  const { env, gatewayInForce, ...checks } = options;
  const read = new Set<string>();
  const context = {
    ...checks,
    folder: dirname(resolve(file)),
    readFile: (path: string) => {
      read.add(path);
      return readFileSync(path, "utf8");
    },
  };
  const schema = createConfigSchema(context);
  const parsed = parseDocument(text, { file, schema, onText: substituteVariables(env) });
  const { value, plain, place } = parsed;
  const clashes = value === undefined ? [] : clashesIn(value, resolve(file), read);
  const hint = "give the target another path";
  const diagnostics = [
    ...parsed.diagnostics,
    ...clashes.map(({ index, message }) => {
      return { file, ...place(["targets", index, "path"]), code: "file-clash", message, hint };
    }),
  ];
  const config =
    value === undefined || clashes.length > 0 ? undefined : fill(value, gatewayInForce ?? value.gateway);
  return { config, diagnostics, profiles: profilesIn(plain, context), place };
}

function clashesIn({ targets, profiles: { path } }: Parsed, config: string, others: Iterable<string>) {
  const files = targets.flatMap((target, index) =>
    target.type === "file" ? [{ index, path: target.path, keep: target.keep }] : [],
  );
  return findClashes(files, { config, profiles: path, others });
}

function profilesIn(plain: unknown, context: ConfigContext): LoadedConfig["profiles"] {
  const shape = z.object({ profiles: profiles(context), gateway: z.unknown().optional() });
  const { success, data } = shape.safeParse(plain);
  // What an unset variable stands for is not known.
  if (!success || data.profiles.path.includes("${")) return undefined;
  const gateway = z.object({ zone: timeZone() }).safeParse(data.gateway);
  return { path: data.profiles.path, zone: gateway.data?.zone ?? "UTC" };
}

function fill(parsed: Parsed, gateway: Pick<Parsed["gateway"], "id" | "zone">): Config {
  return {
    ...parsed,
    groups: parsed.groups.map(groupDefinition),
    sources: parsed.sources.map((source) => fillSource(source, gateway.id)),
    targets: parsed.targets.map((target) => fillTarget(target, gateway)),
  };
}

function fillSource(source: Parsed["sources"][number], gateway: string): SourceConfig {
  switch (source.type) {
    case "broker":
      return {
        ...source,
        anonymous: source.anonymous ?? (source.users === undefined && source.tls?.ca === undefined),
      };
    case "mqtt":
      return { ...source, clientId: source.clientId ?? `weir-${gateway}-in-${source.name}` };
    case "serial":
      return { ...source, device: source.device ?? source.name };
  }
}

function fillTarget(
  target: Parsed["targets"][number],
  gateway: Pick<Parsed["gateway"], "id" | "zone">,
): TargetConfig {
  const timezone = target.timezone ?? gateway.zone;
  if (target.type === "file") return { ...target, timezone };
  return { ...target, timezone, clientId: target.clientId ?? `weir-${gateway.id}-out-${target.name}` };
}
