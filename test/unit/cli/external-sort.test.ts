import { mkdirSync, readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ExternalSort } from "../../../src/cli/external-sort.js";
import { cases } from "../../helpers/cases.js";
import { temporaryFolder } from "../../helpers/tools.js";

interface Line {
  readonly group: string;
  readonly order: number;
  readonly text: string;
}

function sorted(lines: readonly Line[], runBytesMax: number): string[] {
  const sort = new ExternalSort(runBytesMax);
  try {
    for (const { group, order, text } of lines) sort.add(group, order, text);
    const found: string[] = [];
    for (const { bytes, ends } of sort.batches()) {
      let start = 0;
      for (const end of ends) {
        expect(bytes[end]).toBe(0x0a);
        found.push(bytes.toString("utf8", start, end));
        start = end + 1;
      }
      expect(bytes).toHaveLength(start);
    }
    return found;
  } finally {
    sort.close();
  }
}

function expected(lines: readonly Line[]): string[] {
  return lines
    .map((line, i) => ({ ...line, i }))
    .sort((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : a.order - b.order || a.i - b.i))
    .map(({ text }) => text);
}

const anyLine = fc.record({
  group: fc.constantFrom("b 1m", "a 1m", "a 15m", ""),
  order: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true })),
  text: fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("", "a\nb\t", "\u2028 \ufffd", "x".repeat(300)),
  ),
});

describe("sorting beyond memory", () => {
  it("gives every line by group and number, equal ones in the order in which they came", () => {
    fc.assert(
      fc.property(
        fc.array(anyLine, { maxLength: 60 }),
        fc.constantFrom(1, 200, 100_000),
        (lines, runBytesMax) => {
          // Infinities cannot be subtracted.
          fc.pre(lines.every(({ order }) => Number.isFinite(order)));
          expect(sorted(lines, runBytesMax)).toEqual(expected(lines));
        },
      ),
      cases(60),
    );
  });

  it("sorts what has no time before everything else", () => {
    const lines = [
      { group: "", order: 1, text: "one" },
      { group: "", order: Number.NEGATIVE_INFINITY, text: "none" },
      { group: "", order: Number.NEGATIVE_INFINITY, text: "none either" },
      { group: "", order: -8.64e15, text: "early" },
    ];
    for (const runBytesMax of [1, 1_000]) {
      expect(sorted(lines, runBytesMax)).toEqual(["none", "none either", "early", "one"]);
    }
  });

  it("takes lines that are longer than any of its buffers", () => {
    const lines = [3, 1, 2].map((order) => ({ group: "", order, text: String(order).repeat(1_500_000) }));
    for (const runBytesMax of [1, 1e8]) {
      expect(sorted(lines, runBytesMax).map((text) => [text[0], text.length])).toEqual([
        ["1", 1_500_000],
        ["2", 1_500_000],
        ["3", 1_500_000],
      ]);
    }
  });

  it("keeps the lines of a second run apart from those whose memory it takes over", () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => ({
      group: `g${i % 7}`,
      order: (i * 7_919) % 1_000,
      text: `${i} `.repeat(60),
    }));
    expect(sorted(lines, 300_000)).toEqual(expected(lines));
  });

  it("leaves no temporary file behind", async () => {
    const folder = await temporaryFolder();
    mkdirSync(folder, { recursive: true });
    vi.stubEnv("TMPDIR", folder);
    const sort = new ExternalSort(1);
    for (let i = 0; i < 3; i++) sort.add("", -i, "line");
    expect(readdirSync(folder)).toHaveLength(1);
    sort.close();
    expect(readdirSync(folder)).toEqual([]);
    vi.unstubAllEnvs();
  });
});
