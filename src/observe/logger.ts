/**
 * The log: one line per event on standard error, as logfmt for people or JSON for machines.
 *
 * What is logged comes partly from outside (topics, device names, payload excerpts), so a line is always one line:
 * control characters, line separators and bidirectional overrides are escaped, and values, keys and their number are
 * bounded. Nobody can forge a second line, colour a terminal or fill a disk with one message.
 */
import type { Clock } from "../model/clock.js";
import type { LogLevel } from "../model/log-event.js";
import { formatInstant } from "../model/time.js";

export type LogFormat = "logfmt" | "json";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  enabled(level: LogLevel): boolean;
  write(level: LogLevel, event: string, message: string, fields: LogFields): void;
}

export interface LoggerOptions {
  /** Less severe events are left out. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly clock: Pick<Clock, "wallMs">;
  /** Takes one line with its line end; `process.stderr.write` in the agent. */
  readonly write: (line: string) => void;
  /** Puts `<priority>` before the line, which journald takes off and files under PRIORITY. */
  readonly journald?: boolean;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** syslog(3) priorities. */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

const VALUE_CHARACTERS_MAX = 512;
const KEY_CHARACTERS_MAX = 64;
const FIELDS_MAX = 32;

export function createLogger(options: LoggerOptions): Logger {
  const render = options.format === "json" ? renderJson : renderLogfmt;
  const enabled = (level: LogLevel): boolean => SEVERITY[level] >= SEVERITY[options.level];
  return {
    enabled,
    write(level, event, message, fields) {
      if (!enabled(level)) return;
      const entries: [string, unknown][] = [
        ["time", formatInstant(options.clock.wallMs())],
        ["level", level],
        ["event", event],
        ["msg", message],
      ];
      for (const [key, value] of Object.entries(fields).slice(0, FIELDS_MAX)) {
        if (value !== undefined) entries.push([safeKey(key, entries), value]);
      }
      const prefix = options.journald === true ? `<${PRIORITY[level]}>` : "";
      options.write(`${prefix}${render(entries)}\n`);
    },
  };
}

function renderLogfmt(entries: readonly [string, unknown][]): string {
  return entries.map(([key, value]) => `${key}=${logfmtValue(value)}`).join(" ");
}

function renderJson(entries: readonly [string, unknown][]): string {
  const body = entries.map(([key, value]) => `${JSON.stringify(key)}:${jsonValue(value)}`);
  return `{${body.join(",")}}`;
}

function logfmtValue(value: unknown): string {
  const text = textOf(value);
  return /^[^\s"=\\\p{C}\u2028\u2029]+$/u.test(text) ? text : quote(text);
}

function jsonValue(value: unknown): string {
  if (typeof value === "boolean" || value === null) return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return quote(textOf(value));
}

/** A JSON string in which everything that is not plainly visible is escaped. */
function quote(text: string): string {
  return JSON.stringify(text).replace(/[\p{C}\u2028\u2029]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  let escaped = "";
  for (let unit = 0; unit < character.length; unit++) {
    escaped += `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}

function textOf(value: unknown): string {
  let text: string;
  if (typeof value === "string") text = value;
  else if (value instanceof Error) text = value.message;
  else if (typeof value === "object" && value !== null) text = objectText(value);
  else text = String(value);
  const surplus = text.length - VALUE_CHARACTERS_MAX;
  return surplus > 0 ? `${text.slice(0, VALUE_CHARACTERS_MAX)}… (${surplus} more characters)` : text;
}

function objectText(value: object): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** Field names come from event definitions; a clash with the fixed ones must not hide either. */
function safeKey(key: string, taken: readonly [string, unknown][]): string {
  const plain = key.replace(/[^A-Za-z0-9_.-]/g, "_").slice(0, KEY_CHARACTERS_MAX) || "_";
  return taken.some(([other]) => other === plain) ? `${plain}_` : plain;
}
