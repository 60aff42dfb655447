/**
 * What the demo puts on standard output: a live table on a terminal, lines where there is none (a pipe, CI, a dumb
 * terminal), or nothing but the summaries as JSON lines.
 */
import type { Clock, Timer, Timers } from "../model/clock.js";
import type { Summary } from "../model/summary.js";
import { DEMO_WINDOW } from "./short-windows.js";
import { chooseStyle, type Style } from "./style.js";
import { renderNote, renderRows, renderTotals, renderValues } from "./table.js";
import { formatClock, type Note, type View } from "./view.js";
import { cell, formatReasons, printable } from "./words.js";

/** Where the running demo can be reached from another terminal. */
export interface Door {
  /** Process id of the agent. */
  readonly pid: number;
  /** A command that publishes a reading. */
  readonly join: string;
  /** A command that follows the agent's summaries. */
  readonly look: string;
}

export interface Display {
  /** The agent takes readings. */
  ready(door: Door): void;
  summary(summary: Summary, json: string): void;
  note(note: Note): void;
  /** Gives the terminal back as it was; nothing is shown after it. Safe to call at any time, and again. */
  close(): void;
}

export interface DisplayParts {
  readonly view: View;
  readonly stdout: NodeJS.WritableStream;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** The part of `tty.WriteStream` that counts. */
type Terminal = NodeJS.WritableStream & { readonly columns?: number; readonly rows?: number };

export function isTerminal(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): stream is Terminal {
  return "isTTY" in stream && stream.isTTY === true && env.TERM !== "dumb";
}

export function createDisplay(json: boolean, parts: DisplayParts): Display {
  if (json) return jsonDisplay(parts.stdout);
  return isTerminal(parts.stdout, parts.env) ? new LiveDisplay(parts.stdout, parts) : lineDisplay(parts);
}

function jsonDisplay(stdout: NodeJS.WritableStream): Display {
  return {
    ready: () => undefined,
    summary: (_, json) => void stdout.write(`${json}\n`),
    note: () => undefined,
    close: () => undefined,
  };
}

const LINE_WIDTH = 150;
const NAME_WIDTH = 16;

function lineDisplay({ stdout, env, clock }: DisplayParts): Display {
  const style = chooseStyle(false, env);
  const say = (who: string, text: string, atMs: number): void => {
    stdout.write(`${formatClock(atMs)}  ${cell(who, NAME_WIDTH)}  ${text}`.trimEnd().concat("\n"));
  };
  return {
    ready: ({ join, look }) => {
      say("demo", `publish something yourself:  ${join}`, clock.wallMs());
      say("demo", `or look at the agent's log:  ${look}`, clock.wallMs());
    },
    summary: (summary) => {
      const { received, accepted, fields: _, ...rejected } = summary.quality;
      const start = formatClock(Date.parse(summary.window.start ?? ""));
      const reasons = formatReasons(rejected);
      const parts = [
        `${start} +${summary.window.name} rev ${summary.revision}`,
        `${accepted} of ${received} accepted${reasons === "" ? "" : `, ${reasons}`}`,
        renderValues(summary, LINE_WIDTH - 70, style).trimEnd(),
      ];
      say(printable(summary.device), parts.join("; "), clock.wallMs());
    },
    note: ({ atMs, who, text }) => say(printable(who), `* ${printable(text)}`, atMs),
    close: () => undefined,
  };
}

const REDRAW_EVERY_MS = 250;
const NOTES_SHOWN = 7;

/** xterm's control sequences; the alternate screen leaves what was on the terminal before. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const REST_OF_LINE = "\x1b[K";
const REST_OF_SCREEN = "\x1b[J";
/** Terminals that know it show a frame at once, others ignore it. */
const FRAME_BEGIN = "\x1b[?2026h";
const FRAME_END = "\x1b[?2026l";

class LiveDisplay implements Display {
  readonly #terminal: Terminal;
  readonly #parts: DisplayParts;
  readonly #style: Style;
  readonly #startMs: number;
  readonly #timer: Timer;
  readonly #redraw = (): void => this.#draw();
  #door: Door | undefined;
  #closed = false;

  constructor(terminal: Terminal, parts: DisplayParts) {
    this.#terminal = terminal;
    this.#parts = parts;
    this.#style = chooseStyle(true, parts.env);
    this.#startMs = parts.clock.monotonicMs();
    terminal.write(ENTER);
    terminal.on("resize", this.#redraw);
    this.#timer = parts.timers.every(REDRAW_EVERY_MS, this.#redraw);
    this.#draw();
  }

  ready(door: Door): void {
    this.#door = door;
  }

  summary(): void {}

  note(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#terminal.off("resize", this.#redraw);
    this.#terminal.write(LEAVE);
  }

  #draw(): void {
    const { columns = 80, rows = 24 } = this.#terminal;
    const frame = this.#frame(columns, rows).map((line) => line + REST_OF_LINE);
    this.#terminal.write(`${FRAME_BEGIN}${HOME}${frame.join("\r\n")}${REST_OF_SCREEN}${FRAME_END}`);
  }

  #frame(columns: number, rows: number): string[] {
    const { view, clock } = this.#parts;
    const style = this.#style;
    const options = { width: columns - 2, nowMs: clock.wallMs(), style };
    const seconds = Math.floor((clock.monotonicMs() - this.#startMs) / 1_000);
    const head = [this.#title(seconds, columns - 2), ""];
    const totals = ["", ...renderTotals(view, options)];
    const hints = this.#hints(columns - 2);
    const table = renderRows(view.rows, options);
    const free = rows - head.length - totals.length - table.length;
    const foot = free >= hints.length + 3 ? hints : [];
    const notes = view.notes.slice(-Math.max(0, Math.min(NOTES_SHOWN, free - foot.length - 1)));
    const news = notes.length === 0 ? [] : ["", ...notes.map((note) => renderNote(note, options))];
    const rowsMax = Math.max(2, rows - head.length - totals.length);
    return [...head, ...table.slice(0, rowsMax), ...totals, ...news, ...foot]
      .slice(0, rows)
      .map((line) => (line === "" ? "" : ` ${line}`));
  }

  #title(seconds: number, width: number): string {
    const left = `${NAME}  ${this.#door === undefined ? "starting …" : about(this.#door)}`;
    const time = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    const right = `${time}  Ctrl-C ends it`;
    const shown = cell(left, Math.max(0, width - right.length - 2));
    const [name, rest] = [shown.slice(0, NAME.length), shown.slice(NAME.length)];
    return `${this.#style.bold(name)}${rest}  ${this.#style.dim(right)}`;
  }

  #hints(width: number): string[] {
    if (this.#door === undefined) return [];
    const hint = (label: string, command: string): string[] =>
      label.length + command.length > width ? [] : [`${this.#style.dim(label)}${command}`];
    const { join, look } = this.#door;
    return ["", ...hint("publish yourself:  ", join), ...hint("look at its log:   ", look)];
  }
}

const NAME = "weir demo";

function about({ pid }: Door): string {
  return `devices → agent (pid ${pid}) → cloud; ${DEMO_WINDOW.name} windows, UTC`;
}
