/**
 * When a target is drained: on every append, or at the times of a cron expression.
 *
 * node-cron reads the expression and says whether an instant matches it in its time zone. Its own timer loop is
 * not used, because a gateway's wall clock is not to be trusted: it walks over a forward step slot by slot (a year
 * of "every second" blocks the event loop for half an hour), after a backward step it waits until the old time
 * comes again, a run more than a second late is left out, and it takes time from `Date`. Here instead:
 *
 * - All times up to now that were not looked at yet make one call of `onDue`, however many match: a drain takes
 *   everything there is. So a stall of the process or a small forward step loses no time.
 * - A forward step of more than `CATCH_UP_MS_MAX` is a clock being set, not time that passed: what lies between does
 *   not count. The limit is the one of Vixie cron.
 * - After a backward step the times come again. A second drain does no harm.
 * - A local time that the zone leaves out in spring does not come on that day; one that it has twice in autumn
 *   comes twice. What is in the log waits for the next time, so this costs delay and nothing else.
 * - Time passes while the agent is down, too: what was due then is not made up for, the next time takes it along.
 *
 * Where both day of month and day of week are restricted, both must match (node-cron; Vixie cron takes either).
 */
import { createTask, type ScheduledTask, validateDetailed } from "node-cron";
import type { Clock, Timer, Timers } from "../model/clock.js";
import { WeirError } from "../model/errors.js";
import type { SummaryLog } from "../model/summary-log.js";

/** Says when; never what. `onDue` may be called again while the work of the last call goes on. */
export interface Schedule {
  start(onDue: () => void): void;
  stop(): void;
}

export interface ScheduleOptions {
  /** `immediate`, or five or six cron fields (the sixth, in front, is the second), or `@daily` and its like. */
  readonly expression: string;
  /** IANA time zone that the expression is meant in. */
  readonly zone: string;
  readonly log: Pick<SummaryLog, "onAppend">;
  readonly clock: Clock;
  readonly timers: Timers;
}

export const IMMEDIATE = "immediate";

const EXPRESSION_CHARACTERS_MAX = 256;
const MINUTE_MS = 60_000;
/** Times that a forward step of the clock jumps over count up to this length. */
export const CATCH_UP_MS_MAX = 3 * 60 * MINUTE_MS;

/** @returns what is wrong with a schedule, or undefined */
export function validateSchedule(expression: string, zone: string): string | undefined {
  if (expression === IMMEDIATE) return undefined;
  if (expression.length > EXPRESSION_CHARACTERS_MAX) {
    return `a schedule has at most ${EXPRESSION_CHARACTERS_MAX} characters`;
  }
  // node-cron writes ranges out before it looks at their bounds; a long number would take all memory.
  const long = /\d{3,}/.exec(expression);
  if (long !== null) return `${long[0]} is too large for any field of a cron expression`;
  const { valid, errors } = validateDetailed(expression);
  if (!valid) {
    const said = errors.map((error) =>
      error.message.replace("is a invalid expression for", "is not a valid"),
    );
    return `not "${IMMEDIATE}" and not a cron expression: ${said.join("; ")}`;
  }
  return validZone(zone) ? undefined : `"${zone}" is not a time zone of the IANA database`;
}

export function createSchedule(options: ScheduleOptions): Schedule {
  const problem = validateSchedule(options.expression, options.zone);
  if (problem !== undefined) {
    throw new WeirError("bad-schedule", `schedule "${options.expression}": ${problem}`, {
      hint: `use "${IMMEDIATE}", or for instance "*/15 * * * *" for every quarter of an hour`,
    });
  }
  return options.expression === IMMEDIATE ? new ImmediateSchedule(options.log) : new CronSchedule(options);
}

/** Due at the start and after every commit that appended. */
class ImmediateSchedule implements Schedule {
  private readonly log: Pick<SummaryLog, "onAppend">;
  private unsubscribe: (() => void) | undefined;

  constructor(log: Pick<SummaryLog, "onAppend">) {
    this.log = log;
  }

  start(onDue: () => void): void {
    this.unsubscribe = this.log.onAppend(onDue);
    onDue();
  }

  stop(): void {
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }
}

class CronSchedule implements Schedule {
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly expression: string;
  private readonly zone: string;
  /** Seconds of a minute at which the expression can match, ascending. Zones are whole minutes apart. */
  private readonly seconds: readonly number[];
  private task: ScheduledTask | undefined;
  private timer: Timer | undefined;
  /** Everything up to this wall time has been looked at. */
  private seenMs = 0;

  constructor(options: ScheduleOptions) {
    this.clock = options.clock;
    this.timers = options.timers;
    this.expression = options.expression;
    this.zone = options.zone;
    this.seconds = [...(validateDetailed(options.expression).fields?.second ?? [])].sort((a, b) => a - b);
  }

  start(onDue: () => void): void {
    this.task = createTask(this.expression, () => {}, { timezone: this.zone });
    this.seenMs = this.clock.wallMs();
    this.arm(onDue);
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    // node-cron keeps every task in a global table until it is destroyed.
    void this.task?.destroy();
    this.task = undefined;
  }

  private arm(onDue: () => void): void {
    const nowMs = this.clock.wallMs();
    this.timer = this.timers.after(this.nextCandidateMs(nowMs) - nowMs, () => {
      const due = this.passed(this.clock.wallMs());
      this.arm(onDue);
      if (due) onDue();
    });
  }

  /** The first instant after `nowMs` whose second can match: at most a minute away, so that a step is noticed. */
  private nextCandidateMs(nowMs: number): number {
    const minuteMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
    const second = this.seconds.find((s) => minuteMs + s * 1000 > nowMs);
    return second === undefined ? minuteMs + MINUTE_MS + this.seconds[0]! * 1000 : minuteMs + second * 1000;
  }

  /** Whether the expression matched since the last look. */
  private passed(nowMs: number): boolean {
    const fromMs = this.seenMs;
    this.seenMs = nowMs;
    if (nowMs - fromMs > CATCH_UP_MS_MAX) return this.matchesBetween(nowMs - 1, nowMs);
    return this.matchesBetween(fromMs, nowMs);
  }

  /** Whether any matching second lies in `(fromMs, toMs]`; one question per minute, as a question takes 30 µs. */
  private matchesBetween(fromMs: number, toMs: number): boolean {
    for (let ms = Math.floor(fromMs / MINUTE_MS) * MINUTE_MS; ms <= toMs; ms += MINUTE_MS) {
      const start = ms;
      const second = this.seconds.find((s) => start + s * 1000 > fromMs);
      if (second === undefined || start + second * 1000 > toMs) continue;
      if (this.task?.match(new Date(start + second * 1000)) === true) return true;
    }
    return false;
  }
}

function validZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
