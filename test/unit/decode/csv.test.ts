import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import { cases } from "../../helpers/cases.js";
import { csv, placeError, readWith } from "../../helpers/decoding.js";

const ABC = ["#1", "#2", "#3"];

describe("a row of separated values", () => {
  it.each<[string, string, string[], (string | undefined)[]]>([
    [",", "1,2,3", ABC, ["1", "2", "3"]],
    [";", "1;;3", ABC, ["1", undefined, "3"]],
    ["\t", "1\t\t3", ABC, ["1", undefined, "3"]],
    ["|", "1|2", ABC, ["1", "2", undefined]],
    [",", "1,2,", ABC, ["1", "2", undefined]],
    [",", " 1 ,\t2,3\t", ABC, ["1", "2", "3"]],
    [",", "1, ,3", ABC, ["1", undefined, "3"]],
    [",", '"1","2","3"', ABC, ["1", "2", "3"]],
    [",", '"a,b",c', ABC, ["a,b", "c", undefined]],
    [",", '"say ""on""",2', ABC, ['say "on"', "2", undefined]],
    [",", '"""",2', ABC, ['"', "2", undefined]],
    [",", '"",2', ABC, [undefined, "2", undefined]],
    [",", '" a ",2', ABC, [" a ", "2", undefined]],
    [",", '"a"b ,2', ABC, ["ab", "2", undefined]],
    [",", '5" pipe,2', ABC, ['5" pipe', "2", undefined]],
    ["whitespace", "  1 \t 2   3  ", ABC, ["1", "2", "3"]],
    ["whitespace", '1 "a b" 3', ABC, ["1", "a b", "3"]],
    ["whitespace", "1\u00a0000 2", ABC, ["1\u00a0000", "2", undefined]],
  ])("with %j reads %j", (separator, row, places, expected) => {
    expect(readWith(csv({ separator }), places, row)).toEqual({
      records: [expected],
      bad: [],
      code: undefined,
    });
  });

  it("may have no quotes at all, or others", () => {
    expect(readWith(csv({ quote: "" }), ABC, '"1,2"').records).toEqual([['"1', '2"', undefined]]);
    expect(readWith(csv({ quote: "'" }), ABC, "'1,2',3").records).toEqual([["1,2", "3", undefined]]);
  });

  it("comes back from what RFC 4180 makes of any cells", () => {
    const cell = fc.string({
      unit: fc.constantFrom("a", "1", " ", ",", ";", '"', "\n", "\r\n", "é", "\u00a0"),
    });
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(",", ";"),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        (rows, separator, lineBreak, ends) => {
          const text =
            rows.map((cells) => cells.map(quoted).join(separator)).join(lineBreak) + (ends ? lineBreak : "");
          const width = Math.max(...rows.map((cells) => cells.length));
          const places = Array.from({ length: width }, (_, i) => `#${i + 1}`);
          const expected = rows.map((cells) => places.map((_, i) => cells[i] || undefined));
          expect(readWith(csv({ separator }), places, text).records).toEqual(expected);
        },
      ),
      cases(),
    );
  });

  it("comes back from cells that need no quotes", () => {
    const cell = fc.stringMatching(/^[a-z0-9.+-]*$/);
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 2, maxLength: 6 }), { minLength: 1 }),
        fc.constantFrom(",", ";", "\t", "|"),
        (rows, separator) => {
          const text = rows.map((cells) => cells.join(separator)).join("\n");
          const { records } = readWith(csv({ separator }), ["#1", "#2", "#6"], text);
          expect(records).toEqual(
            rows.map((cells) => [cells[0], cells[1], cells[5]].map((x) => x || undefined)),
          );
        },
      ),
      cases(),
    );
  });
});

describe("a payload of several rows", () => {
  it("is read at LF and CRLF, without empty lines", () => {
    const { records, bad } = readWith(csv(), ["#1", "#2"], "\r\n1,2\r\n\n3,4\n\r\n5,6");
    expect(records).toEqual([
      ["1", "2"],
      ["3", "4"],
      ["5", "6"],
    ]);
    expect(bad).toEqual([]);
  });

  it("goes on behind a bad row", () => {
    const { records, bad } = readWith(csv({ fieldCount: 2 }), ["#1"], "1,2\n1,2,3\n1\n4,5\n");
    expect(records).toEqual([["1"], ["4"]]);
    expect(bad).toHaveLength(2);
  });

  it("goes on at the next line behind a quote that is never closed", () => {
    const { records, bad } = readWith(csv(), ["#1", "#2"], '1,2\n3,"x\n5,6\n');
    expect(records).toEqual([
      ["1", "2"],
      ["5", "6"],
    ]);
    expect(bad).toHaveLength(1);
  });

  it("takes missing cells of a short row as missing", () => {
    expect(readWith(csv(), ["#1", "#3"], "1,2\n1,2,3").records).toEqual([
      ["1", undefined],
      ["1", "3"],
    ]);
  });

  it("is bad when there is nothing in it, but a stream may have empty lines", () => {
    for (const empty of ["", "\n", "\r\n\r\n"]) {
      expect(readWith(csv(), ["#1"], empty).bad).toHaveLength(1);
      expect(readWith(csv().openStream(), ["#1"], empty).bad).toEqual([]);
    }
    expect(readWith(csv({ separator: "whitespace" }).openStream(), ["#1"], " \t ").records).toEqual([]);
  });

  it("is taken up to the limit of rows, and as a whole refused beyond it", () => {
    const rows = (count: number) => "1,2\n".repeat(count);
    const max = LIMITS.payloadReadingsMax;
    expect(readWith(csv(), ["#1"], rows(max)).records).toHaveLength(max);
    expect(readWith(csv(), ["#1"], rows(max + 1))).toEqual({
      records: [],
      bad: [],
      code: "decode-too-large",
    });
    expect(readWith(csv({ header: true }), ["a"], `a,b\n${rows(max)}`).records).toHaveLength(max);
  });

  it("is taken up to the limit of columns, and no row beyond it", () => {
    const row = (count: number) => Array.from({ length: count }, (_, i) => i + 1).join();
    const max = LIMITS.rowColumnsMax;
    const { records, bad } = readWith(csv(), [`#${max}`], `${row(max)}\n${row(max + 1)}\n${row(1)}`);
    expect(records).toEqual([[String(max)], [undefined]]);
    expect(bad).toHaveLength(1);
  });

  it("is refused whole when its encoding is wrong, and read when it is told", () => {
    const latin1 = Buffer.from("Küche;21", "latin1");
    expect(readWith(csv({ separator: ";" }), ["#1"], latin1).code).toBe("decode-invalid");
    const { records } = readWith(csv({ separator: ";", encoding: "latin1" }), ["#1", "#2"], latin1);
    expect(records).toEqual([["Küche", "21"]]);
  });

  it("takes time in proportion to its size, however its quotes are set", { timeout: 20_000 }, () => {
    // A megabyte each. To look through the rest of it for every open quote would be 9 GB for each of these.
    const filler = "x".repeat(100);
    for (const row of ['"', 'x,"', '""', '"""', '","', 'a"', '"a""', '",,"",']) {
      const { records, bad, code } = readWith(csv(), ["#1"], `${row}${filler}\n`.repeat(9_000));
      expect(records.length + bad.length).toBeGreaterThan(0);
      expect(code).toBeUndefined();
    }
    const words = "a ".repeat(500_000);
    expect(readWith(csv({ separator: "whitespace" }), ["#1"], words).bad).toHaveLength(1);
  });

  it("never makes decoding throw anything but its two errors", () => {
    const nasty = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.string({ unit: fc.constantFrom("a", "1", ",", '"', "\n", "\r", " ", "\t", ";") }),
    );
    const spec = fc.record({
      separator: fc.constantFrom(",", ";", "whitespace", "\t"),
      header: fc.boolean(),
      quote: fc.constantFrom('"', ""),
      encoding: fc.constantFrom("utf-8" as const, "latin1" as const),
    });
    fc.assert(
      fc.property(nasty, spec, (payload, options) => {
        const { code } = readWith(csv(options), options.header ? ["a", "#1"] : ["#1"], payload);
        expect([undefined, "decode-invalid"]).toContain(code);
      }),
      cases(1_000),
    );
  });
});

describe("columns by name", () => {
  const spec = { header: true, separator: ";" };

  it("come from the header of each payload, in whatever order", () => {
    const { records } = readWith(csv(spec), ["t", "h"], "t;h\n21;40", "h;t\n41;22");
    expect(records).toEqual([
      ["21", "40"],
      ["22", "41"],
    ]);
  });

  it("come once in a stream, and each stream has its own", () => {
    const decoder = csv(spec);
    const one = decoder.openStream();
    const two = decoder.openStream();
    expect(readWith(one, ["t"], "t;h", "21;40", "22;41").records).toEqual([["21"], ["22"]]);
    expect(readWith(two, ["t"], "h;t", "40;21").records).toEqual([["21"]]);
  });

  it("may stand in quotes and behind a byte order mark", () => {
    const { records } = readWith(csv(spec).openStream(), ["t", "h"], '\ufeff"t";"h"', "21;40");
    expect(records).toEqual([["21", "40"]]);
  });

  it("are passed over where the header comes again", () => {
    const { records, bad } = readWith(csv(spec).openStream(), ["t"], "t;h", "21;40", "t;h", "22;41");
    expect(records).toEqual([["21"], ["22"]]);
    expect(bad).toEqual([]);
  });

  it("are taken anew from a header with other columns, as in files put together", () => {
    const lines = ["time;t;h", "1;21;40", "time;p;t;h", "2;990;22;41"];
    expect(readWith(csv(spec).openStream(), ["time", "t"], ...lines).records).toEqual([
      ["1", "21"],
      ["2", "22"],
    ]);
  });

  it("do not take a row for a header because it begins with the same word", () => {
    const lines = ["state;t;h", "state;21;40", "state-2;22;41"];
    expect(readWith(csv(spec).openStream(), ["state", "t"], ...lines).records).toEqual([
      ["state", "21"],
      ["state-2", "22"],
    ]);
  });

  it("wait for the header where a stream begins in the middle, and count what came before", () => {
    const lines = ["0;40", "# logger 1.2", "t;h", "22;41"];
    const { records, bad } = readWith(csv(spec).openStream(), ["t"], ...lines);
    expect(records).toEqual([["22"]]);
    expect(bad).toHaveLength(2);
  });

  it("are not given to the cells of a row that is longer than its header", () => {
    const { records, bad } = readWith(csv(spec).openStream(), ["h"], "t;h", "21;990;40", "21;40;;", "21");
    expect(records).toEqual([["40"], [undefined]]);
    expect(bad).toEqual(["the row has 3 columns, the header names 2"]);
  });

  it("of the profile go before those of the header, which is then passed over", () => {
    const decoder = csv({ ...spec, columns: ["t", "p", "h"] }).openStream();
    const { records, bad } = readWith(decoder, ["t", "h"], "t;h", "21;990;40", "t;h", "22;991;41");
    expect(records).toEqual([
      ["21", "40"],
      ["22", "41"],
    ]);
    expect(bad).toEqual([]);
  });

  it("by number need no header that fits", () => {
    const { records, bad } = readWith(csv(spec).openStream(), ["#3"], "t;h", "21;990;40");
    expect(records).toEqual([["40"]]);
    expect(bad).toEqual([]);
  });

  it("are the first of equal ones", () => {
    expect(readWith(csv(spec), ["t"], "t;t\n1;2").records).toEqual([["1"]]);
  });

  it.each([
    ["a name without any names", csv(), "t"],
    ["a name that is not among the columns", csv({ columns: ["a"] }), "t"],
    [
      "a name that is not among the columns that replace a header",
      csv({ columns: ["a"], header: true }),
      "t",
    ],
    ["an empty name", csv({ header: true }), ""],
    ["the column before the first", csv(), "#0"],
    ["a column beyond the limit", csv({ header: true }), `#${LIMITS.rowColumnsMax + 1}`],
  ])("are refused when the profile is loaded: %s", (_, decoder, place) => {
    expect(placeError(decoder, place)).toBe("bad-path");
  });

  it("are what an expression sees, all as text and without absent ones", () => {
    const decoder = csv({ ...spec, missing: ["NA"], decimal: "," });
    const views: unknown[] = [];
    const each = (record: unknown) => void views.push(decoder.view(record));
    decoder.decode("t;h;__proto__\n21,5;NA;x;;y", each, () => {});
    const expected = [
      ["t", "21.5"],
      ["__proto__", "x"],
      ["#5", "y"],
    ];
    expect(views).toEqual([new Map(expected as [string, string][])]);
  });
});
