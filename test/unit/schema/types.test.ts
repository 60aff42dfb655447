import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInstant } from "../../../src/model/time.js";
import { toJsonSchema } from "../../../src/schema/json-schema.js";
import { referenceMarkdown } from "../../../src/schema/reference.js";
import {
  byteSize,
  duration,
  formatByteSize,
  jsonPointer,
  name,
  parseByteSize,
  rate,
  timeZone,
} from "../../../src/schema/types.js";
import { z } from "../../../src/schema/zod.js";
import { cases } from "../../helpers/cases.js";

const read = (schema: z.ZodType, value: unknown) => {
  const { success, data } = schema.safeParse(value);
  return success ? data : undefined;
};

describe("a size", () => {
  it("is read in decimal and binary units, and as plain bytes", () => {
    const cases = {
      "1MB": 1_000_000,
      "1 MiB": 1_048_576,
      "1.5kB": 1_500,
      "64KiB": 65_536,
      "8192": 8_192,
      "3B": 3,
    };
    for (const [text, bytes] of Object.entries(cases)) expect(read(byteSize(), text)).toBe(bytes);
    expect(read(byteSize(), 8_192)).toBe(8_192);
  });

  it("is not guessed at", () => {
    for (const text of [
      "1M",
      "1mb",
      "MB",
      "-1MB",
      "1 000",
      "0x10",
      "1e3",
      "",
      "1MB ",
      1.5,
      -1,
      Number.NaN,
      null,
    ]) {
      expect(read(byteSize(), text)).toBeUndefined();
    }
    // More than numbers can count.
    expect(read(byteSize(), "99999999TB")).toBeUndefined();
    expect(read(byteSize(), "9".repeat(400))).toBeUndefined();
  });

  it("is written so that it reads back", () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 1_000, 1_024, 1_000_000, 1_048_576), (factor, unit) => {
        expect(parseByteSize(formatByteSize(factor * unit))).toBe(factor * unit);
      }),
      cases(),
    );
  });
});

describe("a duration", () => {
  it("is milliseconds within its bounds", () => {
    expect(read(duration(), "1h30m")).toBe(5_400_000);
    expect(read(duration({ minMs: 10, maxMs: 1_000 }), "10ms")).toBe(10);
    for (const text of ["9ms", "1001ms"])
      expect(read(duration({ minMs: 10, maxMs: 1_000 }), text)).toBeUndefined();
    for (const text of ["", "5", "5 m", "m", "-5m", "1m5x", 5])
      expect(read(duration(), text)).toBeUndefined();
  });

  it("is no longer than a window may be whose end can be said", () => {
    expect(read(duration(), "36525d")).toBe(36_525 * 86_400_000);
    for (const text of ["36526d", "99999999999d", `${"9".repeat(400)}d`])
      expect(read(duration(), text)).toBeUndefined();
    const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
    expect(formatInstant(last + 36_525 * 86_400_000)).toBe("+010099-12-31T23:59:59.999Z");
    // Of a store that knows such a definition all the same.
    for (const ms of [1e20, -1e20]) expect(() => formatInstant(ms)).not.toThrow();
  });

  it("is endless only where that is allowed", () => {
    expect(read(duration({ never: true }), "never")).toBe(Number.POSITIVE_INFINITY);
    expect(read(duration(), "never")).toBeUndefined();
  });
});

describe("a rate, a name, a pointer and a zone", () => {
  it("take what they should", () => {
    expect(read(rate(), "30/min")).toBe(0.5);
    expect(read(rate(), "100/s")).toBe(100);
    expect(read(name(), "gw-7_a.b")).toBe("gw-7_a.b");
    for (const pointer of ["", "/", "/a~1b/0"]) expect(read(jsonPointer(), pointer)).toBe(pointer);
    expect(read(timeZone(), "Europe/Berlin")).toBe("Europe/Berlin");
  });

  it("refuse what would break topics, file names or summary ids", () => {
    for (const text of ["", ".", "..", ".a", "a/b", "a b", "a+b", "#", "é", "a\n", "x".repeat(65)]) {
      expect(read(name(), text)).toBeUndefined();
    }
    for (const text of ["0/s", "5/day", "/s", "1/0"]) expect(read(rate(), text)).toBeUndefined();
    for (const text of ["a", "/~2", "/~"]) expect(read(jsonPointer(), text)).toBeUndefined();
    for (const text of ["", "Mars", "Europe/Berlinn"]) expect(read(timeZone(), text)).toBeUndefined();
  });

  it("agree with the pattern in the JSON Schema", () => {
    const pattern = (schema: z.ZodType) => new RegExp((toJsonSchema(schema) as { pattern: string }).pattern);
    const character = fc.constantFrom(..."aZ09-_./~ +#smhd");
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 6 }), (text) => {
        for (const schema of [name(), jsonPointer(), duration()]) {
          expect(read(schema, text) !== undefined).toBe(pattern(schema).test(text));
        }
      }),
      cases(1_000),
    );
  });
});

describe("documentation", () => {
  const schema = z
    .strictObject({
      id: name().describe("Who."),
      wait: duration().describe("How long.").prefault("5s"),
      end: z.string().describe("Ends a line.").default("\n"),
      list: z
        .array(
          z.discriminatedUnion("type", [
            z
              .strictObject({ type: z.literal("a"), size: byteSize().describe("How big | wide.") })
              .describe("First."),
            z.strictObject({ type: z.literal("b"), ratio: z.number().min(0).max(1).optional() }),
          ]),
        )
        .default([])
        .describe("Things."),
      inner: z
        .strictObject({ deep: z.strictObject({ on: z.boolean().default(true) }).prefault({}) })
        .prefault({}),
    })
    .meta({ title: "Things", description: "All of them." });

  it("keeps descriptions, defaults and requirements in the JSON Schema", () => {
    expect(toJsonSchema(schema)).toMatchObject({
      title: "Things",
      description: "All of them.",
      type: "object",
      additionalProperties: false,
      required: ["id"],
      properties: {
        id: { type: "string", description: "Who." },
        wait: { type: "string", default: "5s", description: "How long.", "x-form": "duration" },
      },
    });
  });

  it("names every key with type, default and meaning, variants in tables of their own", () => {
    const text = referenceMarkdown(schema);
    for (const line of [
      "# Things",
      "All of them.",
      "| `id` | name | required | Who. |",
      "| `wait` | duration | `5s` | How long. |",
      '| `end` | text | `"\\n"` | Ends a line. |',
      "## list",
      "### `list[]` with `type: a`",
      "| `size` | size | required | How big \\| wide. |",
      "### `list[]` with `type: b`",
      "| `ratio` | number 0 to 1 |  |  |",
      "## inner",
      "| `deep.on` | true or false | `true` |  |",
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(text).toContain("- *duration*: ");
    expect(text).not.toContain("- *rate*: ");
  });
});
