import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { loadProfile } from "../../../src/profile/load.js";

interface Asked {
  readonly fields: string;
  readonly kind?: string;
  readonly time?: string;
  readonly x?: string;
}

/** A profile whose last line asks for aggregates. */
function load({ fields, kind = "tumbling: 1m", time = "", x = "" }: Asked): ReturnType<typeof loadProfile> {
  const lines = [
    "schema: device-profile/1",
    "id: t",
    "version: 1.0.0",
    'match: { mqtt: { topics: ["t/{device}"] } }',
    "decode: { format: json }",
    `time: { from: /t, format: iso${time} }`,
    "fields:",
    `  x: { from: /x, unit: Cel${x} }`,
    "  humidity: { from: /h }",
    "  mode: { from: /m, type: enum, values: [off, on] }",
    "  note: { from: /s, type: string }",
    "  n: { from: /n, type: int }",
    `windows: [{ name: w, ${kind}, fields: ${fields} }]`,
  ];
  return loadProfile(lines.join("\n"), { file: "t", zone: "UTC" });
}

function problems(asked: Asked): string[] {
  return load(asked).diagnostics.map(formatDiagnostic);
}

describe("asking for an aggregate", () => {
  it.each<[string, RegExp]>([
    ["{ x: [p50.0] }", /t:13:\d+ unknown-aggregate .*did you mean "p50"\?/],
    ["{ x: [p100] }", /did you mean "max"\?/],
    ["{ x: [median] }", /did you mean "p50"\?/],
    ["{ x: [histgram] }", /did you mean "histogram"\?/],
    ["{ x: [constructor] }", /there is no aggregate constructor/],
    [
      "{ x: [covariance(humidty)] }",
      /t:13:\d+ unknown-field there is no field humidty.*covariance\(humidity\)/,
    ],
    ["{ x: [covar(humidity)] }", /did you mean "covariance\(humidity\)"\?/],
    ["{ x: [correlation(note)] }", /needs numbers, and note is of type string/],
    ["{ x: [correlation(x)] }", /looks at one field twice/],
    ['{ mode: ["durationIn[on]"] }', /did you mean "durationIn\(on\)"\?/],
    ['{ mode: ["durationIn(on"] }', /did you mean "durationIn\(on\)"\?/],
    ["{ x: [mode] }", /mode is not for fields of type float/],
    [
      "{ note: [p50] }",
      /p50 is not for fields of type string.*count, first, last, firstTime, lastTime, distinct, mode, counts/,
    ],
    ["{ mode: [slope] }", /slope is not for fields of type enum/],
    ["{ x: [count, completeness] }", /completeness needs to know how often devices send.*period: 10s/],
    ['{ "*": [completeness] }', /completeness needs to know how often devices send/],
    ['{ "*": [covariance(y)] }', /there is no field y/],
  ])("that cannot be had says where and what instead: %s", (fields, message) => {
    const found = problems({ fields });
    expect(found).toHaveLength(1);
    expect(found[0]!.replaceAll("\n", " ")).toMatch(message);
  });

  it("of what cleaning did is refused in windows that are made of what is clean", () => {
    const [problem] = problems({ fields: "{ x: [percentGood] }", kind: "session: { gap: 1m }" });
    expect(problem).toMatch(/percentGood is not for session windows/);
    expect(problems({ fields: "{ x: [percentGood] }", kind: "global: true" })).toEqual([]);
  });

  it("for all fields gives each what its type can have, and none a relation to itself", () => {
    const fields = '{ "*": [p95, mode, counts, distinct, correlation(humidity), completeness] }';
    const { profile, diagnostics } = load({ fields, time: ", period: 10s", x: ", resolution: 0.1" });
    expect(diagnostics).toEqual([]);
    expect(profile!.time.periodMs).toBe(10_000);
    expect(profile!.fields.map(({ resolution }) => resolution)).toEqual([0.1, ...Array(4).fill(undefined)]);
    const discrete = ["mode", "counts", "distinct"];
    expect(profile!.windows[0]!.aggregates).toEqual([
      { field: 0, names: ["p95", "distinct", "correlation(humidity)", "completeness"] },
      { field: 1, names: ["p95", "distinct", "completeness"] },
      { field: 2, names: discrete },
      { field: 3, names: discrete },
      { field: 4, names: ["p95", ...discrete, "correlation(humidity)", "completeness"] },
    ]);
  });

  it.each([
    ["boolean", "type: boolean, whenTrue: [ON]", "durationIn(true)", /did you mean "bool"\?/],
    ["text", "type: text, digits: 2", "mode", /one of float, int, .*string/],
    ["number", "type: number, scale: 2", "mean, correlation(humidity)", /one of float, int, .*string/],
    ["[float]", "type: [float]", "mean", /type/],
  ])(
    "of a field whose type is mistyped as %s is not judged by another type",
    (_type, written, names, said) => {
      const kind = "state: { of: x && humidity > 3 }";
      const found = problems({ fields: `{ x: [${names}], n: [correlation(x)] }`, kind, x: `, ${written}` });
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(/^t:8:\d+ bad-/);
      expect(found[0]).toMatch(said);
    },
  );

  it("needs a resolution that is a step", () => {
    for (const resolution of ["0", "-0.1", "1e-13", "fine"]) {
      expect(problems({ fields: "{ x: [p50] }", x: `, resolution: ${resolution}` })).toHaveLength(1);
    }
  });
});
