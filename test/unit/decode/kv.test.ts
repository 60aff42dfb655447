import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDecoder } from "../../../src/decode/decoder.js";
import type { DecodeSpec } from "../../../src/decode/spec.js";
import { LIMITS } from "../../../src/model/limits.js";
import { cases } from "../../helpers/cases.js";
import { kv, placeError, readWith } from "../../helpers/decoding.js";

describe("a line of key=value pairs", () => {
  it.each([
    [{}, "a=1 b=2", ["1", "2"]],
    [{}, "  a=1\t\tb=2  ", ["1", "2"]],
    [{}, "INFO a=1 took b=2 ms", ["1", "2"]],
    [{}, 'a="x y" b=2', ["x y", "2"]],
    [{}, 'a="say \\"on\\" \\\\" b=2', ['say "on" \\', "2"]],
    [{}, 'a="" b=2', [undefined, "2"]],
    [{}, "a= b=2", [undefined, "2"]],
    [{}, "b=2", [undefined, "2"]],
    [{}, "a=1 b=2 a=3", ["3", "2"]],
    [{}, "a=1=2 b=2", ["1=2", "2"]],
    [{}, "=5 a=1 b=2", ["1", "2"]],
    [{ separator: ";" }, "a=1;b=2", ["1", "2"]],
    [{ separator: ";" }, " a = 1 ; b = x y ;", ["1", "x y"]],
    [{ separator: ";" }, 'a="1;2";b=2', ["1;2", "2"]],
    [{ separator: ",", assign: ":" }, "a: 1, b: 2", ["1", "2"]],
    [{ separator: ";", decimal: "," as const }, "a=1,5;b=x,y", ["1.5", "x,y"]],
    [{ missing: ["NA"] }, "a=NA b=2", [undefined, "2"]],
  ])("%j reads %j", (spec, line, expected) => {
    expect(readWith(kv(spec), ["a", "b"], line)).toEqual({ records: [expected], bad: [], code: undefined });
  });

  it("comes back from any pairs whose values are quoted", () => {
    const value = fc.string({ minLength: 1 }).filter((text) => !/[\r\n]/.test(text));
    const key = fc.stringMatching(/^[a-z_]{1,12}$/);
    fc.assert(
      fc.property(fc.dictionary(key, value, { minKeys: 1 }), (pairs) => {
        const entries = Object.entries(pairs);
        const line = entries.map(([k, v]) => `${k}="${v.replace(/["\\]/g, "\\$&")}"`).join(" ");
        const { records } = readWith(
          kv(),
          entries.map(([k]) => k),
          line,
        );
        expect(records).toEqual([entries.map(([, v]) => v)]);
      }),
      cases(),
    );
  });

  it("is bad without a pair, or with a quote that is not closed, and the others are read", () => {
    const { records, bad } = readWith(kv(), ["a"], 'a=1\nhello world\na="2\na=3\r\n\n');
    expect(records).toEqual([["1"], ["3"]]);
    expect(bad).toHaveLength(2);
  });

  it("is bad when it is empty, but a stream may have empty lines", () => {
    expect(readWith(kv(), ["a"], "").bad).toHaveLength(1);
    expect(readWith(kv().openStream(), ["a"], "\r\n").bad).toEqual([]);
  });

  it("does not reach what objects have by nature", () => {
    expect(readWith(kv(), ["__proto__", "constructor"], "a=1").records).toEqual([[undefined, undefined]]);
    expect(readWith(kv(), ["__proto__"], "__proto__=7").records).toEqual([["7"]]);
    const decoder = kv();
    const views: unknown[] = [];
    decoder.decode(
      "__proto__=7 b=",
      (record) => void views.push(decoder.view(record)),
      () => {},
    );
    expect(views).toEqual([new Map([["__proto__", "7"]])]);
  });

  it("is read up to the limits and refused beyond them", () => {
    const lines = (count: number) => "a=1\n".repeat(count);
    const max = LIMITS.payloadReadingsMax;
    expect(readWith(kv(), ["a"], lines(max)).records).toHaveLength(max);
    expect(readWith(kv(), ["a"], lines(max + 1))).toEqual({
      records: [],
      bad: [],
      code: "decode-too-large",
    });
    const pairs = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=1`).join(" ");
    expect(readWith(kv(), ["k0"], pairs(LIMITS.rowColumnsMax)).records).toHaveLength(1);
    expect(readWith(kv(), ["k0"], pairs(LIMITS.rowColumnsMax + 1)).bad).toHaveLength(1);
    expect(readWith(kv({ maxBytes: 3 }), ["a"], "a=1").records).toHaveLength(1);
    expect(readWith(kv({ maxBytes: 3 }), ["a"], "a=12").code).toBe("decode-too-large");
  });

  it("takes time in proportion to its length", () => {
    const words = "a ".repeat(500_000);
    expect(readWith(kv(), ["a"], `${words}a=1`).records).toEqual([["1"]]);
    expect(readWith(kv(), ["a"], `b=1 a="${"x ".repeat(400_000)}`).bad).toHaveLength(1);
    expect(readWith(kv(), ["a"], 'a="x" '.repeat(150_000)).records).toEqual([["x"]]);
  });

  it("has no empty key", () => {
    expect(placeError(kv(), "")).toBe("bad-path");
  });
});

describe("a decode section", () => {
  it("of an unknown format is refused, also before it has been checked", () => {
    const spec = { format: "xml" } as unknown as DecodeSpec;
    expect(() => createDecoder(spec)).toThrow(expect.objectContaining({ code: "bad-format" }));
  });
});
