/** Values that only the gateway's config has. What needs the outside world (files, other parts) comes in a context. */
import { resolve } from "node:path";
import { nearest } from "../model/nearest.js";
import { report, z } from "../schema/zod.js";
import { cannotRead, READABLE } from "./files.js";
import { Secret } from "./secret.js";

/** What checking a config needs besides its text. Absent parts are not checked. */
export interface ConfigContext {
  /** Folder of the config file; relative paths start there. */
  readonly folder: string;
  /** @throws when the file cannot be read */
  readonly readFile?: (path: string) => string;
  /** @returns what is wrong with a schedule, or undefined */
  readonly validateSchedule?: (expression: string, zone: string) => string | undefined;
  /** @returns what is wrong with a users file, or undefined */
  readonly validateUsers?: (text: string, path: string) => string | undefined;
  /** @returns what is wrong with a topic template, or undefined */
  readonly validateTopic?: (template: string, of: "summary" | "status") => string | undefined;
}

const SECRET_FILE = "file:";

/** A path, made absolute; with `readable` the file has to be there. */
export function filePath(context: ConfigContext, options: { readonly readable?: boolean } = {}) {
  return z
    .string()
    .min(1)
    .meta({ "x-form": "path" })
    .transform((text, issues) => {
      const path = resolve(context.folder, text);
      if (options.readable !== true || context.readFile === undefined) return path;
      try {
        context.readFile(path);
      } catch (error) {
        report(issues, { code: "unreadable-file", message: cannotRead(path, error), hint: READABLE });
      }
      return path;
    });
}

/** A text, or `file:PATH` whose content (without white space at the end) is taken. Never printed. */
export function secret(context: ConfigContext) {
  return z
    .string()
    .meta({ "x-form": "secret" })
    .transform((text, issues) => {
      if (!text.startsWith(SECRET_FILE) || context.readFile === undefined) return new Secret(text);
      const path = resolve(context.folder, text.slice(SECRET_FILE.length));
      try {
        return new Secret(context.readFile(path).trimEnd());
      } catch (error) {
        const hint = "the file holds the secret and nothing else";
        report(issues, {
          code: "unreadable-file",
          message: cannotRead(path, error),
          hint,
        });
        return z.NEVER;
      }
    });
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[ipv6]:port`. */
export function listenAddress() {
  return z
    .string()
    .meta({ examples: ["127.0.0.1:1883", "0.0.0.0:8883", "[::1]:1883"], "x-form": "address" })
    .transform((text, issues): ListenAddress => {
      const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
      const port = Number(match?.[3]);
      if (match !== null && port <= 65_535) return { host: (match[1] ?? match[2])!, port };
      const hint = 'an address and a port, such as "127.0.0.1:1883"; "0.0.0.0:1883" for every interface';
      report(issues, { code: "bad-address", message: `"${text}" is not an address to listen on`, hint });
      return z.NEVER;
    });
}

const SCHEMES = ["mqtt", "mqtts"];

/** `mqtt://host[:port]` or `mqtts://host[:port]`, without credentials. */
export function mqttUrl() {
  return z
    .string()
    .meta({ examples: ["mqtt://broker.local", "mqtts://cloud.example:8883"], "x-form": "MQTT URL" })
    .superRefine((text, issues) => {
      const problem = mqttUrlProblem(text);
      if (problem !== undefined) report(issues, { code: "bad-url", ...problem });
    });
}

function mqttUrlProblem(text: string): { readonly message: string; readonly hint: string } | undefined {
  const form = "mqtt://host:1883, or mqtts://host:8883 with TLS";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // From here on the text is not shown: it may hold a password.
  if (url !== undefined && (url.username !== "" || url.password !== "")) {
    const hint = "use the keys username and password, which are never printed";
    return { message: "an MQTT URL has no credentials in it", hint };
  }
  if (url === undefined || !text.includes("://")) return { message: "not an MQTT URL", hint: form };
  const scheme = url.protocol.slice(0, -1);
  if (!SCHEMES.includes(scheme)) {
    const guess = nearest(scheme, SCHEMES);
    const hint = guess === undefined ? form : `did you mean "${guess}://"?`;
    return { message: `an MQTT URL does not begin with ${scheme}://`, hint };
  }
  if (url.hostname === "") return { message: "the MQTT URL has no host", hint: form };
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") {
    return { message: "an MQTT URL ends after the port", hint: form };
  }
  return undefined;
}

/** MQTT 3.1.1, section 4.7: `+` stands for one whole level, `#` for all the rest. */
export function topicFilter() {
  return z
    .string()
    .meta({ examples: ["tele/+/SENSOR", "sensors/#"], "x-form": "topic filter" })
    .superRefine((text, issues) => {
      const problem = topicFilterProblem(text);
      if (problem === undefined) return;
      const hint = 'such as "tele/+/SENSOR", or "sensors/#" for all below';
      report(issues, { code: "bad-topic", message: `"${text}": ${problem}`, hint });
    });
}

function topicFilterProblem(filter: string): string | undefined {
  if (filter === "") return "a topic filter is not empty";
  if (Buffer.byteLength(filter) > 65_535) return "a topic filter has at most 65535 bytes";
  if (filter.includes("\0")) return "a topic filter has no NUL character";
  const levels = filter.split("/");
  if (levels.some((level) => level.includes("+") && level !== "+")) return "+ stands for a whole level";
  const hash = levels.findIndex((level) => level.includes("#"));
  if (hash !== -1 && (levels[hash] !== "#" || hash !== levels.length - 1)) return "# stands alone at the end";
  return undefined;
}

/** The topic a target publishes to, with placeholders such as `{device}`. */
export function topicTemplate(context: ConfigContext, of: "summary" | "status") {
  return z
    .string()
    .meta({ "x-form": "topic" })
    .superRefine((text, issues) => {
      const problem = context.validateTopic?.(text, of);
      if (problem === undefined) return;
      const hint = `such as "${of === "summary" ? "weir/{gateway}/{device}/{window}" : "weir/{gateway}/status"}"`;
      report(issues, { code: "bad-topic", message: `"${text}": ${problem}`, hint });
    });
}

/** `immediate` or a cron expression. */
export function schedule(context: ConfigContext) {
  return z
    .string()
    .meta({ examples: ["immediate", "*/15 * * * *", "30 0 6 * * *"], "x-form": "schedule" })
    .superRefine((text, issues) => {
      const problem = context.validateSchedule?.(text, "UTC");
      if (problem === undefined) return;
      const hint = '"immediate", or for instance "*/15 * * * *" for every quarter of an hour';
      report(issues, { code: "bad-schedule", message: problem, hint });
    });
}
