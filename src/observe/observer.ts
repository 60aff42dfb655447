/**
 * Where events go: every one is counted, and written to the log if its level is wanted.
 *
 * A warning or error that repeats (same event, same labels) would drown the others: a broken sensor can cause a
 * thousand a second. The first is written at once; those of the next `repeatEveryMs` are only counted, and then one
 * line with the newest of them says how many there were (`repeated=`). So a line may be late, but nothing is hidden.
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
}

export interface ClosableObserver extends Observer {
  /** Writes what is still held back; events after it are written at once. */
  close(): void;
}

interface Repeats {
  count: number;
  newest: {
    readonly level: LogLevel;
    readonly message: string;
    readonly name: string;
    readonly fields: LogFields;
  };
  timer: Timer;
}

const REPEAT_EVERY_MS = 30_000;

export function createObserver(options: ObserverOptions): ClosableObserver {
  const { log, counters, timers } = options;
  const repeatEveryMs = options.repeatEveryMs ?? REPEAT_EVERY_MS;
  // Bounded: there is at most one entry per counter series, and those are bounded.
  const repeating = new Map<string, Repeats>();
  let closed = false;

  const flush = (key: string, repeats: Repeats): void => {
    repeats.timer.cancel();
    repeating.delete(key);
    if (repeats.count === 0) return;
    const { level, name, message, fields } = repeats.newest;
    log.write(level, name, message, { ...fields, repeated: repeats.count });
  };

  const watch = (key: string, newest: Repeats["newest"]): void => {
    const timer = timers.after(repeatEveryMs, () => {
      const repeats = repeating.get(key);
      if (repeats === undefined) return;
      const goesOn = repeats.count > 0;
      flush(key, repeats);
      if (goesOn) watch(key, repeats.newest);
    });
    repeating.set(key, { count: 0, newest, timer });
  };

  return {
    emit<Fields extends object>(event: EventDefinition<Fields>, given: Fields) {
      const fields = given as LogFields;
      const key = counters.count(event.name, fields);
      const { level, name, message } = event;
      if (!log.enabled(level)) return;
      if (closed || (level !== "warn" && level !== "error")) {
        log.write(level, name, message, fields);
        return;
      }
      const repeats = repeating.get(key);
      const newest = { level, name, message, fields };
      if (repeats !== undefined) {
        repeats.count++;
        repeats.newest = newest;
        return;
      }
      log.write(level, name, message, fields);
      watch(key, newest);
    },
    close() {
      closed = true;
      for (const [key, repeats] of [...repeating]) flush(key, repeats);
    },
  };
}
