import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.js";
import { dispatch } from "../../../src/cli/dispatch.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import { canonicalJson, type Summary } from "../../../src/model/summary.js";
import type { WindowDefinition } from "../../../src/model/window.js";
import { testIo } from "../../helpers/cli.js";
import {
  BlockMaker,
  engineProfile,
  field,
  groupedEngine,
  hopping,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { linesOf, merge, withPartials } from "../../helpers/merging.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MEAN = [{ field: 0, names: ["count", "mean"] }];

function profileOf(windows: readonly WindowDefinition[], rest: Partial<EngineProfile> = {}): EngineProfile {
  return withPartials(engineProfile({ windows, ...rest }));
}

const MINUTES = profileOf([tumbling("1m", MINUTE, MEAN)]);

function at(minute: number, x: number, device = "d"): TestReading {
  return { device, timeMs: minute * MINUTE, values: [x] };
}

/** A gateway's file: a value a minute. */
function lines(gateway: string, minutes: readonly number[], profile = MINUTES, device = "d"): string[] {
  return linesOf(
    profile,
    gateway,
    minutes.map((minute) => at(minute, minute, device)),
  );
}

function changed(line: string, change: (summary: Record<string, unknown>) => void): string {
  const summary = JSON.parse(line) as Record<string, unknown>;
  change(summary);
  return JSON.stringify(summary);
}

/** What is said of which window: `gateway/device/window minute: count, mean`. */
function said(summaries: readonly Summary[]): string[] {
  return summaries.map(({ gateway, device, window, fields }) => {
    const minute = window.start === undefined ? "" : Date.parse(window.start) / MINUTE;
    return `${gateway}/${device}/${window.name} ${minute}: ${fields.x?.count}, ${fields.x?.mean}`;
  });
}

describe("weir merge", () => {
  it("takes the newest revision of each summary, once, and none of what was taken back", async () => {
    const late = profileOf([tumbling("1m", MINUTE, MEAN, 5 * MINUTE)]);
    const all = linesOf(late, "gw-1", [at(0, 1), at(2, 2), at(0.5, 4), at(9, 1)]);
    const gone = changed(all.find((line) => line.includes('"start":"1970-01-01T00:09:00Z"'))!, (summary) => {
      summary.revision = 7;
      summary.retracted = true;
      delete summary.partials;
    });
    const { summaries, stderr } = await merge([[...all, ...all].reverse(), [gone]]);
    expect(said(summaries)).toEqual(["gw-1/d/1m 0: 2, 2.5", "gw-1/d/1m 2: 1, 2"]);
    expect(stderr).toMatch(/taken back +1\n/);
    expect(stderr).toMatch(/summaries written +2\n$/);
  });

  it("says that what comes of a window that can still change is not final", async () => {
    const late = profileOf([tumbling("1m", MINUTE, MEAN, 5 * MINUTE)]);
    const notFinal = linesOf(late, "gw-1", [at(0, 1), at(2, 2)]).filter((line) =>
      line.includes('"final":false'),
    );
    const { summaries, stderr } = await merge([notFinal, lines("gw-2", [0], late)]);
    expect(summaries.map(({ final }) => final)).toEqual([false]);
    expect(stderr).toMatch(/not final yet +1\n/);
  });

  it("knows nothing of the time after an early firing, as the engine that fired it", async () => {
    const timed = [{ field: 0, names: ["durationGood"] }];
    const early = profileOf([{ ...tumbling("1h", HOUR, timed), earlyMs: 10 * MINUTE }]);
    const [first] = linesOf(early, "gw-1", [at(0, 1), at(5, 2), at(11, 3)]);
    const { summaries } = await merge([[first!]]);
    expect(summaries[0]!.fields).toEqual((JSON.parse(first!) as Summary).fields);
    expect(summaries[0]!.fields.x).toMatchObject({ durationGood: 11 * 60 });
    expect(summaries[0]!.partials!.open).toBe(true);
  });

  it("knows the time up to the end of a longer window where what has not ended is not the last of it", async () => {
    const timed = [{ field: 0, names: ["durationGood"] }];
    const early = profileOf([{ ...tumbling("10m", 10 * MINUTE, timed), earlyMs: MINUTE }]);
    const [first] = linesOf(early, "gw-1", [at(0, 1), at(5, 2), at(6.5, 3)]);
    const merged = (files: readonly (readonly string[])[]) => merge(files, ["--window", "1h"]);
    expect((await merged([[first!]])).summaries[0]!.fields.x).toMatchObject({ durationGood: 5 * 60 });
    const both = await merged([[first!], lines("gw-2", [30], early)]);
    expect(both.summaries[0]!.fields.x).toMatchObject({ durationGood: 60 * 60 });
  });

  it("merges the largest values that there are", async () => {
    const names = ["sum", "variance", "p50", "slope"];
    const sums = profileOf([tumbling("1m", MINUTE, [{ field: 0, names }])]);
    const huge = [at(0, 1e120), at(0.1, -1e120), at(0.2, 9e119)];
    const whole = linesOf(sums, "gw-1", huge);
    const files = huge.map((each, i) => linesOf(sums, `gw-${i}`, [each]));
    const { summaries } = await merge(files);
    expect(summaries[0]!.fields).toEqual((JSON.parse(whole.at(-1)!) as Summary).fields);
    expect(summaries[0]!.fields.x).toMatchObject({ sum: 9e119 });
  });

  it("reads gzip and standard input, and passes over empty lines", async () => {
    const io = testIo();
    const zipped = gzipSync(`\n${lines("gw-1", [0, 1]).join("\n\r\n\n")}\n`);
    const stdin = (async function* () {
      yield zipped;
    })() as unknown as NodeJS.ReadableStream;
    expect(await dispatch(["merge", "--window", "1h", "-"], { ...io.io, stdin }, COMMANDS)).toBe(0);
    expect(said([JSON.parse(io.written.stdout) as Summary])).toEqual(["gw-1/d/1m~1h 0: 2, 0.5"]);
  });

  it("names the gateway of what came from several, and the device and profile of what came from all", async () => {
    const fields = [field("x"), field("y")];
    const both = [...MEAN, { field: 1, names: ["count"] }];
    const other = profileOf([tumbling("1m", MINUTE, both)], { id: "q", hash: "hash-q", fields });
    const files = [
      lines("gw-1", [0]),
      lines("gw-2", [0], MINUTES, "e"),
      linesOf(other, "gw-2", [{ ...at(0, 0, "f"), values: [0, Number.NaN] }]),
    ];
    const named = async (args: readonly string[]) =>
      (await merge(files, args)).summaries.map(({ id, profile }) => `${profile} ${id}`);
    expect(await named([])).toEqual([
      "p@1.0.0 merged/p/d/1m/1970-01-01T00:00:00Z",
      "p@1.0.0 merged/p/e/1m/1970-01-01T00:00:00Z",
      "q@1.0.0 merged/q/f/1m/1970-01-01T00:00:00Z",
    ]);
    expect(await named(["--by", "profile", "--gateway", "west"])).toEqual([
      "p@1.0.0 west/p/*/1m/1970-01-01T00:00:00Z",
      "q@1.0.0 west/q/*/1m/1970-01-01T00:00:00Z",
    ]);
    expect(await named(["--by", "all"])).toEqual(["* merged/*/*/1m/1970-01-01T00:00:00Z"]);
    const { summaries } = await merge(files, ["--by", "all"]);
    expect(said(summaries)).toEqual(["merged/*/1m 0: 3, 0"]);
    expect(summaries[0]!.partials).toMatchObject({ definition: "*", windows: 3, gateways: ["gw-1", "gw-2"] });
  });

  it("leaves partials out when asked to, and windows that were not asked for", async () => {
    const two = profileOf([tumbling("1m", MINUTE, MEAN), tumbling("2m", 2 * MINUTE, MEAN)]);
    const { summaries } = await merge([lines("gw-1", [0, 1], two)], ["--only", "2m", "--plain"]);
    expect(said(summaries)).toEqual(["gw-1/d/2m 0: 2, 0.5"]);
    expect(summaries[0]).not.toHaveProperty("partials");
  });

  it("leaves out what groups say, whatever their windows are called, and counts it", async () => {
    const minutes = {
      name: "1m",
      kind: { type: "tumbling", sizeMs: MINUTE, offsetMs: 0 },
      allowedLatenessMs: 0,
      fields: { x: ["count", "mean"] },
    } as const;
    const hall = { name: "hall", members: {}, windows: [minutes] };
    const engine = groupedEngine([MINUTES], [hall]);
    engine.apply(new BlockMaker(MINUTES).block([at(0, 1), at(0, 3, "e")]));
    const summaries = engine.flush().filter(({ final }) => final);
    expect(summaries.filter(({ members }) => members?.count === 2)).toHaveLength(1);
    const all = await merge([summaries.map((summary) => canonicalJson(summary))], ["--by", "profile"]);
    expect(said(all.summaries)).toEqual(["gw/*/1m 0: 2, 2"]);
    expect(all.stderr).toMatch(/summaries of groups, left out +1\n/);
  });

  it("merges nothing of what was filled in", async () => {
    const filling = profileOf([{ ...tumbling("1m", MINUTE, MEAN), fill: 5 }]);
    const { summaries, stderr } = await merge([lines("gw-1", [0, 3], filling)], ["--window", "1h"]);
    expect(said(summaries)).toEqual(["gw-1/d/1m~1h 0: 2, 1.5"]);
    expect(stderr).toMatch(/filled +2\n/);
  });

  it("makes a piece of its own of what came after a change of the profile", async () => {
    const next = profileOf([tumbling("1m", MINUTE, MEAN)], { version: "1.1.0", hash: "hash-2" });
    const file = [...lines("gw-1", [0, 1]), ...lines("gw-1", [5, 6], next)];
    const { summaries } = await merge([file], ["--window", "1h"]);
    expect(summaries.map(({ profile, id }) => `${profile} ${id}`)).toEqual([
      "p@1.0.0 gw-1/p/d/1m~1h/1970-01-01T00:00:00Z",
      "p@1.1.0 gw-1/p/d/1m~1h/1970-01-01T00:00:00Z@1970-01-01T00:05:00Z",
    ]);
  });

  it("merges into the days of a zone, longer where the clock is set back", async () => {
    const hours = profileOf([tumbling("1h", HOUR, MEAN)]);
    // The 26th of October 2025 in Berlin has 25 hours, from 22:00 of the day before in UTC.
    const begin = Date.UTC(2025, 9, 25, 22) / MINUTE;
    const file = lines(
      "gw-1",
      Array.from({ length: 26 }, (_, i) => begin + 60 * i),
      hours,
    );
    const { summaries } = await merge([file], ["--window", "1d", "--zone", "Europe/Berlin"]);
    expect(summaries.map(({ window, fields }) => [window.start, window.end, fields.x!.count])).toEqual([
      ["2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z", 25],
      ["2025-10-26T23:00:00Z", "2025-10-27T23:00:00Z", 1],
    ]);
  });

  it("takes pieces that a gateway's full log has merged beside the short windows around them", async () => {
    const file = lines("gw-1", [0, 1, 2, 3, 15, 16]);
    const coarse = await merge([file.slice(1, 3)], ["--window", "15m"]);
    const { summaries } = await merge([[file[0]!, ...file.slice(3)], coarse.lines], ["--window", "1h"]);
    expect(said(summaries)).toEqual([`gw-1/d/1m~1h 0: 6, ${37 / 6}`]);
    expect(summaries[0]!.window.coarsened).toEqual({ from: "1m", windows: 6 });
  });
});

const TIMED = profileOf([tumbling("1m", MINUTE, [{ field: 0, names: ["mean", "timeAverage", "delta"] }])]);

describe("weir merge refuses, with file, line and what to do,", () => {
  const good = lines("gw-1", [0, 1]);
  const [first] = good;
  const session: WindowDefinition = {
    ...tumbling("s", MINUTE, MEAN),
    kind: { type: "session", gapMs: MINUTE, maxMs: HOUR },
  };
  const withoutPartials = (line: string) => changed(line, (summary) => delete summary.partials);
  const partials = (of: Record<string, unknown>) =>
    changed(first!, (summary) => {
      summary.partials = { ...(summary.partials as object), ...of };
    });
  const sumOf = (sum: unknown) => partials({ fields: { x: { index: 0, state: { count: [2], sum } } } });
  const state = (count: unknown) => partials({ fields: { x: { index: 0, state: { count, sum: [1] } } } });

  it.each<[string, readonly (readonly string[])[], readonly string[], RegExp]>([
    ["no partials", [[first!, "", withoutPartials(first!)]], [], /0\.jsonl:3: .*no partials\n {2}add partials: true/],
    ["a session", [linesOf(profileOf([session]), "gw-1", [at(0, 1)]).map(withoutPartials)], [], /0\.jsonl:1: .*bounds/],
    ["a cut line", [good, [`${first!.slice(0, 80)}`]], [], /1\.jsonl:1: the line is not JSON/],
    ["another JSON", [["[1,2]"]], [], /0\.jsonl:1: the line is not a summary\n {2}give/],
    ["another version of partials", [[partials({ version: 2 })]], [], /0\.jsonl:1: .*version 2\n.*reads version 1/],
    ["partials without fields", [[partials({ fields: 5 })]], [], /0\.jsonl:1: the partials are damaged/],
    ["partials of a field without state", [[partials({ fields: {} })]], [], /0\.jsonl:1: .*x has no state/],
    ["a state that is none", [[state([{}])]], [], /0\.jsonl:1: the partials are damaged/],
    ["a sum of texts", [[sumOf(["x"])]], [], /0\.jsonl:1: the partials of x are damaged\n {2}its state/],
    ["a sum beyond any", [[sumOf([1e308, 1e308])]], [], /0\.jsonl:1: the partials of x are damaged/],
    ["a sum that is cut up as none is", [[sumOf([1, 1])]], [], /0\.jsonl:1: the partials of x are damaged/],
    ["a count below zero", [[state([-5])]], [], /0\.jsonl:1: the partials of x are damaged/],
    ["a state that lacks a part", [[partials({ fields: { x: { index: 0, state: { count: [1] } } } })]], [], /0\.jsonl:1: .*no sum/],
    [
      "another version of the profile",
      [good, lines("gw-2", [0], profileOf([tumbling("1m", MINUTE, MEAN)], { version: "2.0.0" }))],
      [],
      /1\.jsonl:1: .*0\.jsonl:1 .*p@2\.0\.0, and the other one p@1\.0\.0\n {2}merge/,
    ],
    [
      "another definition under the same version",
      [good, lines("gw-2", [0], profileOf([tumbling("1m", MINUTE, [{ field: 0, names: ["count"] }])]))],
      [],
      /1\.jsonl:1: .*another definition/,
    ],
    [
      "windows of another size",
      [lines("gw-1", [0, 1]), lines("gw-2", [1], profileOf([tumbling("1m", 5 * MINUTE, MEAN)]))],
      [],
      /1\.jsonl:1: the window 1m .*0\.jsonl:1 overlap without being the same\n {2}merge windows of one size/,
    ],
    [
      "windows of another size that begin at another time",
      [lines("gw-1", [1]), lines("gw-2", [1], profileOf([tumbling("1m", 5 * MINUTE, MEAN)]))],
      [],
      /0\.jsonl:1: the window 1m .*1\.jsonl:1 overlap without being the same\n {2}merge windows of one size/,
    ],
    [
      "hopping windows that would become longer",
      [lines("gw-1", [0], profileOf([hopping("h", [5 * MINUTE, MINUTE], MEAN)]))],
      ["--window", "1h"],
      /0\.jsonl:1: the hopping windows h overlap.*several times\n {2}choose tumbling windows/,
    ],
    [
      "windows that do not lie in a longer one",
      [lines("gw-1", [0], profileOf([tumbling("7m", 7 * MINUTE, MEAN)]))],
      ["--window", "5m"],
      /0\.jsonl:1: .*does not lie in one window of 5m\n.*--zone/,
    ],
    [
      "what goes by the time of one device",
      [lines("gw-1", [0], TIMED)],
      ["--by", "profile"],
      /0\.jsonl:1: timeAverage, delta of x .*one device only\n.*--without 'timeAverage' --without 'delta'/,
    ],
    [
      "readings that took turns between gateways",
      [linesOf(TIMED, "gw-1", [at(0, 1), at(0.5, 1)]), linesOf(TIMED, "gw-2", [at(0.25, 1), at(0.75, 2)])],
      [],
      /[01]\.jsonl:1: timeAverage of x: .*do not follow one another.*\n.*--without 'timeAverage'/,
    ],
    [
      "fields of one name that mean something else",
      [good, lines("gw-2", [0], profileOf([tumbling("1m", MINUTE, MEAN)], { id: "q", fields: [field("x", { unit: "K" })] }))],
      ["--by", "all"],
      /1\.jsonl:1: the field x has the unit none, and K/,
    ],
  ])("%s", async (_, files, args, message) => {
    const { code, stdout, stderr } = await merge(files, args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  }); // biome-ignore format: a table

  it("windows that would count twice: beside what was merged from them", async () => {
    const hour = await merge([good], ["--window", "1h"]);
    const beside = await merge([good, hour.lines], ["--window", "1h"]);
    expect(beside.stderr).toMatch(/count twice\n.*either the short windows or what was merged/);
    const west = await merge([good, lines("gw-2", [0])], ["--gateway", "west"]);
    const again = await merge([west.lines, lines("gw-2", [0])]);
    expect(again.stderr).toMatch(
      /\.jsonl:1: .*stand for the same time of gw-2, so readings would count twice/,
    );
    const fleet = await merge([good], ["--by", "profile", "--gateway", "fleet"]);
    expect((await merge([fleet.lines, good], ["--by", "profile"])).stderr).toMatch(/the same time of gw-1/);
    expect((await merge([fleet.lines, lines("gw-2", [0])], ["--by", "profile"])).code).toBe(0);
  });

  it("summaries of one name that say different things", async () => {
    const one = await merge([good, lines("gw-2", [0])]);
    const two = await merge([lines("gw-3", [0]), linesOf(MINUTES, "gw-4", [at(0, 9)])]);
    const { code, stderr } = await merge([one.lines, two.lines]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /1\.jsonl:1: revision 0 of merged\/p\/d\/1m.*says something else at 0\.jsonl:1\n.*--gateway/,
    );
  });

  it.each<[string, readonly string[], RegExp]>([
    ["nearly that of another", ["--only", "m1"], /--only: no summary is of a window "m1"\n.*did you mean 1m\?/],
    ["beside one that there is", ["--only", "1m", "--only", "daily"], /a window "daily"\n.*the input has 1m/],
  ])("a window that there is not: %s", async (_, args, message) => {
    const { code, stdout, stderr } = await merge([good], args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect((await merge([[]], args)).code).toBe(0);
  }); // biome-ignore format: a table

  it.each<[string, readonly string[], string]>([
    ["an aggregate", ["--without", "timeAverge"], "did you mean timeAverage?"],
    ["a grouping", ["--by", "gateway"], "--by is device, profile, all, not 'gateway'"],
    ["a size", ["--window", "7h"], "--window: 7h is neither a part of a day nor whole days"],
    ["a duration", ["--window", "long"], "--window takes a duration, not 'long'"],
    ["a zone", ["--zone", "Mars"], 'there is no time zone "Mars"'],
    ["a name", ["--gateway", "a/b"], "--gateway takes a name of letters, digits, ., _ and -, not 'a/b'"],
  ])("%s that there is not, as wrong usage", async (_, args, message) => {
    const { code, stdout, stderr } = await merge([good], args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it("goes on where what cannot be merged is left out", async () => {
    const files = [lines("gw-1", [0], TIMED), lines("gw-2", [0], TIMED, "e")];
    const args = ["--by", "profile", "--without", "timeAverage", "--without", "delta"];
    const { code, summaries } = await merge(files, args);
    expect(code).toBe(0);
    expect(summaries.map(({ fields }) => fields)).toEqual([{ x: { mean: 0 } }]);
  });
});
