import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineFramer, type LineFramerOptions } from "../../../src/source/framing/line.js";
import { cases } from "../../helpers/cases.js";

interface Framed {
  readonly lines: string[];
  tooLarge: number;
}

function framer(options: Omit<LineFramerOptions, "tooLarge"> = {}): {
  readonly push: (chunk: string | Uint8Array) => void;
  readonly reset: () => void;
  readonly out: Framed;
} {
  const out: Framed = { lines: [], tooLarge: 0 };
  const lines = new LineFramer({
    ...options,
    tooLarge: () => {
      out.tooLarge++;
    },
  });
  const push = (chunk: string | Uint8Array): void =>
    lines.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk, (line) =>
      out.lines.push(Buffer.from(line).toString("latin1")),
    );
  return { push, reset: () => lines.reset(), out };
}

/** What the framer must give, in the simplest way. */
function expected(text: string, delimiter: string, lineBytesMax: number): Framed {
  const out: Framed = { lines: [], tooLarge: 0 };
  const parts = text.split(delimiter);
  const rest = parts.pop()!;
  for (const part of parts) {
    const line = delimiter === "\n" ? part.replace(/\r$/, "") : part;
    if (line.length > lineBytesMax) out.tooLarge++;
    else if (line.length > 0) out.lines.push(line);
  }
  // Without its delimiter, a line is only certainly too long when no end of it could make it fit.
  if (rest.length > lineBytesMax + delimiter.length) out.tooLarge++;
  return out;
}

describe("LineFramer", () => {
  it.each(["\n", "\r\n", ";", "aab", "<END>"])(
    "gives the same lines however the bytes are cut (%j)",
    (delimiter) => {
      const piece = fc.constantFrom(
        "a",
        "b",
        "\r",
        "\n",
        "ab",
        "aa",
        "<E",
        "ND>",
        "<END>",
        ";",
        "longer",
        delimiter,
        delimiter,
      );
      fc.assert(
        fc.property(
          fc.array(piece, { maxLength: 60 }),
          fc.array(fc.nat(200), { maxLength: 12 }),
          (pieces, cuts) => {
            const text = pieces.join("");
            const { push, out } = framer({ delimiter, lineBytesMax: 8 });
            let start = 0;
            for (const cut of [
              ...cuts.map((place) => place % (text.length + 1)).sort((a, b) => a - b),
              text.length,
            ]) {
              push(text.slice(start, cut));
              start = cut;
            }
            expect(out).toEqual(expected(text, delimiter, 8));
          },
        ),
        cases(1_000),
      );
    },
  );

  it("drops a line without an end once, with bounded memory, and goes on after the next delimiter", () => {
    const { push, out } = framer({ lineBytesMax: 100 });
    push("good 1\nbad ");
    const garbage = Buffer.alloc(65_536, 0x58);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 160; i++) push(garbage);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    expect(out).toEqual({ lines: ["good 1"], tooLarge: 1 });
    push("end\ngood 2\n");
    expect(out).toEqual({ lines: ["good 1", "good 2"], tooLarge: 1 });
  });

  it("takes a line of exactly the limit, with CRLF too, and not one byte more", () => {
    const { push, out } = framer({ lineBytesMax: 4 });
    for (const byte of "1234\r\n1234\n12345\n12345\r\n1\n") push(byte);
    expect(out).toEqual({ lines: ["1234", "1234", "1"], tooLarge: 2 });
  });

  it("forgets the beginning of a line when the stream was interrupted", () => {
    const { push, reset, out } = framer();
    push("temperature=2");
    reset();
    push("1.5\n");
    expect(out.lines).toEqual(["1.5"]);
  });

  it("can skip what comes before the first delimiter, after every interruption", () => {
    const { push, reset, out } = framer({ skipFirst: true });
    push("3.5\n21.5\n2");
    reset();
    push("2.5\n23.5\n");
    expect(out.lines).toEqual(["21.5", "23.5"]);
  });

  it("refuses a delimiter that is empty or absurd", () => {
    for (const delimiter of ["", "x".repeat(17)]) {
      expect(() => framer({ delimiter })).toThrow(expect.objectContaining({ code: "bad-delimiter" }));
    }
  });
});
