import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UNKNOWN_DEVICE } from "../../../src/model/device-name.js";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { LIMITS } from "../../../src/model/limits.js";
import type { PayloadContext, Profile } from "../../../src/model/profile.js";
import type { FieldValue } from "../../../src/model/reading.js";
import { REJECT_REASONS } from "../../../src/model/reasons.js";
import { loadProfile } from "../../../src/profile/load.js";
import { cases } from "../../helpers/cases.js";

const WINDOWS = 'windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count] } }]';

function profile(body: string): Profile {
  const text = `schema: device-profile/1\nid: t\nversion: 1.0.0\n${WINDOWS}\n${body}`;
  const loaded = loadProfile(text, { file: "t", zone: "UTC" });
  expect(loaded.diagnostics.map(formatDiagnostic)).toEqual([]);
  return loaded.profile!;
}

interface Seen {
  readonly claimed: boolean;
  readonly readings: readonly {
    device: string;
    timeMs: number;
    values: readonly FieldValue[];
    key: string | undefined;
  }[];
  readonly rejects: readonly [string | undefined, string, string][];
  readonly unreadable: readonly [string, number, string][];
}

function decode(
  decoder: Pick<Profile, "decode">,
  payload: Uint8Array | string,
  context: Partial<PayloadContext> = {},
): Seen {
  const readings: {
    device: string;
    timeMs: number;
    values: readonly FieldValue[];
    key: string | undefined;
  }[] = [];
  const rejects: [string | undefined, string, string][] = [];
  const unreadable: [string, number, string][] = [];
  const full = { captures: { device: "d" }, topic: "t/d", arrivalMs: 1_000, ...context };
  const claimed = decoder.decode(payload, full, {
    reading: (device, timeMs, values, key) => void readings.push({ device, timeMs, values, key }),
    reject: (device, reason, detail) => void rejects.push([device, reason, detail]),
    unreadable: (device, field, detail) => void unreadable.push([device, field, detail]),
  });
  return { claimed, readings, rejects, unreadable };
}

/** The value that a JSON payload gives to one field. */
function value(field: string, raw: string): FieldValue | undefined {
  const p = profile(`decode: { format: json }\nfields:\n  x: { from: /x${field} }\n  y: { from: /y }`);
  const { readings, unreadable } = decode(p, `{"x":${raw},"y":1}`);
  return unreadable.length > 0 ? undefined : readings[0]!.values[0];
}

describe("values of a field", () => {
  it.each<[string, string, FieldValue | undefined]>([
    ["", "21.4", 21.4],
    ["", '"21.4"', 21.4],
    ["", '" -1.5e3 "', -1500],
    ["", '""', Number.NaN],
    ["", "null", Number.NaN],
    ["", '"hot"', undefined],
    ["", "true", undefined],
    ["", "[1]", undefined],
    ["", "1e999", undefined],
    ["", '"0x1F"', undefined],
    [', missing: [85, "-"]', "85.0", Number.NaN],
    [', missing: [85, "-"]', '"85"', Number.NaN],
    [', missing: [85, "-"]', '"-"', Number.NaN],
    [', missing: [85, "-"], scale: 10', "8.5", 85],
    [", scale: 0.1, offset: -40", "3", -39.7],
    [", scale: 0.1", "3", 0.3],
    [", unit: Cel, as: degF", "21.4", 70.52],
    [", unit: degF, as: Cel, scale: 0.1", "2120", 100],
    [", type: int", "812", 812],
    [", type: int", "812.0", 812],
    [", type: int", "812.4", undefined],
    [", type: int, scale: 0.1", "30", 3],
    [", type: int", "1e17", undefined],
    [", type: decimal, digits: 1", "21.449", 21.4],
    [", type: decimal, digits: 1", "-21.45", -21.5],
    [", type: decimal, digits: 2", "1.005", 1.01],
    [", type: decimal, digits: 2, scale: 0.001", "21405", 21.41],
    [", type: bool", "true", 1],
    [", type: bool", '"OFF"', 0],
    [", type: bool", "1", 1],
    [", type: bool", '"maybe"', undefined],
    [", type: bool, whenTrue: [open], whenFalse: [closed]", '"Open"', 1],
    [", type: bool, whenTrue: [open], whenFalse: [closed]", "true", undefined],
    [", type: enum, values: [off, heat, cool]", '"cool"', 2],
    [", type: enum, values: [off, heat, cool]", '"warm"', undefined],
    [", type: enum, values: { 0: closed, 1: open, 2: open }", "2", 1],
    [", type: string", '"abc"', "abc"],
    [", type: string", '""', ""],
    [", type: string", "12", "12"],
    [", type: string, missing: [none]", '"none"', Number.NaN],
    [", type: string", JSON.stringify("x".repeat(LIMITS.textValueCharactersMax + 1)), undefined],
    [", type: string", "{}", undefined],
  ])("%s of %s is %s", (field, raw, expected) => {
    expect(value(field, raw)).toEqual(expected);
  });

  it("that cannot be read are missing and told, and only a reading with nothing else is invalid", () => {
    const p = profile("decode: { format: json }\nfields: { x: { from: /x }, y: { from: /y } }");
    const partly = decode(p, '{"x":"hot","y":2}');
    expect(partly.readings[0]!.values).toEqual([Number.NaN, 2]);
    expect(partly.unreadable).toEqual([["d", 0, 'x is "hot"']]);
    expect(decode(p, '{"x":"hot"}')).toMatchObject({
      readings: [],
      rejects: [["d", "invalid", 'x is "hot"']],
    });
    expect(decode(p, '{"z":1}').readings[0]!.values).toEqual([Number.NaN, Number.NaN]);
  });

  it("computed from others follow them and are missing where they are", () => {
    const p = profile(`decode: { format: json }
fields:
  x: { from: /x }
  mode: { from: /m, type: enum, values: [off, on] }
  double: { compute: x * 2, type: int }
  active: { compute: 'mode == "on" && x > 1', type: bool }
  label: { compute: 'orElse(mode, "none") + "!"', type: string }`);
    const compute = (values: FieldValue[]): FieldValue[] => {
      p.fields.forEach((field, index) => {
        if (field.compute !== undefined) values[index] = field.compute(values);
      });
      return values.slice(2);
    };
    const n = Number.NaN;
    expect(compute([1.5, 1, n, n, n])).toEqual([3, 1, "on!"]);
    expect(compute([1.25, 0, n, n, n])).toEqual([n, 0, "off!"]);
    expect(compute([n, n, n, n, n])).toEqual([n, n, "none!"]);
  });
});

describe("devices", () => {
  const named = profile(
    "decode: { format: json }\nidentity: { from: [/a, /b] }\nfields: { x: { from: /x } }",
  );

  it("are named by the payload, in parts if need be, else by the topic", () => {
    expect(decode(named, '{"a":"boiler","b":3,"x":1}').readings[0]!.device).toBe("boiler-3");
    expect(decode(named, '{"a":"boiler","x":1}').rejects).toEqual([
      [undefined, "unidentified", expect.any(String)],
    ]);
    const topic = profile("decode: { format: json }\nfields: { x: { from: /x } }");
    expect(decode(topic, '{"x":1}', { captures: { device: "office" } }).readings[0]!.device).toBe("office");
    for (const captures of [{}, { device: UNKNOWN_DEVICE }]) {
      expect(decode(topic, '{"x":1}', { captures }).rejects).toEqual([
        [undefined, "unidentified", expect.any(String)],
      ]);
    }
  });

  it.each([
    "",
    "a\nb",
    "a\u0000",
    "a\u007f",
    "a\ud800",
    "a/#",
    "+",
    UNKNOWN_DEVICE,
    "x".repeat(LIMITS.deviceNameCharactersMax + 1),
  ])("named %j are not, because no topic, log or id could carry that, or it is taken", (name) => {
    const p = profile("decode: { format: json }\nidentity: { from: /n }\nfields: { x: { from: /x } }");
    const seen = decode(p, JSON.stringify({ n: name, x: 1 }));
    expect(seen.readings).toEqual([]);
    // Text that no encoding can carry is refused before anybody asks for the name.
    const reason = name.includes("\ud800") ? "invalid" : "unidentified";
    expect(seen.rejects.map((reject) => reject[1])).toEqual([reason]);
  });

  it("may be named and described by what the topic captured", () => {
    const p = profile(`match: { mqtt: { topics: ["{site}/{unit}/v"] } }
decode: { format: json }
identity: { from: ["{site}", "{unit}"], join: "." }
fields: { x: { from: /x }, where: { from: "{site}", type: string } }`);
    const seen = decode(p, '{"x":1}', { captures: { site: "plant", unit: "7" } });
    expect(seen.readings[0]).toMatchObject({ device: "plant.7", values: [1, "plant"] });
  });
});

describe("times", () => {
  it("are rejected where they cannot be read, or give way to the arrival where the profile says so", () => {
    const body = "decode: { format: json }\nfields: { x: { from: /x } }\n";
    const strict = profile(`${body}time: { from: /t, format: iso }`);
    expect(decode(strict, '{"x":1,"t":"2026-01-14T12:00:00Z"}').readings[0]!.timeMs).toBe(1_768_392_000_000);
    expect(decode(strict, '{"x":1,"t":"soon"}').rejects).toEqual([["d", "invalidTime", 'time is "soon"']]);
    expect(decode(strict, '{"x":1}').rejects).toEqual([["d", "invalidTime", "no time"]]);
    const lenient = profile(`${body}time: { from: /t, format: iso, else: arrival }`);
    expect(decode(lenient, '{"x":1,"t":"soon"}').readings[0]!.timeMs).toBeNaN();
  });

  it("may come in several parts", () => {
    const p = profile(`decode: { format: csv, columns: [y, m, d, h, x] }
time: { from: [y, m, d, h], join: "-", format: "%Y-%m-%d-%H", zone: Asia/Shanghai }
fields: { x: { from: x } }`);
    expect(decode(p, "2013,3,1,0,4").readings[0]!.timeMs).toBe(Date.parse("2013-02-28T16:00:00Z"));
    expect(decode(p, "2013,,1,0,4").rejects[0]![1]).toBe("invalidTime");
  });
});

describe("duplicate keys", () => {
  const p = profile(`decode: { format: json }
time: { from: /t, format: epoch-ms, else: arrival }
duplicates: { by: key, from: [/id, /n], ttl: 5m }
fields: { x: { from: /x } }`);

  it("are joined, and where a part is missing the time stands for them", () => {
    expect(decode(p, '{"id":"a","n":7,"t":5,"x":1}').readings[0]!.key).toBe("a-7");
    expect(decode(p, '{"id":"a","n":null,"t":5,"x":1}').readings[0]!.key).toBe("@5");
    expect(decode(p, '{"id":"a","x":1}', { arrivalMs: 99 }).readings[0]!.key).toBe("@99");
  });

  it("that are too long make a reading invalid", () => {
    const long = "k".repeat(LIMITS.duplicateKeyCharactersMax);
    expect(decode(p, JSON.stringify({ id: long, n: 1, t: 5, x: 1 })).rejects[0]![1]).toBe("invalid");
  });
});

describe("payloads", () => {
  it("that the condition declines are left to other profiles", () => {
    const p = profile(`match: { mqtt: { topics: ["t/{device}"], where: has(msg.x) } }
decode: { format: json, records: "" }
fields: { x: { from: /x } }`);
    expect(decode(p, '{"y":1}')).toMatchObject({ claimed: false, readings: [], rejects: [] });
    expect(decode(p, '[{"y":1},{"x":2}]')).toMatchObject({ claimed: true, readings: [{ values: [2] }] });
    expect(decode(p, "not json")).toMatchObject({
      claimed: true,
      rejects: [["d", "invalid", expect.any(String)]],
    });
    expect(decode(p, "[]")).toMatchObject({ claimed: true, readings: [], rejects: [] });
  });

  it("may hold many readings, of which a bad one does not take the others with it", () => {
    const p = profile(`decode: { format: csv, header: true, fieldCount: 2 }
identity: { from: id }
fields: { x: { from: x } }`);
    const seen = decode(p, "id,x\na,1\nb,2,3\nc,3\n");
    expect(seen.readings.map(({ device }) => device)).toEqual(["a", "c"]);
    expect(seen.rejects.map(([, reason]) => reason)).toEqual(["invalid"]);
  });

  it("that are too large are counted as such", () => {
    const p = profile("decode: { format: json, maxBytes: 16 }\nfields: { x: { from: /x } }");
    expect(decode(p, `{"x":${"1".repeat(20)}}`).rejects).toEqual([["d", "tooLarge", expect.any(String)]]);
  });

  it("of a stream have one header, and streams do not share theirs", () => {
    const p = profile("decode: { format: csv, header: true }\nfields: { x: { from: x } }");
    const one = p.openStream();
    const two = p.openStream();
    expect(decode(one, "x,y").readings).toEqual([]);
    expect(decode(two, "y,x").readings).toEqual([]);
    expect(decode(one, "1,2").readings[0]!.values).toEqual([1]);
    expect(decode(two, "1,2").readings[0]!.values).toEqual([2]);
    expect(decode(p, "x\n5").readings[0]!.values).toEqual([5]);
    expect(decode(one, "3,4").readings[0]!.values).toEqual([3]);
  });
});

describe("hostile payloads", () => {
  const formats = [
    'decode: { format: json, records: "" }\nidentity: { from: /n }\nfields: { x: { from: /x }, s: { from: /s, type: string }, b: { from: /b, type: bool }, e: { from: /e, type: enum, values: [a, b] } }\ntime: { from: /t, format: local-iso }',
    "decode: { format: csv, header: true }\nidentity: { from: n }\nfields: { x: { from: x }, s: { from: s, type: string } }\ntime: { from: t, format: '%Y-%m-%d' }",
    "decode: { format: kv, decimal: ',' }\nfields: { x: { from: x }, i: { from: i, type: int } }",
  ].map((body) => profile(`match: { mqtt: { topics: ["t/{device}"], where: "!has(msg.never)" } }\n${body}`));

  /** Everything that comes out must be of the promised form. */
  const check = (seen: Seen): void => {
    for (const { device, timeMs, values } of seen.readings) {
      expect(device).toMatch(/^[^\p{Cc}+#]{1,128}$/u);
      expect(Number.isNaN(timeMs) || Number.isInteger(timeMs)).toBe(true);
      for (const v of values) {
        if (typeof v === "string") expect(v.length).toBeLessThanOrEqual(LIMITS.textValueCharactersMax);
        else expect(Math.abs(v)).not.toBe(Number.POSITIVE_INFINITY);
      }
    }
    for (const [, reason] of seen.rejects) expect(REJECT_REASONS).toContain(reason);
  };

  it("never throw: any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string({ maxLength: 200 }), (bytes, text) => {
        for (const p of formats) {
          check(decode(p, bytes));
          check(decode(p, text));
        }
      }),
      cases(),
    );
  });

  it("never throw: any JSON in any place", () => {
    const record = fc.dictionary(fc.constantFrom("x", "s", "b", "e", "t", "n", "__proto__"), fc.jsonValue(), {
      maxKeys: 7,
    });
    fc.assert(
      fc.property(fc.oneof(record, fc.array(record), fc.jsonValue()), (message) => {
        check(decode(formats[0]!, JSON.stringify(message)));
      }),
      cases(),
    );
  });

  it.each([
    `${"[".repeat(10_000)}${"]".repeat(10_000)}`,
    '{"__proto__":{"x":1},"n":"a"}',
    '{"constructor":1,"n":{"toString":1}}',
    '{"x":1e400,"n":"a","t":"2026-01-14T12:00:00"}',
    "\ufeff",
    '{"n":"a","t":"9999999999-01-01T00:00:00","x":1}',
  ])("are counted and harm nothing: %.40s", (payload) => {
    const seen = decode(formats[0]!, payload);
    check(seen);
    expect(seen.readings).toEqual([]);
    expect(seen.rejects).toHaveLength(1);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it("leave nothing behind for the next payload", () => {
    const p = profile(
      'match: { mqtt: { topics: ["t/{device}"], where: has(msg.x) } }\ndecode: { format: json }\nfields: { x: { from: /x } }',
    );
    decode(p, "{");
    expect(decode(p, '{"y":1}').claimed).toBe(false);
    expect(decode(p, '{"x":1}').readings).toHaveLength(1);
  });
});
