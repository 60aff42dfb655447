import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import { cases } from "../../helpers/cases.js";
import { json, placeError, readWith } from "../../helpers/decoding.js";

const bytes = (text: string) => new TextEncoder().encode(text);

function at(place: string, payload: string | Uint8Array): unknown {
  const { records, bad, code } = readWith(json(), [place], payload);
  expect({ bad, code }).toEqual({ bad: [], code: undefined });
  return records[0]![0];
}

describe("a JSON payload", () => {
  it("is one record, whatever it is", () => {
    expect(at("", "21.4")).toBe(21.4);
    expect(at("", '"on"')).toBe("on");
    expect(at("", "null")).toBeUndefined();
    expect(at("/1", "[1,2]")).toBe(2);
  });

  it("is the same from bytes, from text, and behind a byte order mark", () => {
    const text = '{"name":"Küche","t":21.4}';
    const behindMark = Uint8Array.from([0xef, 0xbb, 0xbf, ...bytes(text)]);
    for (const payload of [text, bytes(text), Buffer.from(text), behindMark, `\ufeff${text}`]) {
      expect(readWith(json(), ["/name", "/t"], payload).records).toEqual([["Küche", 21.4]]);
    }
  });

  it("is read where it lies in a larger buffer", () => {
    const packet = bytes('xx{"t":1}yy');
    expect(at("/t", packet.subarray(2, 9))).toBe(1);
  });

  it("comes back from any value by any pointer into it", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (value, pick) => {
        const plain = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
        const keys = Object.keys(plain);
        const key = keys[pick % keys.length]!;
        const pointer = `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
        const found = readWith(json(), [pointer], bytes(JSON.stringify(plain))).records[0]?.[0];
        expect(found).toEqual(plain[key] ?? undefined);
      }),
      cases(),
    );
  });
});

describe("a list of records", () => {
  const items = (count: number) => `{"d":[${Array.from({ length: count }, (_, i) => `{"v":${i}}`).join()}]}`;

  it("gives one record per item, in their order", () => {
    expect(readWith(json({ records: "/d" }), ["/v"], items(3)).records).toEqual([[0], [1], [2]]);
    expect(readWith(json({ records: "" }), ["/v"], '[{"v":1},{"v":2}]').records).toEqual([[1], [2]]);
  });

  it("may be a single record instead", () => {
    expect(readWith(json({ records: "" }), ["/v"], '{"v":1}').records).toEqual([[1]]);
  });

  it.each(["{}", '{"d":null}', "5"])("is bad when it is not there: %s", (payload) => {
    const { records, bad } = readWith(json({ records: "/d" }), ["/v"], payload);
    expect(records).toEqual([]);
    expect(bad).toHaveLength(1);
  });

  it("is taken up to the limit, and as a whole refused beyond it", () => {
    const full = readWith(json({ records: "/d" }), ["/v"], items(LIMITS.payloadReadingsMax));
    expect(full.records).toHaveLength(LIMITS.payloadReadingsMax);
    const over = readWith(json({ records: "/d" }), ["/v"], items(LIMITS.payloadReadingsMax + 1));
    expect(over).toEqual({ records: [], bad: [], code: "decode-too-large" });
  });
});

describe("a hostile JSON payload", () => {
  const nested = (open: string, close: string, depth: number) =>
    `${open.repeat(depth)}1${close.repeat(depth)}`;

  it("is nested to the limit and no deeper", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
      ['[{"a":', "}]"],
    ] as const) {
      const depth = LIMITS.jsonDepthMax / (open.match(/[[{]/g)!.length as 1 | 2);
      expect(readWith(json(), [""], nested(open, close, depth)).records).toHaveLength(1);
      expect(readWith(json(), [""], nested(open, close, depth + 1)).code).toBe("decode-invalid");
    }
  });

  it("is refused at 100,000 levels before it is parsed, closed or not", () => {
    expect(readWith(json(), [""], nested("[", "]", 100_000)).code).toBe("decode-invalid");
    expect(readWith(json(), [""], "[".repeat(100_000)).code).toBe("decode-invalid");
    expect(readWith(json(), [""], '{"a":'.repeat(100_000)).code).toBe("decode-invalid");
  });

  it("cannot hide its depth in strings, nor be refused for brackets in them", () => {
    const brackets = "[{".repeat(100);
    expect(at("/a", JSON.stringify({ a: brackets }))).toBe(brackets);
    expect(at("/a", JSON.stringify({ a: `\\"${brackets}` }))).toBe(`\\"${brackets}`);
    expect(readWith(json(), [""], `["\\\\",${"[".repeat(40)}${"]".repeat(40)}]`).code).toBe("decode-invalid");
    const many = JSON.stringify(Array.from({ length: 1_000 }, () => ({ v: [1] })));
    expect(readWith(json({ records: "" }), ["/v/0"], many).records).toHaveLength(1_000);
  });

  it("agrees with a recursive measure of depth", () => {
    const depthOf = (value: unknown): number =>
      typeof value !== "object" || value === null
        ? 0
        : 1 + Math.max(0, ...Object.values(value).map((item) => depthOf(item)));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 50, depthSize: "max" },
        fc.constantFrom(1, "[", '"{', "\\", null),
        fc.array(tie("tree"), { minLength: 1, maxLength: 2 }),
        fc.record({ "[": tie("tree") }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const tooDeep = depthOf(value) > LIMITS.jsonDepthMax;
        const { code } = readWith(json(), [""], JSON.stringify(value));
        expect(code).toBe(tooDeep ? "decode-invalid" : undefined);
      }),
      cases(),
    );
  });

  it("does not reach what objects have by nature", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"]) {
      expect(at(`/${name}`, "{}")).toBeUndefined();
      expect(at(`/a/${name}`, '{"a":"text"}')).toBeUndefined();
      expect(at(`/a/${name}`, '{"a":[1]}')).toBeUndefined();
    }
    expect(at("/a/length", '{"a":[1]}')).toBeUndefined();
    expect(at("/a/0", '{"a":"text"}')).toBeUndefined();
    expect(at("/constructor/name", "{}")).toBeUndefined();
  });

  it("does not change the prototype of anything by a key named __proto__", () => {
    const payload = '{"__proto__":{"polluted":1},"a":{"__proto__":7}}';
    expect(at("/__proto__/polluted", payload)).toBe(1);
    expect(at("/a/__proto__", payload)).toBe(7);
    expect(at("/polluted", payload)).toBeUndefined();
    expect("polluted" in {}).toBe(false);
    const decoder = json();
    const views: unknown[] = [];
    decoder.decode(
      payload,
      (record) => void views.push(decoder.view(record)),
      () => {},
    );
    expect(Object.getPrototypeOf(views[0])).toBe(Object.prototype);
    expect(Object.hasOwn(views[0] as object, "polluted")).toBe(false);
  });

  it("takes the last of equal keys", () => {
    expect(at("/a", '{"a":1,"a":2}')).toBe(2);
  });

  it("says Infinity for a number that is too large, which is no value of any field", () => {
    expect(at("/a", '{"a":1e999}')).toBe(Number.POSITIVE_INFINITY);
    expect(at("/a", '{"a":-1e999}')).toBe(Number.NEGATIVE_INFINITY);
  });

  it.each([
    '{"a":NaN}',
    '{"a":Infinity}',
    "{'a':1}",
    '{"a":1,}',
    '{"a":01}',
    '{"a":0x1}',
    '{"a":1}{"a":2}',
    '{"a":"\t"}',
    "",
    " ",
    "\u0000",
    '{"a":',
  ])("is not taken for JSON: %j", (payload) => {
    expect(readWith(json(), ["/a"], payload)).toEqual({ records: [], bad: [], code: "decode-invalid" });
  });

  it.each([
    ["a lone continuation byte", [0x80]],
    ["a cut sequence", [0xe2, 0x82]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a code point beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
    ["latin1", [0xfc]],
  ])("is not UTF-8: %s", (_, inside) => {
    const payload = Uint8Array.from([...bytes('{"a":"'), ...inside, ...bytes('"}')]);
    expect(readWith(json(), ["/a"], payload).code).toBe("decode-invalid");
  });

  it("does not bring in half a surrogate pair, in values or keys, at any depth", () => {
    const high = "\\ud83d";
    for (const payload of [`"${high}"`, `{"a":[{"b":"x${high}"}]}`, `{"${high}":1}`, '{"a":"\\uDE00"}']) {
      expect(readWith(json(), [""], payload).code, payload).toBe("decode-invalid");
    }
    expect(at("/a", `{"a":"${high}\\ude00"}`)).toBe("😀");
    expect(at("/a", '{"a":"\\u00e9 \\\\ud83d"}')).toBe("é \\ud83d");
  });

  it("is measured in bytes before anything is done with it", () => {
    const payload = JSON.stringify({ a: "é".repeat(100) });
    const size = bytes(payload).length;
    expect(readWith(json({ maxBytes: size }), ["/a"], bytes(payload)).records).toHaveLength(1);
    const { code } = readWith(json({ maxBytes: size - 1 }), ["/a"], bytes(payload));
    expect(code).toBe("decode-too-large");
  });

  it("never makes decoding throw anything but its two errors", () => {
    const nasty = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: "binary" }).map(bytes),
      fc.json().map(bytes),
      fc.stringMatching(/^[[\]{}",:\\u0-9eE+.-]*$/).map(bytes),
    );
    fc.assert(
      fc.property(nasty, (payload) => {
        const { code } = readWith(json({ records: "" }), ["", "/a", "/0"], payload);
        expect([undefined, "decode-invalid"]).toContain(code);
      }),
      cases(1_000),
    );
  });
});

describe("a JSON Pointer", () => {
  // RFC 6901, section 5.
  const document =
    '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}';

  it.each([
    ["/foo", ["bar", "baz"]],
    ["/foo/0", "bar"],
    ["/", 0],
    ["/a~1b", 1],
    ["/c%d", 2],
    ["/e^f", 3],
    ["/g|h", 4],
    ["/i\\j", 5],
    ['/k"l', 6],
    ["/ ", 7],
    ["/m~0n", 8],
  ])("finds what the standard says: %s", (pointer, expected) => {
    expect(at(pointer, document)).toEqual(expected);
  });

  it.each(["/foo/2", "/foo/-", "/foo/00", "/foo/1e0", "/foo/-1", "/foo/bar", "/bar", "/foo/0/0", "/m~0n/x"])(
    "finds nothing where there is nothing: %s",
    (pointer) => {
      expect(at(pointer, document)).toBeUndefined();
    },
  );

  it("unescapes ~01 to ~1, not to a slash", () => {
    expect(at("/~01", '{"~1":1,"/":2}')).toBe(1);
  });

  it.each(["foo", "#/foo", "/a~", "/a~2", "/~/b", " /foo"])("is refused when malformed: %s", (pointer) => {
    expect(placeError(json(), pointer)).toBe("bad-path");
  });
});
