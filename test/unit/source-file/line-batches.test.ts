import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Line, LineBatches } from "../../../src/source/line-batches.js";
import { cases } from "../../helpers/cases.js";

interface Options {
  readonly encoding?: "utf-8" | "latin1";
  readonly lineBytesMax?: number;
  readonly keepEmpty?: boolean;
}

/** The lines of a file that comes in these chunks, each of them overwritten as soon as it has been pushed. */
function linesOf(chunks: readonly Uint8Array[], options: Options = {}): Line[] {
  const batches = new LineBatches({ encoding: "utf-8", lineBytesMax: 1_000, ...options });
  const lines: Line[] = [];
  for (const chunk of chunks) {
    const reused = Uint8Array.from(chunk);
    const batch = batches.push(reused);
    reused.fill(0x21);
    lines.push(...batch);
  }
  return [...lines, ...batches.end()];
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe("lines of a file", () => {
  it("end at LF or CRLF, the last one at the end, and empty ones are left out", () => {
    expect(linesOf([bytes("a\r\n\n\r\nb\nc d\r\n\ne")])).toEqual(["a", "b", "c d", "e"]);
    expect(linesOf([bytes("a\nb\n")])).toEqual(["a", "b"]);
    expect(linesOf([bytes("a\r")])).toEqual(["a"]);
    expect(linesOf([bytes("")])).toEqual([]);
    expect(linesOf([])).toEqual([]);
  });

  it("are as many as there are line breaks where empty ones are kept, however the file is cut", () => {
    const lines = fc.array(fc.constantFrom("", "a", "ü\r", "\r", "long"), { maxLength: 12 });
    fc.assert(
      fc.property(lines, fc.array(fc.nat()), (all, places) => {
        const text = all.map((line) => `${line}\n`).join("");
        const expected = all.map((line) => line.replace("\r", ""));
        expect(linesOf(cut(bytes(text), places), { keepEmpty: true })).toEqual(expected);
      }),
      cases(),
    );
  });

  it("are the same however the file is cut into chunks", () => {
    const text = fc
      .array(fc.string({ unit: fc.constantFrom("a", "ü", "€", "😀", "\r", ",") }))
      .chain((lines) => fc.constantFrom("\n", "\r\n").map((lineBreak) => lines.join(lineBreak)));
    fc.assert(
      fc.property(
        text,
        fc.array(fc.nat()),
        fc.constantFrom("utf-8", "latin1"),
        (written, places, encoding) => {
          const file = Buffer.from(written);
          const expected = file
            .toString(encoding)
            .split("\n")
            .map((line) => line.replace(/\r$/, ""))
            .filter((line) => line !== "");
          expect(linesOf(cut(file, places), { encoding })).toEqual(expected);
        },
      ),
      cases(),
    );
  });

  it("are never lost, whatever the bytes, the cuts and the limit", () => {
    const byte = fc.constantFrom(0x0a, 0x0a, 0x0d, 0x41, 0xc3, 0xbc, 0xff, 0xe2);
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 80 }).map((list) => Uint8Array.from(list)),
        fc.array(fc.nat()),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom("utf-8" as const, "latin1" as const),
        (file, places, lineBytesMax, encoding) => {
          const expected = Buffer.from(file)
            .toString("latin1")
            .split("\n")
            .map((line) => line.replace(/\r$/, ""))
            .filter((line) => line !== "");
          const lines = linesOf(cut(file, places), { encoding, lineBytesMax });
          const seen = lines.map((line) =>
            typeof line === "string" ? Buffer.from(line, encoding) : Buffer.from(line),
          );
          expect(seen.map((line) => line.toString("latin1"))).toEqual(
            expected.map((line) => line.slice(0, lineBytesMax + 1)),
          );
          // Bytes stand for nothing but lines that a decoder must refuse.
          for (const line of lines) {
            if (typeof line === "string")
              expect(Buffer.byteLength(line, encoding)).toBeLessThanOrEqual(lineBytesMax);
            else if (line.length <= lineBytesMax) {
              expect(() => new TextDecoder("utf-8", { fatal: true }).decode(line)).toThrow();
            }
          }
        },
      ),
      cases(1_000),
    );
  });

  it("that are not UTF-8 come as bytes, and do not spoil their neighbours", () => {
    const file = Buffer.concat([bytes("ä\n"), Uint8Array.of(0xfc, 0x0d, 0x0a), bytes("ö\n")]);
    expect(linesOf([file])).toEqual(["ä", Uint8Array.of(0xfc), "ö"]);
    expect(linesOf(cut(file, [3, 4]))).toEqual(["ä", Uint8Array.of(0xfc), "ö"]);
  });

  it("of the longest length are whole, and one byte more is refused, wherever the chunks end", () => {
    const file = bytes("12345\r\n123456\r\n12ü4\n12üü\nx");
    const one = bytes("123456");
    const two = bytes("12üü");
    for (let at = 0; at <= file.length; at++) {
      expect(linesOf(cut(file, [at]), { lineBytesMax: 5 }), `cut at ${at}`).toEqual([
        "12345",
        one,
        "12ü4",
        two,
        "x",
      ]);
    }
  });

  it("without end do not fill the memory", () => {
    const batches = new LineBatches({ encoding: "utf-8", lineBytesMax: 100 });
    const chunk = new Uint8Array(1_000_000).fill(0x41);
    const beforeBytes = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 300; i++) expect(batches.push(chunk)).toEqual([]);
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(50_000_000);
    expect(batches.push(bytes("A\nnext\n"))).toEqual([new Uint8Array(101).fill(0x41), "next"]);
    expect(batches.overlongLines).toBe(1);
    expect(batches.end()).toEqual([]);
  });

  it("begin behind a byte order mark", () => {
    expect(linesOf([bytes("\ufeffa\n\ufeffb")])).toEqual(["a", "\ufeffb"]);
    expect(linesOf(cut(bytes("\ufeffa\nb"), [1, 2]))).toEqual(["a", "b"]);
    expect(linesOf([bytes("\ufeff\na")])).toEqual(["a"]);
  });
});
