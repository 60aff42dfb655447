import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileCondition, compileExpression, resultOf } from "../../../src/profile/expression.js";
import { FUNCTIONS } from "../../../src/profile/expression-functions.js";
import type { Code } from "../../../src/profile/expression-value.js";
import { cases } from "../../helpers/cases.js";

const names = new Map<string, Code>([
  ["x", { type: "number", run: (scope) => scope.values[0] }],
  ["y", { type: "number", run: (scope) => scope.values[1] }],
  [
    "s",
    { type: "text", run: (scope) => (typeof scope.values[2] === "string" ? scope.values[2] : undefined) },
  ],
  ["mode", { type: "text", values: ["off", "heat", "cool"], run: () => "heat" }],
  ["valve", { type: "text", values: ["open", "closed"], run: () => "open" }],
]);

function value(text: string, values: readonly (number | string)[] = [3, 4, "abc"]): unknown {
  const code = compileExpression(text, names, ["number", "text", "bool"]);
  return code.run({ values, message: undefined, topic: undefined });
}

const when = (text: string, message: unknown, topic?: string): boolean =>
  compileCondition(text)(message, topic);

describe("numbers in expressions", () => {
  it("are doubles, so that a division of whole numbers is not silently zero", () => {
    expect(value("5 / 9 * x", [9, 0, ""])).toBe(5);
    expect(value("7 % 4 + 0x10")).toBe(19);
    expect(value("9223372036854775807 + 1")).toBe(2 ** 63);
  });

  it("compute as JavaScript does, for any operands", () => {
    const text = "(x - y) * 1.8 + 32 / (x + 0.5) - -y % 7";
    const code = compileExpression(text, names, ["number"]);
    fc.assert(
      fc.property(fc.double(), fc.double(), (x, y) => {
        const expected = (x - y) * 1.8 + 32 / (x + 0.5) - ((0 - y) % 7);
        expect(code.run({ values: [x, y], message: undefined, topic: undefined })).toEqual(expected);
      }),
      cases(),
    );
  });

  it.each([
    ["round(2.5) + round(-2.5)", 0],
    ["round(1.005, 2)", 1.01],
    ["round(-21.449999, 1)", -21.4],
    ["round(1e300, 2)", 1e300],
    ["orElse(round(1.5, 16), -1)", -1],
    ['size("😀")', 1],
    ["abs(-3) + floor(2.7) + ceil(2.1)", 8],
    ["min(3, 1, 2) + max(3, 1, 2)", 4],
    ["clamp(12, 0, 10)", 10],
    ["pow(2, 10) + sqrt(16)", 1028],
    ["ln(exp(2)) + log10(1000)", 5],
    ["sin(0) + cos(0) + tan(0)", 1],
    ['double("23.5") + int(-2.7)', 21.5],
    ["x > 2 ? 10 : 20", 10],
    ["size(s)", 3],
    ["size(\"a//b\") + size('\\'//')", 7],
  ])("%s is %d", (text, expected) => {
    expect(value(text)).toBeCloseTo(expected, 12);
  });

  it("that are not finite in the end are missing", () => {
    expect(resultOf(value("x / y", [1, 0, ""]))).toBeNaN();
    expect(resultOf(value("sqrt(-1)"))).toBeNaN();
    expect(resultOf(value('double("0x10")'))).toBeNaN();
    expect(resultOf(value('double("")'))).toBeNaN();
    expect(resultOf("x".repeat(257))).toBeNaN();
  });
});

describe("absence in expressions", () => {
  const absent = [Number.NaN, 4, Number.NaN];

  it("travels through every operation that it takes part in", () => {
    for (const text of ["x + y", "-x", "min(x, y)", "max(y, x)", "round(x)", "x > 1 ? 1 : 2", "size(s)"]) {
      expect(value(text, absent), text).toBeNaN();
    }
    for (const text of [
      "x < y",
      "x == y",
      "x != y",
      "!(x > y)",
      's == "a"',
      's + "b"',
      "s in [s]",
      "y in [x, 5]",
    ]) {
      expect(value(text, absent), text).toBeUndefined();
    }
  });

  it("does not stop the other side of && and || from deciding, in either order", () => {
    expect(value("x > 1 && y > 100", absent)).toBe(false);
    expect(value("y > 100 && x > 1", absent)).toBe(false);
    expect(value("x > 1 || y > 1", absent)).toBe(true);
    expect(value("y > 1 || x > 1", absent)).toBe(true);
    expect(value("x > 1 || y > 100", absent)).toBeUndefined();
    expect(value("y in [x, 4]", absent)).toBe(true);
    expect(value("y > 1 && x > 1", absent)).toBeUndefined();
  });

  it("is asked for by has and replaced by orElse", () => {
    expect(value("has(x)", absent)).toBe(false);
    expect(value("has(y)", absent)).toBe(true);
    expect(value("orElse(x, y) + 1", absent)).toBe(5);
    expect(value('orElse(s, "none")', absent)).toBe("none");
  });
});

describe("conditions on messages", () => {
  const message = JSON.parse(
    '{"SCD40":{"CarbonDioxide":812},"type":"NotifyStatus","list":[1,2],"none":null,"switch:0":{"on":true}}',
  );

  it.each([
    ["has(msg.SCD40)", true],
    ["has(msg.SCD41)", false],
    ["has(msg.SCD40.CarbonDioxide.deeper.still)", false],
    ['msg.type == "NotifyStatus"', true],
    ['msg["switch:0"].on', true],
    ['msg["switch:0"].on == true && msg.SCD40.CarbonDioxide > 800', true],
    ["msg.list[1] == 2", true],
    ["msg.list[7] == 2", false],
    ['"type" in msg', true],
    ['"toString" in msg', false],
    ['msg.type in ["A", "NotifyStatus"]', true],
    ["1 in msg.list", true],
    ["msg.none == null", true],
    ["msg.type == null", false],
    ["msg.type != null", true],
    ["msg.missing == null", false],
    ["!(msg.missing == 1)", false],
    ["msg.type > 5", false],
    ["msg.type", false],
    ['msg.type.startsWith("Notify") && msg.type.endsWith("Status") && msg.type.contains("fyS")', true],
    ["size(msg.list) == 2 && msg.list.size() == 2 && size(msg.SCD40) == 1", true],
    ['topic.startsWith("tele/")', true],
    ['string(msg.SCD40.CarbonDioxide) == "812"', true],
    ["msg.list == msg.list", false],
  ])("%s is %s", (text, expected) => {
    expect(when(text, message, "tele/office/SENSOR")).toBe(expected);
  });

  it("never reaches beyond the message's own members", () => {
    const hostile = JSON.parse('{"__proto__":{"admin":true},"a":{}}');
    expect(when("has(msg.constructor)", hostile)).toBe(false);
    expect(when("msg.a.admin == true", hostile)).toBe(false);
    expect(when('has(msg["__proto__"])', {})).toBe(false);
    expect(when("has(msg.length)", "text")).toBe(false);
    expect(when("has(msg.length)", [1])).toBe(false);
  });

  it("never throws and is true or false, whatever the message", () => {
    const conditions = [
      "has(msg.a)",
      "msg.a + msg.b > 1",
      "msg.a < msg.b",
      "size(msg.a) == 1 || msg.a in msg.b",
      "double(msg.a) > 1",
    ].map((text) => compileCondition(text));
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true }), (message) => {
        for (const condition of conditions) expect(typeof condition(message, undefined)).toBe("boolean");
      }),
      cases(),
    );
  });
});

describe("a bad expression", () => {
  it.each([
    ["5 / ", /character 5/],
    ["temprature * 2", /temprature is not known here at character 1/],
    ["x + s", /\+ is not defined for number and text/],
    ['x == "a"', /== is not defined/],
    ["x ? 1 : 2", /condition/],
    ["s > 1", /not defined/],
    ["x ? 1 : 2", /condition/],
    ['true ? 1 : "a"', /one type/],
    ["abs(1, 2)", /does not take 2 arguments/],
    ['abs("a")', /does not take \(text\)/],
    ["sqroot(x)", /no function sqroot/],
    ['s.matches("a+")', /no function matches/],
    ["[1, 2].map(e, e)", /no function map/],
    ["[1, 2].exists(e, e > 1)", /no function exists/],
    ["timestamp(0)", /no function timestamp/],
    ['{"a": 1}', /maps/],
    ['b"abc" == s', /bytes/],
    ["5u + x", /unsigned/],
    ["x.y", /no members/],
    ["x in 5", /list/],
    ['mode == "haet"', /"haet" is none of the field's values at character 9/],
    ['"haet" != mode', /none of the field's values at character 1/],
    ['mode in ["heat", "warm"]', /"warm" is none of the field's values at character 18/],
    ['mode in ["off", 1]', /a text is never a number, at character 17/],
    ['"zz" in [mode]', /"zz" is none of the field's values at character 1/],
    ["(x - 2", /expected \), got end at character 7/],
    ["x > 1 ? 2", /expected :, got end at character 10/],
    ["* x", /unexpected \* at character 1/],
    ["x +", /unexpected end at character 4/],
    ["x > 1 AND x < 3", /unexpected character: 'A' at character 7/],
    ["size(x) == 2", /size does not take \(number\)/],
    ["double([x]) > 1", /double does not take \(list\)/],
    ["x in [1, null]", /never null, it is there or not at character 10/],
    ['(x > 1 ? mode : "none") == "haet"', /"haet" is none of the field's values/],
    ['orElse(mode, "none") == "nine"', /"nine" is none/],
    ["mode == valve", /what is one of off, heat, cool is never one of open, closed/],
    ["mode == null", /never null/],
    ["null != x", /never null/],
    ["x / 0", /nothing can be divided by 0, at character 5/],
    ["x % 0.0", /nothing can be divided by 0, at character 5/],
    ["x // 2", /what follows \/\/ is not read, at character 3/],
    ["s == '//' ? x // 2 : 1", /not read, at character 15/],
    ["-s", /- needs a number/],
    ["[1, 2]", /type list/],
    [`${"(".repeat(40)}x${")".repeat(40)}`, /maxDepth/],
    ["x +".repeat(400), /longer than 1024/],
  ])("%s is refused when the profile is loaded, with the place", (text, message) => {
    expect(() => value(text)).toThrow(expect.objectContaining({ code: "bad-expression" }));
    expect(() => value(text)).toThrow(message);
  });

  it("gets a remedy", () => {
    const hintOf = (text: string): unknown => {
      try {
        return value(text);
      } catch (error) {
        return (error as { hint?: string }).hint;
      }
    };
    expect(hintOf("sqr(x)")).toBe("did you mean sqrt?");
    expect(hintOf("X + 1")).toBe("did you mean x?");
    expect(hintOf('mode == "haet"')).toBe("did you mean heat?");
    expect(hintOf('mode == "ventilate"')).toBe("values are off, heat, cool");
    expect(hintOf("pow(x)")).toBe("it is pow(x, y)");
    expect(hintOf('mode in ["off", 1]')).toBe("remove it, or make it a text");
    expect(hintOf("x = 5")).toBe("write == to compare");
    expect(hintOf("mode == “heat”")).toBe("write straight quotes");
    expect(hintOf("x // 2")).toMatch(/^divide with \//);
    expect(hintOf("20 < x < 25")).toMatch(/^join two comparisons with &&/);
    expect(hintOf("if (x > 1) 2 else 3")).toBe("write c ? x : y");
    expect(hintOf("x / 0")).toBe("give another divisor");
    expect(hintOf('mode == "and')).toBe("close the quotes");
    expect(hintOf('mode == "=" and x > 1')).toBe("write &&");
    expect(hintOf("x !== 5")).toBe("write == or !=");
    expect(hintOf("x =< 5")).toBe("write <=");
    expect(hintOf("x => 5")).toBe("write >=");
    expect(hintOf("for > 5")).toMatch(/rename it/);
    expect(hintOf('s == "\\d"')).toBe("write two backslashes for one");
    expect(hintOf("(x >= 1")).toBe("close what is open with )");
    expect(hintOf("max(x, [1, 2)")).toBe("close what is open with ]");
    expect(hintOf("x + 1)")).toBe("remove it, or open it before");
    expect(hintOf("x +")).toBe("something is missing at the end");
    expect(hintOf("x 2")).toMatch(/^operators are == /);
  });
});

it("documents every function under its own name", () => {
  for (const [name, f] of FUNCTIONS) {
    expect(f.signature.startsWith(`${name}(`)).toBe(true);
    expect(f.description).not.toBe("");
  }
});
