import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { loadProfile, loadStoredProfile } from "../../../src/profile/load.js";
import { loadChanged as load, problems, textOf } from "../../helpers/profile-text.js";

describe("loading a profile", () => {
  it("fills in what is not said", () => {
    const { profile } = load();
    expect(profile).toMatchObject({
      id: "t",
      version: "1.0.0",
      hasEventTime: true,
      conditional: false,
      status: undefined,
      duplicates: { by: "time", conflicting: "keep" },
      time: {
        maxPastMs: Number.POSITIVE_INFINITY,
        maxFutureMs: 60_000,
        outOfOrdernessMs: 5_000,
        idleTimeoutMs: 300_000,
      },
    });
    expect(load({ time: "" }).profile).toMatchObject({ hasEventTime: false, time: { outOfOrdernessMs: 0 } });
  });

  it("names a definition by source and zone, so that state is never read under another one", () => {
    const hash = load().profile!.hash;
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(load().profile!.hash).toBe(hash);
    expect(load({}, "Europe/Berlin").profile!.hash).not.toBe(hash);
    expect(load({ identity: "# a comment" }).profile!.hash).not.toBe(hash);
  });

  it("judges nothing by topics or columns that are not what they should be", () => {
    const time = "";
    for (const columns of ['"x, s"', "5", "{ x: 1 }", "[x, 5]", "[x, { s: 1 }]"]) {
      const decode = `decode: { format: csv, columns: ${columns} }`;
      const fields = "fields: { x: { from: x }, s: { from: s, type: string } }";
      expect(problems({ decode, fields, time }), columns).toHaveLength(1);
    }
    for (const topic of ["5", "{ a: 1 }", "null", '"t/#/x/{device}"']) {
      const match = `match: { mqtt: { topics: [${topic}] } }`;
      const fields = 'fields: { x: { from: /x }, room: { from: "{room}", type: string } }';
      expect(problems({ match, fields, time }), topic).toHaveLength(1);
    }
  });

  it("gives texts under * only what applies to them, and a field's own list instead of *", () => {
    const { profile } = load({
      fields:
        "fields: { x: { from: /x }, s: { from: /s, type: string }, y: { from: /y }, constructor: { from: /c } }",
      windows: 'windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count, mean, last], y: [], x: [max] } }]',
    });
    expect(profile!.windows[0]!.aggregates).toEqual([
      { field: 0, names: ["max"] },
      { field: 1, names: ["count", "last"] },
      { field: 3, names: ["count", "mean", "last"] },
    ]);
  });

  it("knows local days, aligned and shifted windows, and one over everything", () => {
    const { profile } = load(
      {
        windows: `windows:
  - { name: day, tumbling: 1d, zone: gateway, fields: { x: [mean] } }
  - { name: week, tumbling: 7d, zone: Asia/Tokyo, fields: { x: [mean] } }
  - { name: monday, tumbling: 7d, zone: gateway, offset: 11d, fields: { x: [mean] } }
  - { name: shift, tumbling: 8h, offset: 6h, allowedLateness: 1h, fields: { x: [mean] } }
  - { name: all, global: true, fields: { x: [mean] } }`,
      },
      "Europe/Berlin",
    );
    expect(profile!.windows.map((window) => window.kind)).toEqual([
      { type: "day", days: 1, zone: "Europe/Berlin" },
      { type: "day", days: 7, zone: "Asia/Tokyo" },
      { type: "day", days: 7, offsetDays: 4, zone: "Europe/Berlin" },
      { type: "tumbling", sizeMs: 28_800_000, offsetMs: 21_600_000 },
      { type: "global" },
    ]);
    expect(profile!.windows[3]!.allowedLatenessMs).toBe(3_600_000);
  });

  it("reports everything that is wrong at once, each at its place", () => {
    const { diagnostics } = load({
      fields: "fields: { x: { from: x, unit: Celsius }, y: { compute: xx + 1 } }",
      clean: "clean: [{ on: z, outside: range, do: drop }]",
      windows: 'windows: [{ name: 1m, tumbling: 1m, fields: { "*": [avg], x: [modus] } }]\nwindoes: 1',
    });
    expect(diagnostics.map(({ line, column, code }) => [line, column, code])).toEqual([
      [8, 22, "bad-path"],
      [8, 31, "bad-unit"],
      [8, 56, "bad-expression"],
      [10, 15, "unknown-field"],
      [11, 53, "unknown-aggregate"],
      [11, 63, "unknown-aggregate"],
      [12, 1, "unknown-key"],
    ]);
  });
});

describe("a bad profile", () => {
  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["of another format", { schema: "schema: device-profile/2" }, /1:9 bad-value .*device-profile\/1/],
    ["without windows", { windows: "" }, /missing-key .*windows/],
    [
      "with two columns of one name",
      { decode: "decode: { format: csv, columns: [a, b, a] }", fields: "fields: { x: { from: b } }" },
      /5:\d+ duplicate-name column 1 has the name "a" already \(.*"#3"/,
    ],
    [
      "with a field of a name that objects have",
      { fields: "fields: { __proto__: { from: /x } }" },
      /bad-name/,
    ],
    [
      "with a version that is a number",
      { version: "version: 1.2" },
      /3:10 bad-type .*\(put it in quotes: "1.2"\)/,
    ],
    [
      "with a version of two numbers",
      { version: 'version: "1.2"' },
      /3:10 bad-value "1.2" is not a version \(three numbers, such as "1.0.0"\)/,
    ],
    [
      "with a duration without a unit",
      { windows: 'windows: [{ name: a, tumbling: 60, fields: { "*": [mean] } }]' },
      /bad-duration windows\[0\].tumbling is a duration, and has no unit \(write 60s if it is seconds\)/,
    ],
    [
      "with the action null out of quotes",
      { clean: "clean: [{ on: x, outside: range, do: null }]" },
      /bad-value clean\[0\].do .*put it in quotes: "null"/,
    ],
    [
      "with a value twice in an enum",
      { fields: "fields: { x: { from: /x, type: enum, values: [off, heat, off] } }" },
      /duplicate-name the value "off" is listed twice/,
    ],
    [
      "with a scale of 0",
      { fields: "fields: { x: { from: /x, scale: 0 } }" },
      /bad-field a scale of 0 makes all values the same \(remove it/,
    ],
    [
      "with a word that is both true and false",
      { fields: "fields: { x: { from: /x, type: bool, whenTrue: [ON, 1], whenFalse: [off, on] } }" },
      /8:\d+ bad-field "on" reads as true already \(remove it from one/,
    ],
    [
      "with plausible values that are impossible",
      { fields: "fields: { x: { from: /x, range: [0, 50], plausible: [60, 70] } }" },
      /bad-bounds no value is both in the range \[0, 50\] and plausible \(give bounds within/,
    ],
    [
      "with a format's key mistyped",
      { decode: "decode: { formt: json }" },
      /unknown-key unknown key "formt" in decode \(did you mean "format"/,
    ],
    [
      "with two windows of a name",
      {
        windows:
          'windows: [{ name: a, tumbling: 1m, fields: { "*": [mean] } }, { name: a, global: true, fields: { "*": [mean] } }]',
      },
      /duplicate-name there are two windows named a \(rename one: /,
    ],
    [
      "with a window that asks for nothing",
      { windows: "windows: [{ name: a, tumbling: 1m, fields: { x: [] } }]" },
      /bad-window a window needs fields/,
    ],
    [
      "with a topic that names no device",
      { match: 'match: { mqtt: { topics: ["t/+"] } }' },
      /no-identity .*capture \{device\}/,
    ],
    [
      "with an unknown capture",
      { identity: 'identity: { from: "{dev}" }' },
      /bad-path .*\{dev\} \(they capture device\)/,
    ],
    ["with a time without a format", { time: "time: { from: /t }" }, /missing-key "from" needs "format"/],
    ["with a format without a time", { time: "time: { format: iso }" }, /"format" needs "from"/],
    ["with an unknown time format", { time: "time: { from: /t, format: rfc }" }, /bad-time-format/],
    [
      "with a zone that does not exist",
      { time: "time: { from: /t, format: iso, zone: CEST }" },
      /7:\d+ bad-zone/,
    ],
    [
      "with both from and compute",
      { fields: "fields: { x: { from: /x, compute: '1' } }" },
      /bad-field .*either read or computed/,
    ],
    ["with neither from nor compute", { fields: "fields: { x: { unit: Cel } }" }, /bad-field .*come from/],
    [
      "without fields",
      { fields: "fields: {}", windows: 'windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count] } }]' },
      /bad-field .*from 1 to 256/,
    ],
    [
      "with a unit on a text",
      { fields: "fields: { x: { from: /x, type: string, unit: Cel } }" },
      /bad-field "unit" does not go/,
    ],
    [
      "with a conversion that cannot be",
      { fields: "fields: { x: { from: /x, unit: Cel, as: W } }" },
      /Cel cannot be converted to W .*what goes with Cel is K, /,
    ],
    ["with a conversion from nothing", { fields: "fields: { x: { from: /x, as: W } }" }, /add unit/],
    ["with a decimal without digits", { fields: "fields: { x: { from: /x, type: decimal } }" }, /digits: 2/],
    [
      "with an enum without values",
      { fields: "fields: { x: { from: /x, type: enum } }" },
      /values: \[off, on\]/,
    ],
    [
      "with bounds the wrong way round",
      { fields: "fields: { x: { from: /x, range: [5, 1] } }" },
      /write \[1, 5\]/,
    ],
    [
      "that computes from a later field",
      { fields: "fields: { y: { compute: x + 1 }, x: { from: /x } }" },
      /x is not known here/,
    ],
    [
      "that computes what an enum does not have",
      {
        fields:
          'fields: { x: { from: /x }, m: { type: enum, values: [hot, cold], compute: \'x > 5 ? "hot" : "clod"\' } }',
      },
      /it can give "clod", which is none of the field's values .*did you mean cold\?/,
    ],
    [
      "that computes text into a number",
      { fields: "fields: { s: { from: /s, type: string }, x: { compute: s } }" },
      /of type text/,
    ],
    [
      "with a rule for bounds that are not there",
      { clean: "clean: [{ on: x, outside: plausible, do: drop }]" },
      /bad-clean .*plausible: \[low, high\]/,
    ],
    [
      "with a mean of a text",
      { windows: "windows: [{ name: 1m, tumbling: 1m, fields: { s: [mean] } }]" },
      /bad-aggregate mean is not for fields of type string/,
    ],
    [
      "with an aggregate listed twice",
      { windows: "windows: [{ name: 1m, tumbling: 1m, fields: { x: [max, max] } }]" },
      /duplicate-name max/,
    ],
    [
      "with windows of one name",
      {
        windows:
          "windows: [{ name: a, tumbling: 1m, fields: { x: [max] } }, { name: a, tumbling: 1h, fields: { x: [max] } }]",
      },
      /duplicate-name .*named a/,
    ],
    [
      "with a window of two kinds",
      { windows: "windows: [{ name: a, tumbling: 1m, global: true, fields: { x: [max] } }]" },
      /bad-window .*cannot be tumbling and global/,
    ],
    [
      "with windows that leave gaps",
      { windows: "windows: [{ name: a, hopping: { size: 1m, slide: 2m }, fields: { x: [max] } }]" },
      /bad-window .*readings between two windows/,
    ],
    [
      "with partials of windows whose bounds follow from the readings",
      {
        windows: "windows: [{ name: a, session: { gap: 1m }, partials: true, fields: { x: [max] } }]",
      },
      /bad-window .*"partials" does not go with this window/,
    ],
    [
      "with hours in a zone",
      { windows: "windows: [{ name: a, tumbling: 1h, zone: UTC, fields: { x: [max] } }]" },
      /zones are for tumbling windows of whole days/,
    ],
    [
      "with local days that do not begin at midnight",
      { windows: "windows: [{ name: a, tumbling: 1d, zone: UTC, offset: 6h, fields: { x: [max] } }]" },
      /"offset" does not go .*windows with a zone begin at midnight: give an offset of whole days/,
    ],
    [
      "with an offset of what has no size",
      { windows: "windows: [{ name: a, global: true, offset: 6h, fields: { x: [max] } }]" },
      /"offset" does not go .*offsets are for tumbling and hopping windows/,
    ],
    [
      "with a zero window",
      { windows: "windows: [{ name: a, tumbling: 0s, fields: { x: [max] } }]" },
      /out-of-bounds/,
    ],
    [
      "with a key that lives forever",
      { duplicates: "duplicates: { by: key, from: /n }" },
      /missing-key .*ttl/,
    ],
    [
      "with an alias bomb",
      { fields: `fields: &f { x: { from: /x } }\ndevice: { vendor: a, model: [${"*f,".repeat(200)}] }` },
      /aliases/,
    ],
  ])("%s is refused with a remedy", (_name, changes, expected) => {
    expect(problems(changes).join("\n")).toMatch(expected);
  });

  it("says once that it has no fields, or that they are mistyped", () => {
    const clean = "clean: [{ on: x, outside: range, do: drop }]";
    expect(problems({ fields: "feilds: { x: { from: /x } }", clean })).toEqual([
      expect.stringMatching(/^t:8:1 unknown-key .*did you mean "fields"/),
    ]);
    expect(problems({ fields: "fields: {}", clean })).toEqual([
      expect.stringMatching(/^t:8:1 bad-field a profile has from 1 to 256 fields, not 0/),
    ]);
  });

  it.each(["", ", values: 5", ", values: []"])(
    "does not say what an enum never is before it has values%s",
    (values) => {
      const said = problems({
        fields: `fields: { x: { from: /x, type: enum${values} } }`,
        windows: 'windows: [{ name: a, tumbling: 1m, fields: { x: ["durationIn(on)"] } }]',
      });
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(/an enum needs its values|values must be a list/);
    },
  );

  it("may have plausible values of which some, or the last one only, are possible", () => {
    for (const plausible of ["[-5, 0]", "[50, 90]", "[-5, 90]", "[20, 30]"]) {
      expect(
        problems({ fields: `fields: { x: { from: /x, range: [0, 50], plausible: ${plausible} } }` }),
      ).toEqual([]);
    }
  });

  const mode = "fields: { x: { from: /x }, mode: { from: /m, type: enum, values: [off, on] }";
  it.each([
    ["that overlaps too much", { windows: "windows: [{ name: d, hopping: { size: 1d, slide: 1s }, fields: { x: [max] } }]" }],
    ["with too much open", { windows: "windows: [{ name: s, tumbling: 1s, allowedLateness: 30d, fields: { x: [max] } }]" }],
    ["that asks for nothing", { windows: "windows: [{ name: m, tumbling: 1m, fields: { x: [] } }]" }],
    ["with a version of another form", { version: "version: 1.0-beta" }],
    ["with a value that is listed twice", { fields: "fields: { x: { from: /x, type: enum, values: [off, on, off] } }" }],
    ["with a scale of 0", { fields: "fields: { x: { from: /x, scale: 0 } }" }],
    ["with a word that is both true and false", { fields: "fields: { x: { from: /x, type: bool, whenTrue: [on], whenFalse: [on] } }" }],
    ["with plausible values that are impossible", { fields: "fields: { x: { from: /x, range: [0, 5], plausible: [6, 7] } }" }],
    ["with a comment in an expression", { fields: 'fields: { x: { from: /x }, n: { compute: "x // 2" } }' }],
    ["with a division by 0", { fields: 'fields: { x: { from: /x }, n: { compute: "x / 0" } }' }],
    ["with what is none of the values", { fields: `${mode}, b: { type: bool, compute: 'mode == "onn"' } }` }],
    ["with what is in no list", { fields: `${mode}, b: { type: bool, compute: 'mode in ["auto", 1]' } }` }],
    ["with the size of a number", { fields: 'fields: { x: { from: /x }, n: { compute: "size(x)" } }' }],
    ["with a field that is never null", { fields: `${mode}, b: { type: bool, compute: "x != null" } }` }],
    ["with what an enum cannot be", { fields: `${mode}, e: { type: enum, values: [a, b], compute: 'x > 1.0 ? "a" : "c"' } }` }],
  ])("%s is refused in a file, and taken from a store, which could not be read without it", (_, changes) => {
    const text = textOf(changes);
    const options = { file: "t", zone: "UTC" };
    expect(loadProfile(text, options).diagnostics).not.toEqual([]);
    expect(loadStoredProfile(text, options)).toMatchObject({ id: "t", source: text });
    expect(loadProfile(text, options).diagnostics).not.toEqual([]);
  }); // biome-ignore format: a table

  it("that cannot be read is not taken from a store either", () => {
    const stored = (changes: Readonly<Record<string, string>>) =>
      loadStoredProfile(textOf(changes), { file: "t", zone: "UTC" });
    expect(stored({ schema: "schema: device-profile/9" })).toBeUndefined();
    expect(stored({ fields: 'fields: { x: { compute: "y +" } }' })).toBeUndefined();
    expect(stored({ windows: "windows: [" })).toBeUndefined();
  });

  it("in a file of another name is refused", () => {
    const text = load().profile!.source;
    const { diagnostics } = loadProfile(text, { file: "/etc/weir/profiles/other.yaml", zone: "UTC" });
    expect(diagnostics.map(formatDiagnostic)).toEqual([
      "/etc/weir/profiles/other.yaml:2:5 id-mismatch the profile t is in a file named other.yaml (name the file t.yaml, or the profile other)",
    ]);
    expect(loadProfile(text, { file: "/etc/weir/profiles/t.yaml", zone: "UTC" }).profile).toBeDefined();
  });
});
