import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { LIMITS } from "../../../src/model/limits.js";
import { parseDocument } from "../../../src/schema/document.js";
import { byteSize, count, duration, name, rate } from "../../../src/schema/types.js";
import { withRule, z } from "../../../src/schema/zod.js";
import { cases } from "../../helpers/cases.js";

const schema = z.strictObject({
  id: name().describe("Who it is."),
  level: z.enum(["debug", "info", "warn"]).default("info"),
  delay: duration({ minMs: 1, maxMs: 60_000 }).prefault("100ms"),
  size: byteSize().optional(),
  speed: rate().optional(),
  many: z
    .array(count({ max: 10 }))
    .max(8)
    .default([]),
  short: z.string().min(1).optional(),
  either: z.union([z.string(), z.array(z.string())]).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  ends: z
    .array(
      z.discriminatedUnion("type", [
        z.strictObject({ type: z.literal("file"), path: z.string() }),
        z.strictObject({ type: z.literal("mqtt"), url: z.string(), topic: z.string().optional() }),
      ]),
    )
    .default([]),
});

function problems(text: string): string[] {
  return parseDocument(text, { file: "f", schema }).diagnostics.map(formatDiagnostic);
}

describe("parseDocument", () => {
  it("gives the value with defaults when nothing is wrong", () => {
    const { value, diagnostics } = parseDocument("id: a\nsize: 2MiB\nspeed: 30/min\n", { file: "f", schema });
    expect(diagnostics).toEqual([]);
    expect(value).toEqual({
      id: "a",
      level: "info",
      delay: 100,
      size: 2_097_152,
      speed: 0.5,
      many: [],
      ends: [],
    });
  });

  it("points to an unknown key and guesses at the one that was meant", () => {
    expect(problems("id: a\nlevle: info\n")).toEqual([
      'f:2:1 unknown-key unknown key "levle" (did you mean "level"?)',
    ]);
    expect(problems("id: a\nends:\n  - type: mqtt\n    url: x\n    tpoic: y\n")).toEqual([
      'f:5:5 unknown-key unknown key "tpoic" in ends[0] (did you mean "topic"?)',
    ]);
    expect(problems("id: a\nends: [{type: file, path: x, zzz: 1}]\n")).toEqual([
      'f:2:30 unknown-key unknown key "zzz" in ends[0] (known keys: type, path)',
    ]);
  });

  it("does not call a key missing that is there, but mistyped", () => {
    expect(problems("idd: a\n")).toEqual(['f:1:1 unknown-key unknown key "idd" (did you mean "id"?)']);
    expect(problems("id: a\nends:\n  - { type: file, pth: x }\n  - { typ: mqtt, url: x }\n")).toEqual([
      'f:3:19 unknown-key unknown key "pth" in ends[0] (did you mean "path"?)',
      'f:4:7 unknown-key unknown key "typ" in ends[1] (did you mean "type"?)',
    ]);
    expect(problems("levle: info\n").map((line) => line.split(" ")[1])).toEqual([
      "missing-key",
      "unknown-key",
    ]);
  });

  it("points to the parent of a missing key", () => {
    expect(problems("level: info\n")).toEqual(['f:1:1 missing-key the key "id" is missing (Who it is.)']);
    expect(problems("id: a\nends:\n  - type: file\n")).toEqual([
      'f:3:5 missing-key the key "path" is missing in ends[0] (add path)',
    ]);
    expect(problems("id: a\nends:\n  - url: x\n")).toEqual([
      'f:3:5 missing-key the key "type" is missing in ends[0] (one of file, mqtt)',
    ]);
  });

  it("reports only the branch that the discriminator chose", () => {
    expect(problems("id: a\nends:\n  - { type: mqtt, path: x }\n")).toEqual([
      'f:3:5 missing-key the key "url" is missing in ends[0] (add url)',
      'f:3:19 unknown-key unknown key "path" in ends[0] (known keys: type, url, topic)',
    ]);
    expect(problems("id: a\nends:\n  - { type: mqqt, url: x }\n")).toEqual([
      'f:3:13 bad-value ends[0].type is "mqqt" (did you mean "mqtt"?)',
    ]);
  });

  it("reports only the branch of a plain union whose type fits", () => {
    expect(problems("id: a\neither: [x, 5]\n")).toEqual([
      'f:2:13 bad-type either[1] must be a text, not a number (put it in quotes: "5")',
    ]);
    expect(problems("id: a\neither: { a: b }\n")).toEqual([
      'f:2:9 bad-type either must be a text or a list, not a mapping (begin each item with "- ")',
    ]);
  });

  it("says of a single value in place of a list what also helps within brackets", () => {
    expect(problems("{ id: a, many: 5 }\n")).toEqual([
      "f:1:16 bad-type many must be a list, not a number (put it in [ ])",
    ]);
    expect(problems("id: a\nmany: { a: 5 }\n")).toEqual([
      'f:2:7 bad-type many must be a list, not a mapping (begin each item with "- ")',
    ]);
  });

  it("does not measure a value of another type than what it should be", () => {
    expect(problems("id: a\nmany: 15m, 1h, 1d\n")).toEqual([
      "f:2:7 bad-type many must be a list, not a text (put it in [ ])",
    ]);
    expect(problems("id: a\nmany: |\n  - 1\n  - 2, and so on\n")).toHaveLength(1);
    expect(problems("id: a\nshort: []\n")).toEqual([
      "f:2:8 bad-type short must be a text, not a list (write a text here)",
    ]);
    expect(problems("id: a\nmany: [1, 1, 1, 1, 1, 1, 1, 1, 1]\n")).toEqual([
      "f:2:7 out-of-bounds many must have at most 8 items (remove some)",
    ]);
  });

  it("suggests the nearest of the allowed values", () => {
    expect(problems("id: a\nlevel: wran\n")).toEqual([
      'f:2:8 bad-value level is "wran" (did you mean "warn"?)',
    ]);
    expect(problems("id: a\nlevel: 5\n")).toEqual(["f:2:8 bad-value level is 5 (one of debug, info, warn)"]);
  });

  it("shows a number that should be a text as it was written", () => {
    expect(problems("id: 1.10\n")).toEqual([
      'f:1:5 bad-type id must be a text, not 1.1 (put it in quotes: "1.10")',
    ]);
  });

  it("says where a value is out of bounds", () => {
    expect(problems("id: a\nmany: [1, 11, 0.5]\ndelay: 2m\nsize: 0\nspeed: 5/day\n")).toEqual([
      "f:2:11 out-of-bounds many[1] must be at most 10 (give 10, or less)",
      "f:2:15 bad-type many[2] must be a whole number, not 0.5 (write a whole number here)",
      "f:3:8 out-of-bounds the duration 2m is out of bounds (at least 1ms, at most 1m)",
      "f:4:7 out-of-bounds the size 0 is out of bounds (at least 1B)",
      'f:5:8 bad-rate "5/day" is not a rate (a number above zero, a slash and s, min or h, such as "100/s")',
    ]);
  });

  it("reports a key without value at the key's end and an empty file as empty", () => {
    expect(problems("id:\n")[0]).toMatch(/^f:1:\d bad-type id must be a text, not empty/);
    expect(problems("")).toEqual([
      'f:1:1 empty-file the file is empty (write its keys, each as "key: value", one in a line)',
    ]);
    expect(problems("# nothing\n")).toEqual([
      'f:1:1 empty-file the file is empty (write its keys, each as "key: value", one in a line)',
    ]);
    expect(problems("- a\n")).toEqual([
      'f:1:1 bad-type the file must be a mapping, not a list (write its keys, each as "key: value", one in a line)',
    ]);
  });

  it("reports every problem at once, in order of place", () => {
    const found = problems("ends: [{type: fil}]\nid: 5\nsize: 1Mb\nlevel: x\nid: again\n");
    expect(found.map((line) => line.split(" ")[0])).toEqual(["f:1:15", "f:2:5", "f:3:7", "f:4:8", "f:5:1"]);
    expect(found[4]).toBe(
      'f:5:1 duplicate-key the key "id" is already in line 2 (put both together, or remove one)',
    );
  });

  it("runs a rule over several keys although one of them is wrong", () => {
    const ruled = withRule(z.strictObject({ a: z.number(), b: z.number() }), (value, report) => {
      if (value.b === 2)
        report({ code: "no-two", message: "b is 2", hint: "give 3", path: ["b"], at: "key" });
    });
    const { diagnostics } = parseDocument("a: x\nb: 2\n", { file: "f", schema: ruled });
    expect(diagnostics.map((d) => d.code)).toEqual(["bad-type", "no-two"]);
  });

  it("runs no rule over the keys of a mapping where there is a list", () => {
    const ruled = withRule(z.strictObject({ a: z.number() }), ({ a }, report) => {
      if (a === undefined) report({ code: "no-a", message: "a is missing", hint: "add a" });
    });
    const { diagnostics } = parseDocument("- a: 1\n", { file: "f", schema: ruled });
    expect(diagnostics.map((d) => d.code)).toEqual(["bad-type"]);
  });
});

describe("the YAML that is understood", () => {
  it("gives the place of a syntax error and says nothing about values", () => {
    expect(problems("id: a: b\n")).toEqual([
      'f:1:5 yaml-syntax this value has a ": " in it (a text with ": " in it needs quotes; indent keys alike)',
    ]);
    expect(problems("id: [a\nlevel: 5\n")[0]).toMatch(/^f:\d:\d yaml-syntax /);
    expect(problems("id: a\n\tlevel: 5\n")[0]).toMatch(/^f:2:1 yaml-syntax .*indent with spaces/);
    expect(problems("id: a\n---\nid: b\n")[0]).toMatch(/^f:2:1 yaml-syntax /);
  });

  it.each([
    ["id: a\nmany: {\n  b: [1, 2],\nlevel: 5\n", "2:7 {"],
    ["id: a\nmany: [1, { b: 2 }\nends: { c: 3\nlevel: 5\n", "2:7 [", "3:7 {"],
    ["id: a\nmany: { a: { b: [2\nlevel: 5\n", "2:7 {"],
    ['id: "a\nmany: [1]\nlevel: 5\n', '1:5 "'],
    ["id: 'it''s\nmany: [1]\nlevel: 5\n", "1:5 '"],
    ['id: { a: "b\nlevel: 5\n', '1:10 "'],
    ['\ufeffid: |\n  "a {\nmany: [a # {\nlevel: 5\n', "3:7 ["],
    ["id: it's { here\nmany: { a: \"}\", b: '[', c: it's\n", "2:7 {"],
    ["id: { a: [0, 50 }\nmany: { b: 1 }\nlevel: 5\n", "1:10 ["],
    ["id: { a: [0, 50), b: [1, 2] }\nmany: [{ b: 1 }]\n", "1:10 ["],
    ["id: { a: [x,\n { b: [1, 2 } },\n c: [3 }\nmany: [{ b: 1 }]\n", "1:10 [", "2:7 [", "3:5 ["],
    ["id: [a}\nmany: { b: 1 ]\nlevel: 5\n", "1:5 [", "2:7 {"],
  ])("says of a bracket or quote that is not closed where it begins: %j", (text, ...places) => {
    const found = problems(text).map((line) => line.replace(/ yaml-syntax this (.) is not closed .*/, " $1"));
    expect(found).toEqual(places.map((place) => `f:${place}`));
  });

  it.each([
    ["id: a: b\nmany: c: d\nlevel: 5\n", "1:5 yaml-syntax"],
    ["id: a\n  level: 5\nmany:\n- 1\nends: ]\n", "1:5 yaml-syntax"],
    ["many: [a }\nid: a\nlevel: 5\nends: ]\n", "1:7 yaml-syntax"],
    ["id: a\nmany: { b: 1\n level: 5\nends: c\n", "2:7 yaml-syntax"],
    ["id: !a b\nmany: !b c\nlevel: ]\nends: }\n", "1:5 bad-tag", "2:7 bad-tag", "3:8 yaml-syntax"],
    [`id: { a: \${A}, b: 1 }\nmany: { a: \${A} }\nends: ]\n`, "1:10 yaml-syntax", "2:12 yaml-syntax"],
  ])("is not said to be wrong wherever one slip has misled the parser: %j", (text, ...expected) => {
    expect(problems(text).map((line) => line.replace(/^f:(\S+ \S+) .*/, "$1"))).toEqual(expected);
  });

  it("says which bracket comes where another one should have been closed", () => {
    expect(problems("id: { a: [0, 50 }\nmany: { b: [1]\n")).toEqual([
      "f:1:10 yaml-syntax this [ is not closed before the next } (close it with ])",
      "f:2:7 yaml-syntax this { is not closed (close it with }; indent what is in it further than its line)",
    ]);
  });

  it.each([
    ["id: [1, 2]]\n", "1:11 this bracket closes nothing"],
    ["id: - x\n", "1:5 a list item cannot stand here"],
    ["id: a\n- b\n", "2:1 a list item cannot stand here"],
    ['id: "a" b\n', "1:9 the value has ended before this"],
    [" id: a\nlevel: b\n", "2:1 this line belongs to nothing before it"],
    ["id:\n  a: b\n c: d\n", "3:1 this line begins left or right of those it belongs to"],
    ["many:\n  - 1\n - 2\n", "3:1 this line begins left or right of those it belongs to"],
    ['id: { "a":: 1 }\n', "1:11 there is nothing before this colon"],
    ["id: %a\n", "1:5 a text cannot begin with %"],
    ['{ *": 1 }\n', "1:3 this cannot be a key"],
    ["many: [1,,2]\n", "1:10 there is nothing before this comma"],
    ['many: ["1" "2"]\n', "1:12 a comma is missing before this"],
    ["id: { a: 1 b: 2 }\n", "1:10 the next key begins before this value has ended"],
    ["id: { a: 1\n b: 2 }\n", "1:10 the next key begins before this value has ended"],
    ["id: a\nlevel\n", '2:1 this is no "key: value"'],
    ["id:a\nlevel: 5\n", '1:1 this is no "key: value"'],
    ["id: |a\n", "1:6 nothing may follow | or > in its line"],
  ])("is told what is wrong in words of its author, not of the parser: %j", (text, expected) => {
    const found = problems(text).map((line) => line.replace(/^f:(\S+) yaml-syntax (.*?) \(.*/, "$1 $2"));
    expect(found).toEqual([expected]);
  });

  it("takes no tags, no other YAML version and no merge keys", () => {
    expect(problems("id: !secret a\n")[0]).toMatch(/^f:1:5 bad-tag /);
    expect(problems("id: !!binary aGk=\n")[0]).toMatch(/^f:1:5 bad-tag /);
    expect(problems("%YAML 1.1\n---\nid: yes\n")[0]).toMatch(/^f:1:1 yaml-syntax YAML 1.1 is not understood/);
    expect(problems("id: a\n<<: { level: info }\n")[0]).toMatch(/^f:2:1 unknown-key /);
  });

  it("keeps words such as yes and no as text", () => {
    expect(parseDocument("id: no\n", { file: "f", schema }).value?.id).toBe("no");
  });

  it("stops at nested aliases that would unfold into gigabytes", () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `x${i + 1}: &x${i + 1} [${`*x${i},`.repeat(9)} *x${i}]`,
    );
    const bomb = `x0: &x0 [lol]\n${levels.join("\n")}\n`;
    const { diagnostics } = parseDocument(bomb, { file: "f", schema: z.unknown() });
    expect(diagnostics.map((d) => d.code)).toEqual(["too-many-aliases"]);
  });

  it("stops at an alias inside its own anchor", () => {
    expect(problems("id: a\nmany: &m [*m]\n").length).toBe(1);
  });

  it("points to an alias without an anchor, and quotes nothing of what may be a password", () => {
    expect(problems("id: *hunter2\n")).toEqual([
      'f:1:5 unknown-alias an alias without an anchor before it (a text that begins with "*" needs quotes)',
    ]);
    expect(problems("id: !hunter2\n")[0]).not.toContain("hunter2");
  });

  it("reads an alias and finds problems in what it stands for", () => {
    const text = "id: a\nends:\n  - &e { type: file, path: 5 }\n  - *e\n";
    expect(problems(text).map((line) => line.split(" ")[0])).toEqual(["f:3:28", "f:3:28"]);
  });

  it("refuses a file beyond the size limit without parsing it", () => {
    const found = problems(`id: a # ${"x".repeat(LIMITS.documentBytesMax)}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^f:1:1 too-large /);
  });

  it("survives deep nesting", () => {
    for (const open of ["[", "{a: ", "- "]) {
      expect(problems(open.repeat(100_000))[0]).toMatch(/^f:1:\d+ yaml-syntax /);
    }
    expect(problems("[".repeat(100_000) + "}".repeat(100_000))[0]).toMatch(/^f:1:1 .* before the next } /);
    expect(problems("[".repeat(10_000) + "]".repeat(10_000))[0]).toMatch(/^f:1:\d+ .* nested too deep /);
  });

  it("does not let __proto__ reach a prototype", () => {
    expect(problems("id: a\n__proto__: { level: warn }\n")[0]).toMatch(/^f:2:1 unknown-key /);
    const { value } = parseDocument("__proto__: { polluted: yes }\n", { file: "f", schema: z.unknown() });
    expect(Object.hasOwn(value as object, "__proto__")).toBe(true);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("does not pass over __proto__ where names are free, as if it were not there", () => {
    const schema = z.strictObject({ a: z.record(z.string(), z.number()), b: z.array(z.number()).optional() });
    const found = (text: string) =>
      parseDocument(text, { file: "f", schema }).diagnostics.map(({ line, code }) => [line, code]);
    expect(found("a:\n  x: 1\n  __proto__: 2\n")).toEqual([[3, "bad-name"]]);
    expect(found("a:\n  __proto__: 2\nb: 7\n")).toEqual([
      [2, "bad-name"],
      [3, "bad-type"],
    ]);
    expect(found("a: {}\n__proto__: 2\n")).toEqual([[2, "unknown-key"]]);
  });

  it("never throws and always gives a place within the file", () => {
    const piece = fc.constantFrom(
      "id: a\n",
      "ends:\n",
      "  - ",
      "type: ",
      "{",
      "}",
      "[",
      ": ",
      "&x ",
      "*x",
      "\t",
      "|\n",
      "'",
      '"',
      "\r\n",
      "%",
      "!!",
      "é",
      "---\n",
      "? ",
      "~",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join("");
        const lines = text.split("\n").length;
        const { value, diagnostics } = parseDocument(text, { file: "f", schema });
        expect(value === undefined).toBe(diagnostics.length > 0);
        for (const d of diagnostics) {
          expect(d.line).toBeGreaterThanOrEqual(1);
          expect(d.line).toBeLessThanOrEqual(lines);
          expect(d.column).toBeGreaterThanOrEqual(1);
        }
      }),
      cases(),
    );
  });
});

describe("the hook over texts", () => {
  const onText = (text: string) => text.replace("<N>", "7");
  const numbers = z.strictObject({ n: z.number(), s: z.string() });

  it("reads a replacement as the number the schema wants, and as text where it wants text", () => {
    for (const text of ["n: <N>\ns: <N>\n", 'n: "<N>"\ns: "<N>"\n']) {
      expect(parseDocument(text, { file: "f", schema: numbers, onText }).value).toEqual({ n: 7, s: "7" });
    }
  });

  it("leaves a text that was not replaced a text", () => {
    const { diagnostics } = parseDocument('n: "7"\ns: <N>\n', { file: "f", schema: numbers, onText });
    expect(diagnostics.map((d) => d.code)).toEqual(["bad-type"]);
  });

  it("does not complain about the type of what could not be replaced", () => {
    const failing = (
      text: string,
      problem: (found: { code: string; message: string; hint: string }) => void,
    ) => {
      if (text === "<N>") problem({ code: "missing", message: "is missing", hint: "set it" });
      return text;
    };
    const { diagnostics } = parseDocument("n: <N>\ns: a\n", { file: "f", schema: numbers, onText: failing });
    expect(diagnostics.map((d) => d.code)).toEqual(["missing"]);
  });

  it("does not see keys", () => {
    const { diagnostics } = parseDocument("<N>: 1\n", { file: "f", schema: z.strictObject({}), onText });
    expect(diagnostics[0]?.message).toBe('unknown key "<N>"');
  });
});
