import type { Profile } from "../../src/model/profile.js";
import { loadProfile } from "../../src/profile/load.js";
import type { Dice } from "./dice.js";

/**
 * The device profiles of a simulation. Every reading carries a bit of its own in one of the fields m0 to m3, so a
 * summary's sums tell exactly which readings are in it, each once; and a value `v` and a text `s` that the other
 * aggregates are checked with. Those of an order have fields of their own: `w` and `q` are `v` and `s` once more, `n`
 * counts up, and is reset, and rolls over. And a text `id` that no other reading has (groups.ts).
 */
export const MARK_FIELDS = 4;
export const MARK_BITS = 50;
/** Readings of one device that can be told apart. */
export const MARKS_MAX = MARK_FIELDS * MARK_BITS;
export const VALUE_RANGE = [-40, 85] as const;
/** What the counter of a device counts up to. */
export const ROLLOVER = 1_000;
/** Fields whose aggregates go by the order of readings. */
export const ORDERED_FIELDS: readonly string[] = ["w", "q", "n"];

/** A kind of window as the simulator makes it: YAML of its bounds. A new kind is a new line here. */
type WindowKind = readonly [name: string, bounds: (dice: Dice) => string];

/** In these each reading is in one window, at once or in a while: everything is looked for in the first definition. */
const WHOLE_KINDS: readonly WindowKind[] = [
  ["tumbling", (dice) => `tumbling: ${dice.pick(["10s", "1m", "5m", "1h", "7m"])}`],
  ["offset", (dice) => `tumbling: 10m, offset: ${dice.pick(["1m", "90s", "599s"])}`],
  ["day", (dice) => `tumbling: 1d, zone: ${dice.pick(["UTC", "Europe/Berlin", "Asia/Kolkata"])}`],
];

const early = (dice: Dice): string => (dice.chance(0.3) ? `, early: ${dice.pick(["1m", "17s"])}` : "");

const OTHER_KINDS: readonly WindowKind[] = [
  ["hopping", (dice) => `hopping: { size: ${dice.pick(["10m", "12m"])}, slide: ${dice.pick(["2m", "3m"])} }`],
  ["overlapping", (dice) => `hopping: { size: 1h, slide: ${dice.pick(["10m", "15m"])} }`],
  [
    "session",
    (dice) =>
      `session: { gap: ${dice.pick(["1m", "7m"])}, max: ${dice.pick(["never", "20m"])} }${early(dice)}`,
  ],
  [
    "count",
    (dice) => `count: { size: ${dice.whole(1, 9)}, maxAge: ${dice.pick(["never", "10m"])} }${early(dice)}`,
  ],
  ["state", (dice) => `state: { of: "${dice.pick(["s", "v > 20.0"])}" }${early(dice)}`],
  ["sliding", (dice) => `sliding: { size: ${dice.pick(["2m", "10m"])}, emit: "v > 40.0" }`],
  ["early", (dice) => `tumbling: 10m, early: ${dice.pick(["1m", "17s"])}`],
  ["filled", (dice) => `tumbling: 5m, empty: emit, fill: ${dice.pick(["null", "0"])}`],
  ["global", () => "global: true"],
];

/** Aggregates of values in any order; those of the second list need event times that the checker knows. */
export const NUMERIC = [
  ...["count", "sum", "mean", "min", "max", "range", "variance", "stddev", "variancePopulation"],
  ...["p50", "p99.9", "histogram", "covariance(m0)", "correlation(m1)"],
];
const TIMED = ["first", "last", "minTime", "maxTime", "firstTime", "lastTime", "slope"];
const TEXTS = ["count", "distinct", "mode", "counts"];
const ORDERED = {
  w: ["timeAverage", "timeAverage(stepped)", "total", "durationGood", "delta", "rate"],
  q: ["durationIn(on)", "durationIn(off)", "durationGood", "transitions"],
  n: ["increase", "rate", "delta", "transitions"],
};

export interface ProfileSpec {
  readonly id: string;
  /** Whether readings have an event time; if not, they are stamped on arrival. */
  readonly timed: boolean;
  readonly outOfOrdernessMs: number;
  /** The shortest lateness of its windows. */
  readonly latenessMs: number;
  /** A reading in time by the two above is accepted whatever happens: no silence, no clock can make it late. */
  readonly strict: boolean;
  /** One text per version; a reload changes from one to the next. */
  readonly texts: readonly string[];
  /** One of them, loaded when it is first asked for. */
  readonly load: (version: number) => Profile;
}

export function makeProfile(id: string, dice: Dice): ProfileSpec {
  const timed = dice.chance(0.75);
  const strict = timed ? dice.chance(0.6) : false;
  const outOfOrdernessMs = dice.pick([0, 1_000, 30_000, 300_000]);
  const latenessMs = dice.pick([0, 0, 60_000, 3_600_000]);
  const time = [
    timed ? "from: /t, format: epoch-ms" : "",
    `outOfOrderness: ${outOfOrdernessMs / 1_000}s`,
    `idleTimeout: ${strict ? "never" : dice.pick(["30s", "5m"])}`,
    timed ? `maxFuture: ${strict ? "never" : "5m"}, maxPast: ${strict ? "never" : "2h"}` : "",
  ];
  const rules = { timed, ordered: timed && dice.chance(0.6), latenessMs };
  const windows = Array.from({ length: dice.whole(1, 3) }, (_, i) => makeWindow(i, rules, dice));
  const texts = [windows, ...reconfigured(windows, rules, dice)].map((lines, version) =>
    profileText({ id, version, time: time.filter((part) => part !== "").join(", "), windows: lines }),
  );
  const loaded: Profile[] = [];
  return {
    id,
    timed,
    outOfOrdernessMs,
    latenessMs,
    strict,
    texts,
    load: (version) => {
      loaded[version] ??= loadText(id, texts[version]!);
      return loaded[version];
    },
  };
}

interface WindowRules {
  readonly timed: boolean;
  /** Whether it may have aggregates that go by the order of readings; without, overlapping windows share merges. */
  readonly ordered: boolean;
  readonly latenessMs: number;
}

function makeWindow(
  index: number,
  { timed, ordered: isOrdered, latenessMs }: WindowRules,
  dice: Dice,
): string {
  const [name, bounds] = dice.pick(index === 0 ? WHOLE_KINDS : [...WHOLE_KINDS, ...OTHER_KINDS]);
  const late = latenessMs * dice.pick([1, 1, 2]);
  const marks = Array.from({ length: MARK_FIELDS }, (_, i) => `m${i}: [count, sum]`);
  const values = dice.some(timed ? [...NUMERIC, ...TIMED] : NUMERIC, 0.2);
  const texts = dice.some(timed ? [...TEXTS, "first", "last", "lastTime"] : TEXTS, 0.5);
  const ordered = Object.entries(ORDERED).map(
    ([field, names]) => `${field}: [${(isOrdered ? dice.some(names, 0.3) : []).join(", ")}]`,
  );
  const fields = [...marks, `v: [${values.join(", ")}]`, `s: [${texts.join(", ")}]`, ...ordered].join(", ");
  const lateness = `allowedLateness: ${late / 1_000}s`;
  return `  - { name: ${name}${index}, ${bounds(dice)}, ${lateness}, fields: { ${fields} } }`;
}

/** What an operator may make of the windows later: one is changed, one is added, one goes. */
function reconfigured(windows: readonly string[], rules: WindowRules, dice: Dice): string[][] {
  const first = windows[0]!;
  return [
    [first, makeWindow(7, rules, dice)],
    [first, makeWindow(7, rules, dice), makeWindow(8, rules, dice)],
  ];
}

function profileText(on: {
  readonly id: string;
  readonly version: number;
  readonly time: string;
  readonly windows: readonly string[];
}): string {
  const marks = Array.from({ length: MARK_FIELDS }, (_, i) => `  m${i}: { from: /m${i} }`);
  return [
    "schema: device-profile/1",
    `id: ${on.id}`,
    `version: 1.0.${on.version}`,
    `match: { mqtt: { topics: ["${on.id}/{device}"] } }`,
    "decode: { format: json, maxBytes: 1024 }",
    `time: { ${on.time} }`,
    "fields:",
    ...marks,
    `  v: { from: /v, unit: Cel, range: [${VALUE_RANGE.join(", ")}] }`,
    "  s: { from: /s, type: string }",
    `  w: { from: /v, unit: Cel, range: [${VALUE_RANGE.join(", ")}], maxGap: 3m }`,
    "  q: { from: /s, type: string, maxGap: 20m }",
    `  n: { from: /n, type: int, kind: counter, rollover: ${ROLLOVER} }`,
    "  id: { from: /id, type: string }",
    "windows:",
    ...on.windows,
    "",
  ].join("\n");
}

function loadText(id: string, text: string): Profile {
  const { profile, diagnostics } = loadProfile(text, { file: `${id}.yaml`, zone: "UTC" });
  if (profile === undefined) throw new Error(`${text}\n${JSON.stringify(diagnostics)}`);
  return profile;
}
