import type { EngineProfile } from "../../src/model/profile.js";
import { fieldsWithState, type Summary } from "../../src/model/summary.js";
import { fieldsOf } from "../oracle/oracle.js";
import { countsOf, isOfGroup } from "./groups.js";
import { checkOrdered, type Ordered } from "./ordered-check.js";
import { MARK_BITS, MARK_FIELDS, ORDERED_FIELDS } from "./profiles.js";
import type { Sensor, Sent } from "./sensor.js";

/** A summary that has arrived, and the readings in it. */
export interface Received {
  readonly summary: Summary;
  readonly members: readonly Sent[];
}

/**
 * Checks of one summary as it arrives upstream, whatever became of the rest: its sums tell which readings are in it;
 * these must have been sent, lie in its window, be counted once, and give exactly its bytes.
 */
export class Decoder {
  readonly #sensors: ReadonlyMap<string, Sensor>;
  readonly #definitions: ReadonlyMap<string, EngineProfile>;
  /** By JSON: every upstream gets the same summaries. */
  readonly #known = new Map<string, Received>();
  readonly #groups: ReadonlyMap<string, EngineProfile>;
  readonly #clocksStep: boolean;
  /** By the name that each reading has given itself. */
  readonly #named: (name: string) => Sent | undefined;

  constructor(
    sensors: readonly Sensor[],
    definitions: ReadonlyMap<string, EngineProfile>,
    groups: ReadonlyMap<string, EngineProfile>,
    clocksStep: boolean,
  ) {
    const byName = new Map(sensors.map((sensor) => [sensor.spec.name, sensor]));
    this.#groups = groups;
    this.#clocksStep = clocksStep;
    this.#named = (name) => {
      const [device, number] = name.split(":");
      return byName.get(device!)?.sent[Number(number)];
    };
    this.#sensors = new Map(
      sensors.map((sensor) => [`${sensor.spec.profile.id}/${sensor.spec.name}`, sensor]),
    );
    this.#definitions = definitions;
  }

  /** @returns the summary and the readings in it @throws Error when it is not what these readings give */
  received(json: string): Received {
    const known = this.#known.get(json);
    if (known !== undefined) return known;
    const summary = JSON.parse(json) as Summary;
    const members = isOfGroup(summary) ? this.#membersOfGroup(summary) : this.#ofDevice(summary);
    const received = { summary, members };
    this.#known.set(json, received);
    return received;
  }

  #ofDevice(summary: Summary): readonly Sent[] {
    const profile = this.#definitions.get(summary.profile);
    if (profile === undefined) throw new Error(`${summary.id}: no profile is ${summary.profile}`);
    const sensor = this.#sensors.get(`${profile.id}/${summary.device}`);
    const numbers = marksOf(summary);
    if (sensor === undefined && numbers.length > 0) throw new Error(`${summary.id}: no such device`);
    const members = numbers.map((number) => {
      const sent = sensor!.sent[number];
      if (sent === undefined) throw new Error(`${summary.id}: reading ${number} was never sent`);
      return sent;
    });
    this.#check(summary, profile, members);
    if (sensor?.spec.profile.timed) this.checkOrder({ summary, members }, sensor.sent, false);
    return members;
  }

  #check(summary: Summary, profile: EngineProfile, members: readonly Sent[]): void {
    this.#checkBounds(summary, members);
    this.#checkFields(summary, profile, members);
    const { accepted } = summary.quality;
    if (accepted !== members.length) {
      throw new Error(`${summary.id}: quality counts ${accepted} accepted, ${members.length} are in it`);
    }
  }

  /** The readings in the summary of a group; none where there are too many to tell. */
  #membersOfGroup(summary: Summary): readonly Sent[] {
    const group = this.#groups.get(summary.device);
    if (group === undefined) throw new Error(`${summary.id}: there is no such group`);
    const counts = countsOf(summary);
    if (counts === undefined) return [];
    const members = [...counts].map(([name, count]) => {
      const sent = this.#named(name);
      if (sent === undefined) throw new Error(`${summary.id}: reading ${name} was never sent`);
      if (count !== 1) throw new Error(`${summary.id}: reading ${name} is in it ${count} times`);
      // Fields are the same in all profiles, and the group has those that it asks for.
      return { ...sent, values: group.fields.map((field) => sent.values[FIELDS.indexOf(field.name)]!) };
    });
    this.#check(summary, group, members);
    const devices = new Set(members.map(({ name }) => name.split(":")[0])).size;
    const { count = devices } = summary.members ?? {};
    // One whose time begins anew within a window takes part in it twice.
    if (count < devices || (count > devices && !this.#clocksStep)) {
      throw new Error(`${summary.id}: ${count} members are counted, ${devices} are in it`);
    }
    return members;
  }

  /**
   * Whether a window has its last word although nothing more comes. A state lasts until the reading that closes everything
   * else, and may be told anew as long as that may; and that reading is one of a count.
   */
  ends({ summary, members }: Received): boolean {
    if (isOfGroup(summary) || summary.retracted) return true;
    const { kind } = windowOf(summary, this.#definitions.get(summary.profile)!);
    if (kind.type === "count") return members.length >= kind.size || Number.isFinite(kind.maxAgeMs);
    return kind.type !== "state";
  }

  /** See `checkOrdered`. */
  checkOrder(of: Pick<Ordered, "summary" | "members">, all: readonly Sent[], known: boolean): void {
    const { summary, members } = of;
    const profile = this.#definitions.get(summary.profile)!;
    checkOrdered({ summary, profile, window: windowOf(summary, profile), members }, all, known);
  }

  #checkBounds({ id, window }: Summary, members: readonly Sent[]): void {
    if (window.start === undefined || window.end === undefined) return;
    const start = Date.parse(window.start);
    const end = Date.parse(window.end);
    const toTheEnd = ENDED_BY_READING.includes(window.kind);
    for (const { number, timeMs } of members) {
      if (timeMs !== undefined && !(timeMs >= start && (timeMs < end || (timeMs === end && toTheEnd)))) {
        throw new Error(
          `${id}: reading ${number} of ${new Date(timeMs).toISOString()} is not of this window`,
        );
      }
    }
  }

  #checkFields(summary: Summary, profile: EngineProfile, members: readonly Sent[]): void {
    const window = windowOf(summary, profile);
    const readings = members.map(({ timeMs, values }) => ({
      device: summary.device,
      timeMs: timeMs ?? Number.NaN,
      values,
    }));
    const isOrdered = (name: string) => ORDERED_FIELDS.includes(name);
    const aggregates = window.aggregates.filter(({ field }) => !isOrdered(profile.fields[field]!.name));
    const expected = fieldsOf(profile, { ...window, aggregates }, readings);
    const names = fieldsWithState(summary).filter((name) => !isOrdered(name));
    const given = names.map((name) => [name, summary.fields[name]]);
    const got = JSON.stringify(Object.fromEntries(given));
    if (got !== expected) throw new Error(`${summary.id}: the fields are\n${got}\nand not\n${expected}`);
  }
}

/** The definition of a summary's window, also of one that was merged. */
function windowOf(summary: Summary, profile: EngineProfile): EngineProfile["windows"][number] {
  const window = profile.windows.find(({ name }) => name === fineName(summary));
  if (window === undefined) throw new Error(`${summary.id}: ${summary.profile} has no such window`);
  return window;
}

/** Of a profile, in its order. */
const FIELDS = [...Array.from({ length: MARK_FIELDS }, (_, i) => `m${i}`), "v", "s", "w", "q", "n", "id"];

/** Kinds whose windows end with a reading, or with the last one there was. */
const ENDED_BY_READING = ["count", "sliding", "state", "session"];

/** Name of the window as the profile defines it, also of one that was merged from several. */
export function fineName({ window }: Summary): string {
  return window.coarsened?.from ?? window.name;
}

/** Numbers of the readings in a summary. @throws Error when one is in it twice */
function marksOf({ id, fields, filled = [] }: Summary): number[] {
  const numbers: number[] = [];
  for (let field = 0; field < MARK_FIELDS; field++) {
    const marks = fields[`m${field}`];
    if (marks === undefined || filled.includes(`m${field}`)) continue;
    const before = numbers.length;
    let sum = marks.sum as number;
    for (let bit = 0; bit < MARK_BITS && sum > 0; bit++) {
      if (sum % 2 === 1) numbers.push(field * MARK_BITS + bit);
      sum = Math.floor(sum / 2);
    }
    if (sum !== 0 || numbers.length - before !== marks.count) {
      throw new Error(
        `${id}: m${field} counts ${marks.count} readings of sum ${marks.sum}: one is in it twice`,
      );
    }
  }
  return numbers;
}
