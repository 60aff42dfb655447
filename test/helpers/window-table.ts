import { REJECT_REASONS } from "../../src/model/reasons.js";
import { formatInstant, parseDuration } from "../../src/model/time.js";
import { zoneNamed } from "../../src/model/zone.js";
import { compileTimeFormat } from "../../src/profile/time-format.js";

/**
 * Window tables: cases of windowing as text that people can read and write. `test/windows/README.md` has the
 * notation. Parsing knows nothing of the engine; whatever it does not understand is a `TableError` with its line.
 */
export interface WindowCase {
  readonly file: string;
  /** Of the title, one-based. */
  readonly line: number;
  readonly title: string;
  readonly times: TableTimes;
  /** Whether other orders of the readings must give the same, where that can be known. */
  readonly shuffle: boolean;
  /** YAML; what it does not say, the harness does (`play.ts`). */
  readonly profile: string;
  readonly profileLine: number;
  readonly steps: readonly Step[];
}

/** Something that happens, and what the engine is to say to it. */
export interface Step {
  readonly line: number;
  /** As it is written. */
  readonly text: readonly string[];
  readonly action: Action;
  readonly expected: readonly ExpectedLine[];
}

export interface ExpectedLine {
  readonly line: number;
  /** In the form in which a transcript would have it. */
  readonly text: string;
}

export type Action =
  | { readonly type: "readings"; readonly readings: readonly TableReading[] }
  | { readonly type: "silence"; readonly ms: number }
  | { readonly type: "restart" }
  | { readonly type: "reload"; readonly profile: string }
  | { readonly type: "end" }
  | { readonly type: "counts"; readonly device: string };

export interface TableReading {
  readonly device: string;
  /** As the payload has it; undefined where it has none. */
  readonly time: string | undefined;
  /** Epoch milliseconds of `time`, NaN for none. */
  readonly timeMs: number;
  /** Epoch milliseconds; undefined for "when its time has come, but not before what arrived before it". */
  readonly arrivalMs: number | undefined;
  readonly values: Readonly<Record<string, unknown>>;
  /** As in `ReadingGroup.deliveries`. */
  readonly delivery: number;
}

/** The device that a table means when it names none. */
export const DEFAULT_DEVICE = "d";
/** Silence is gone through second by second, as the agent does. */
const SILENCE_MS_MAX = 2 * 86_400_000;

/** A mistake in a table, with its place. */
export class TableError extends Error {
  constructor(file: string, line: number, problem: string) {
    super(`${file}:${line}: ${problem}`);
  }
}

/** Times as a table has them: of its day and zone unless they say otherwise. */
export class TableTimes {
  readonly day: string;
  readonly zone: string;
  readonly #parse: (text: string) => number;

  constructor(day: string, zone: string) {
    this.day = day;
    this.zone = zone;
    this.#parse = compileTimeFormat("local-iso", zone);
  }

  /** In full, as a payload would have it; undefined when it is not a time. */
  inFull(text: string): string | undefined {
    let full = text;
    if (/^-?\d+$/.test(text)) full = formatInstant(Number(text));
    else if (/^\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text)) full = `${this.day}T${text}`;
    else if (/^\d{4}-\d\d-\d\d$/.test(text)) full = `${text}T00:00`;
    return Number.isNaN(this.#parse(full)) ? undefined : full;
  }

  /** Epoch milliseconds, or NaN. */
  parse(text: string): number {
    const full = this.inFull(text);
    return full === undefined ? Number.NaN : this.#parse(full);
  }

  /** The shortest form that `parse` reads back, local where that is unambiguous. */
  format(ms: number): string {
    const zone = zoneNamed(this.zone);
    const wallMs = ms + zone.offset(ms);
    if (zone.toUtc(wallMs) !== ms) return formatInstant(ms);
    const wall = formatInstant(wallMs);
    if (wall.length < 20 || !/^\d/.test(wall)) return formatInstant(ms);
    const date = wall.slice(0, 10);
    const clock = wall.slice(11, -1).replace(/:00$/, "");
    if (date === this.day) return clock;
    return clock === "00:00" ? date : `${date}T${clock}`;
  }
}

/** Reads the cases of one file. */
export function parseWindowTable(text: string, file: string): WindowCase[] {
  const parser = new Parser(text, file);
  return parser.cases();
}

interface Draft {
  readonly line: number;
  readonly text: string[];
  action: Action;
  readonly expected: ExpectedLine[];
}

class Parser {
  readonly #file: string;
  readonly #lines: readonly string[];
  /** Index of the next line. */
  #at = 0;
  #day: string | undefined;
  #zone = "UTC";

  constructor(text: string, file: string) {
    this.#file = file;
    // A remark is as good as an empty line.
    this.#lines = text.split("\n").map((line) => (/^\s*\/\//.test(line) ? "" : line.trimEnd()));
  }

  cases(): WindowCase[] {
    const settings = this.#settings();
    if (settings.shuffle !== undefined) this.#fail("shuffle is a setting of a case, not of a file");
    this.#day = settings.day;
    this.#zone = settings.zone ?? this.#zone;
    const cases: WindowCase[] = [];
    while (this.#at < this.#lines.length) {
      const next = this.#case();
      if (cases.some(({ title }) => title === next.title)) {
        throw new TableError(this.#file, next.line, `there are two cases "${next.title}"`);
      }
      cases.push(next);
    }
    if (cases.length === 0) this.#fail("there is no case");
    return cases;
  }

  /** `day`, `zone` and `shuffle` lines, and empty ones. */
  #settings(): { day?: string; zone?: string; shuffle?: string } {
    const settings: Record<string, string> = {};
    for (; this.#at < this.#lines.length; this.#at++) {
      const match = /^(?:(day|zone|shuffle) (\S+))?$/.exec(this.#lines[this.#at]!);
      if (match === null) return settings;
      if (match[1] === undefined) continue;
      if (settings[match[1]] !== undefined) this.#fail(`${match[1]} is set twice`);
      if (match[1] === "shuffle" && match[2] !== "no") this.#fail('shuffle can only be "no"');
      settings[match[1]] = match[2]!;
      this.#times(settings.day ?? this.#day ?? "2000-01-01", settings.zone ?? this.#zone);
    }
    return settings;
  }

  #times(day: string, zone: string): TableTimes {
    try {
      const times = new TableTimes(day, zone);
      if (!Number.isNaN(times.parse("12:00"))) return times;
    } catch {
      this.#fail(`${zone} is not a time zone`);
    }
    return this.#fail(`${day} is not a day`);
  }

  #case(): WindowCase {
    const line = this.#at + 1;
    const title = /^# (\S.*)$/.exec(this.#lines[this.#at]!)?.[1];
    if (title === undefined) return this.#fail('a case begins with "# " and a sentence');
    this.#at++;
    const settings = this.#settings();
    const day = settings.day ?? this.#day;
    if (day === undefined) this.#fail("no day is set");
    const times = this.#times(day!, settings.zone ?? this.#zone);
    const profileLine = this.#at + 1;
    const profile = this.#until((text) => text === "---" || text.startsWith("# "));
    if (this.#lines[this.#at] !== "---")
      this.#fail("a case has a line --- between its profile and its readings");
    this.#at++;
    const steps = this.#steps(times);
    if (steps.every(({ expected }) => expected.length === 0)) {
      throw new TableError(this.#file, line, `"${title}" expects nothing`);
    }
    const shuffle = settings.shuffle === undefined;
    return { file: this.#file, line, title, times, shuffle, profile, profileLine, steps };
  }

  #until(end: (text: string) => boolean): string {
    const from = this.#at;
    while (this.#at < this.#lines.length && !end(this.#lines[this.#at]!)) this.#at++;
    return this.#lines.slice(from, this.#at).join("\n");
  }

  #steps(times: TableTimes): Step[] {
    const steps: Draft[] = [];
    for (; this.#at < this.#lines.length; this.#at++) {
      const text = this.#lines[this.#at]!.trim();
      if (text.startsWith("# ")) break;
      if (text !== "") this.#line(text, steps, times);
    }
    return steps;
  }

  #line(text: string, steps: Draft[], times: TableTimes): void {
    const line = this.#at + 1;
    const last = steps.at(-1);
    if (text.startsWith("> ")) {
      if (last === undefined) this.#fail("nothing has happened yet that something could be expected of");
      if (last?.action.type === "counts") this.#fail("counts are the answer already");
      last!.expected.push({ line, text: this.#expected(text.slice(2), times) });
      return;
    }
    if (last?.action.type === "end" && !text.startsWith("counts "))
      this.#fail("after the end there are only counts");
    if (text.startsWith("+ ")) {
      if (last?.action.type !== "readings") this.#fail("a + goes on with the block of the reading before it");
      if (last!.expected.length > 0) this.#fail("what is expected stands behind the whole block");
      const { readings } = last!.action as Extract<Action, { type: "readings" }>;
      last!.action = { type: "readings", readings: [...readings, this.#reading(text.slice(2), times)] };
      last!.text.push(text);
      return;
    }
    if (text.startsWith("counts ")) {
      const counts = this.#counts(text);
      const action: Action = { type: "counts", device: counts.device };
      steps.push({ line, text: [], action, expected: [{ line, text: counts.text }] });
      return;
    }
    steps.push({ line, text: [text], action: this.#action(text, times), expected: [] });
  }

  #action(text: string, times: TableTimes): Action {
    const [word, argument, ...rest] = text.split(/\s+/);
    if (word === "silence" && argument !== undefined && rest.length === 0) {
      const ms = parseDuration(argument);
      if (ms === undefined || ms > SILENCE_MS_MAX)
        this.#fail("a silence has a duration of at most 2d, such as 5m");
      return { type: "silence", ms: ms! };
    }
    if (text === "restart" || text === "end") return { type: text };
    if (text === "reload") {
      this.#at++;
      const lines = this.#until((each) => !/^\s+[^\s>]/.test(each)).split("\n");
      this.#at--;
      const indent = Math.min(...lines.map((each) => each.search(/\S/)));
      if (indent < 0) this.#fail("a reload has the changed part of the profile below it, indented");
      return { type: "reload", profile: lines.map((each) => each.slice(indent)).join("\n") };
    }
    return { type: "readings", readings: [this.#reading(text, times)] };
  }

  #reading(text: string, times: TableTimes): TableReading {
    const reader = new Tokens(text);
    const time = times.inFull(reader.peek() ?? "");
    const timeMs = time === undefined ? Number.NaN : times.parse(reader.next()!);
    let arrivalMs: number | undefined;
    let device = DEFAULT_DEVICE;
    let delivery = 0;
    const values: Record<string, unknown> = {};
    for (let token = reader.next(); token !== undefined; token = reader.next()) {
      const pair = /^([A-Za-z]\w*)=(.*)$/s.exec(token);
      if (token === "arrives" && arrivalMs === undefined) {
        arrivalMs = times.parse(reader.next() ?? "");
        if (Number.isNaN(arrivalMs)) this.#fail("arrives is followed by a time");
      } else if (token === "packet" || token === "repeats") {
        const number = Number(reader.next());
        if (!Number.isSafeInteger(number) || number < 1)
          this.#fail(`${token} is followed by a packet's number`);
        delivery = token === "packet" ? number : -number;
      } else if (/^@\S+$/.test(token)) device = token.slice(1);
      else if (pair !== null) {
        if (Object.hasOwn(values, pair[1]!)) this.#fail(`${pair[1]} has two values`);
        values[pair[1]!] = pair[2] === "" ? undefined : payloadValue(pair[2]!);
      } else this.#fail(`"${token}" is not part of a reading, and "${text}" is nothing else that can happen`);
    }
    if (time === undefined && arrivalMs === undefined) this.#fail(`"${text}" has no time`);
    return { device, time, timeMs, arrivalMs, values, delivery };
  }

  #counts(text: string): { readonly device: string; readonly text: string } {
    const reader = new Tokens(text);
    const parts = [reader.next()!];
    let device = DEFAULT_DEVICE;
    if (reader.peek()?.startsWith("@") === true) {
      device = reader.next()!.slice(1);
      if (device !== DEFAULT_DEVICE) parts.push(`@${device}`);
    }
    for (let token = reader.next(); token !== undefined; token = reader.next()) {
      if (!/^[A-Za-z]+=\d+$/.test(token)) this.#fail(`"${token}" is not a count`);
      parts.push(token);
    }
    return { device, text: parts.join(" ") };
  }

  /** What the engine is to say, in the form in which a transcript has it. */
  #expected(text: string, times: TableTimes): string {
    const reader = new Tokens(text);
    const parts = [reader.next()!];
    const device = (token: string) => (token === `@${DEFAULT_DEVICE}` ? [] : [token]);
    if (EVENTS.has(parts[0]!)) {
      for (let token = reader.next(); token !== undefined; token = reader.next()) {
        if (token.startsWith("@")) parts.push(...device(token));
        else if (/^x[1-9]\d*$/.test(token)) parts.push(...(token === "x1" ? [] : [token]));
        else this.#fail(`"${token}" does not go with "${parts[0]}"`);
      }
      return parts.join(" ");
    }
    let body = false;
    for (let token = reader.next(); token !== undefined; token = reader.next()) {
      if (/^(r\d+|final|retracted|reconfigured|incomplete|part\d+|nth\d+)$/.test(token) && !body)
        parts.push(token);
      else if (token.startsWith("@") && !body) parts.push(...device(token));
      else if (/^(\w+:|nothing|;|\|)$/.test(token)) {
        body = true;
        if (token === ";") parts[parts.length - 1] += ";";
        else parts.push(token);
      } else if (body || /^(state|filled|members)=/.test(token)) parts.push(this.#result(token, times));
      else parts.push(this.#span(token, times));
    }
    if (!body) this.#fail(`"${text}" is neither a summary nor one of ${[...EVENTS].join(", ")}`);
    return parts.join(" ");
  }

  #result(token: string, times: TableTimes): string {
    const [, name, value] = /^([\w.(),]+)=(.+)$/s.exec(token) ?? [];
    if (name === undefined || value === undefined)
      return this.#fail(`"${token}" is not a result such as count=1`);
    const ms = name.endsWith("Time") ? times.parse(value) : Number.NaN;
    return `${name}=${Number.isNaN(ms) ? plainValue(payloadValue(value)) : times.format(ms)}`;
  }

  /** The start of a window, and its duration where that does not follow from its definition. */
  #span(token: string, times: TableTimes): string {
    const [, start, duration] = /^(.+?)(\+[0-9][0-9a-z]*[a-z])?$/.exec(token)!;
    const ms = times.parse(start!);
    if (Number.isNaN(ms)) this.#fail(`"${token}" is not when a window begins`);
    return `${times.format(ms)}${duration ?? ""}`;
  }

  #fail(problem: string): never {
    throw new TableError(this.#file, Math.min(this.#at + 1, this.#lines.length), problem);
  }
}

/** What can become of readings without a summary. */
const EVENTS: ReadonlySet<string> = new Set([...REJECT_REASONS, "partlyLate", "conflicting"]);

/** Words separated by blanks, and the marks ; and |; quoted texts stay together. */
class Tokens {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/[;|]|(?:[^\s";|]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  }

  peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  next(): string | undefined {
    return this.#tokens[this.#at++];
  }
}

/** JSON where it is JSON, else text. */
function payloadValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A result as a transcript has it; texts in quotes only where they could be taken for something else. */
export function plainValue(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[^\s";|]+$/.test(value) && payloadValue(value) === value ? value : JSON.stringify(value);
}
