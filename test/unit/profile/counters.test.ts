import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { loadProfile } from "../../../src/profile/load.js";

/** A profile with a counter `n`; the last line asks for aggregates. */
function load(fields: string, n = ", kind: counter"): ReturnType<typeof loadProfile> {
  const lines = [
    "schema: device-profile/1",
    "id: t",
    "version: 1.0.0",
    'match: { mqtt: { topics: ["t/{device}"] } }',
    "decode: { format: json }",
    "fields:",
    `  n: { from: /n, unit: Wh${n} }`,
    "  x: { from: /x, unit: Cel, maxGap: 5m }",
    "  mode: { from: /m, type: enum, values: [off, on] }",
    "  open: { from: /o, type: bool }",
    "  step: { from: /s, type: int }",
    "  note: { from: /t, type: string }",
    `windows: [{ name: w, tumbling: 1m, fields: ${fields} }]`,
  ];
  return loadProfile(lines.join("\n"), { file: "t", zone: "UTC" });
}

function problems(fields: string, n?: string): string[] {
  return load(fields, n).diagnostics.map((each) => formatDiagnostic(each).replaceAll("\n", " "));
}

describe("asking for an aggregate of an order", () => {
  it.each<[string, RegExp]>([
    ["{ x: [increase] }", /t:13:\d+ bad-aggregate increase is for counters, which x is not.*kind: counter/],
    ["{ mode: [durationIn(onn)] }", /t:13:\d+ .*mode never is onn.*did you mean "durationIn\(on\)"\?/],
    ["{ mode: [durationIn(7)] }", /mode never is 7.*its values are off, on/],
    ["{ open: [durationIn(on)] }", /open never is on.*its values are true, false/],
    ["{ step: [durationIn(1.0)] }", /step never is 1.0.*whole number/],
    ["{ x: [durationIn(1)] }", /durationIn\(1\) is not for fields of type float/],
    ["{ mode: [DurationInState(on)] }", /did you mean "durationIn\(on\)"\?/],
    ["{ x: [timeaverage] }", /did you mean "timeAverage"\?/],
    ["{ x: [integral] }", /did you mean "total"\?/],
    ["{ note: [rate] }", /rate is not for fields of type string/],
    ['{ "*": [sum, durationIn()] }', /there is no aggregate durationIn\(\)/],
  ])("that cannot be had says where and what instead: %s", (fields, message) => {
    const found = problems(fields);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  it("for all fields gives each what it can have", () => {
    const { profile, diagnostics } = load(
      '{ "*": [increase, rate, durationIn(on), durationIn(1), transitions] }',
    );
    expect(diagnostics).toEqual([]);
    expect(profile!.windows[0]!.aggregates.map(({ names }) => names)).toEqual([
      ["increase", "rate", "transitions"],
      ["rate", "transitions"],
      ["durationIn(on)", "transitions"],
      ["rate", "transitions"],
      ["rate", "durationIn(1)", "transitions"],
      ["durationIn(on)", "durationIn(1)", "transitions"],
    ]);
    expect(profile!.fields[1]!.maxGapMs).toBe(300_000);
  });

  it("knows the roll-overs of a counter by their number or their bits", () => {
    const rollover = (text: string) => load("{ n: [increase] }", text).profile!.fields[0]!.counter;
    expect(rollover(", kind: counter")).toEqual({ rollover: undefined });
    expect(rollover(", kind: counter, rollover: 16bit")).toEqual({ rollover: 65_536 });
    expect(rollover(", kind: counter, rollover: 32bit")).toEqual({ rollover: 4_294_967_296 });
    expect(rollover(", kind: counter, rollover: 99999.9")).toEqual({ rollover: 99_999.9 });
    expect(load("{ n: [delta] }", "").profile!.fields[0]!.counter).toBeUndefined();
  });

  it("for all fields is refused where none of them can have it", () => {
    expect(problems('{ "*": [increase] }', "")[0]).toMatch(/increase is for counters/);
  });

  it("is refused where a field cannot count", () => {
    expect(problems("{ n: [delta] }", ", rollover: 16bit")[0]).toMatch(/"rollover" is for counters/);
    expect(problems("{ n: [delta] }", ", kind: counter, rollover: -1")).toHaveLength(1);
    expect(problems("{ n: [delta] }", ", type: bool, kind: counter").join()).toMatch(
      /a bool does not count up/,
    );
  });
});
