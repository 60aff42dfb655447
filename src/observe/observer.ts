/**
 * Where events go: every one is counted, and written to the log if its level is wanted.
 *
 * A warning or error that repeats would drown the others: a broken sensor can cause a thousand a second. So of one
 * kind (same event, same labels) a line that says the same as one before is held back for `repeatEveryMs`, and after
 * `distinctMax` different ones all are; then one line with the newest of them says how many there were (`repeated=`).
 * A line may be late, but nothing is hidden. Only what answers a command of the operator is never held back: a person
 * waits for it, and it comes no more often than the command.
 */
import type { Timer, Timers } from "../model/clock.js";
import type { EventDefinition, LogLevel, Observer } from "../model/log-event.js";
import type { Counters } from "./counters.js";
import type { LogFields, Logger } from "./logger.js";

export interface ObserverOptions {
  readonly log: Logger;
  readonly counters: Counters;
  readonly timers: Timers;
  readonly repeatEveryMs?: number;
  readonly distinctMax?: number;
}

export interface ClosableObserver extends Observer {
  /** Writes what is still held back; events after it are written at once. */
  close(): void;
}

interface Line {
  readonly level: LogLevel;
  readonly name: string;
  readonly message: string;
  readonly fields: LogFields;
}

interface Repeats {
  /** What has been written of this kind since it began to repeat. */
  readonly said: Set<string>;
  heldBack: number;
  /** The last one held back. */
  newest: Line | undefined;
  timer: Timer;
}

const REPEAT_EVERY_MS = 30_000;
const DISTINCT_MAX = 10;

export function createObserver(options: ObserverOptions): ClosableObserver {
  const { log, counters, timers } = options;
  const { repeatEveryMs = REPEAT_EVERY_MS, distinctMax = DISTINCT_MAX } = options;
  // Bounded: there is at most one entry per counter series, and those are bounded.
  const repeating = new Map<string, Repeats>();
  let closed = false;

  const write = ({ level, name, message, fields }: Line): void => log.write(level, name, message, fields);

  const writeHeldBack = ({ newest, heldBack }: Repeats): void => {
    if (newest !== undefined) write({ ...newest, fields: { ...newest.fields, repeated: heldBack } });
  };

  const watch = (key: string, said: Set<string>): Repeats => {
    const timer = timers.after(repeatEveryMs, () => {
      repeating.delete(key);
      writeHeldBack(repeats);
      // While it goes on, a new period must not begin with the same lines again.
      if (repeats.heldBack > 0) watch(key, said);
    });
    const repeats: Repeats = { said, heldBack: 0, newest: undefined, timer };
    repeating.set(key, repeats);
    return repeats;
  };

  return {
    emit<Fields extends object>(event: EventDefinition<Fields>, given: Fields) {
      const { level, name, message } = event;
      const line: Line = { level, name, message, fields: given as LogFields };
      const key = counters.count(name, line.fields);
      if (!log.enabled(level)) return;
      if (closed || event.answer === true || (level !== "warn" && level !== "error")) return write(line);
      const repeats = repeating.get(key) ?? watch(key, new Set());
      const content = contentOf(line.fields);
      if (repeats.said.size < distinctMax && !repeats.said.has(content)) {
        repeats.said.add(content);
        return write(line);
      }
      repeats.heldBack++;
      repeats.newest = line;
    },
    close() {
      closed = true;
      for (const repeats of repeating.values()) {
        repeats.timer.cancel();
        writeHeldBack(repeats);
      }
      repeating.clear();
    },
  };
}

const CONTENT_CHARACTERS_MAX = 1_024;

function contentOf(fields: LogFields): string {
  const parts = Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`);
  return parts.join("\0").slice(0, CONTENT_CHARACTERS_MAX);
}
