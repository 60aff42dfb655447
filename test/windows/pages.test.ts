import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { allAggregates, findAggregate } from "../../src/aggregate/catalog.js";
import { newCells } from "../../src/aggregate/cells.js";
import { parseConfig } from "../../src/config/load.js";
import { blocksIn, linksIn, PAGES, pageText } from "../helpers/pages.js";
import { parseWindowTable, TableError } from "../helpers/window-table.js";
import { profileOf } from "./play.js";

/** What pages say is tried: their tables by windows.test.ts, the rest here. */
const ROOT = new URL("../..", import.meta.url).pathname;

const snippets = PAGES.flatMap((page) =>
  blocksIn(pageText(page), "yaml").map(({ line, text }) => [`${page}:${line}`, text] as const),
);

function loadSnippet(place: string, snippet: string) {
  const windows = /^windows:/m.test(snippet) ? "" : "windows: [{ name: 1m, tumbling: 1m }]\n";
  const table = `day 2026-01-14\n# A snippet\n${windows}${snippet}\n---\n12:00 x=1\n> late\n`;
  return profileOf(parseWindowTable(table, place)[0]!);
}

describe("a profile in a page", () => {
  it.each(snippets)("at %s loads", (place, snippet) => {
    expect(loadSnippet(place, snippet).windows.length).toBeGreaterThan(0);
  });

  it("that is wrong does not", () => {
    expect(() => loadSnippet("a.md:1", "windows: [{ name: 1m, tumblin: 1m }]")).toThrow(TableError);
  });
});

describe("the README", () => {
  it("has a config that loads, also with each section that it shows by itself", () => {
    const [config, ...sections] = blocksIn(pageText("README.md"), "yaml").map(({ text }) => text);
    expect(sections.length).toBeGreaterThan(0);
    for (const section of ["", ...sections]) {
      const text = `${config}\n${section}`;
      expect(parseConfig(text, join(ROOT, "weir.yaml"), { env: {} }).diagnostics).toEqual([]);
    }
  });
});

describe("links", () => {
  it.each(["README.md", "test/PROMISES.md", "test/windows/README.md", ...PAGES])(
    "of %s lead somewhere",
    (page) => {
      for (const link of linksIn(pageText(page))) {
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? page : join(dirname(page), path);
        expect(existsSync(join(ROOT, target)), `${page}: ${link}`).toBe(true);
        if (anchor === undefined) continue;
        const headings = [...pageText(target).matchAll(/^#+ (.*)$/gm)].map(([, text]) => slug(text!));
        expect(headings, `${page}: ${link}`).toContain(anchor);
      }
    },
  );
});

/** As code hosts make it of a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Units that are not the field's: as the page has them, and of a field in Cel. */
const UNITS = [
  ["slope", "field's per hour", "Cel/h"],
  ["total", "field's · h: Wh of W, l of l/h", "Cel·h"],
  ["rate", "field's per second", "Cel/s"],
  ["percentGood", "%", "%"],
  ["durationGood", "s", "s"],
  ["durationIn(value)", "s", "s"],
] as const;

describe("the page of the aggregates", () => {
  const page = pageText("src/aggregate/AGGREGATES.md");
  const rows = [...page.matchAll(/^\| `([^`]+)` \|(.*)$/gm)];

  it("has each of them once, with its unit, and no other", () => {
    expect(rows.map(([, name]) => name).sort()).toEqual(
      allAggregates()
        .map(({ name }) => name)
        .sort(),
    );
  });

  it.each(UNITS)("gives %s the unit %j, as the engine does", (name, said, unit) => {
    expect(rows.find(([, each]) => each === name)?.[2]).toContain(`| ${said} |`);
    expect(findAggregate(name)!.unit?.("Cel")).toBe(unit);
  });

  it("names every aggregate that has another unit than its field", () => {
    const others = allAggregates().filter(({ name }) => findAggregate(name)?.unit !== undefined);
    expect(others.map(({ name }) => name).sort()).toEqual(UNITS.map(([name]) => name).sort());
  });

  it("promises no smaller error of quantiles than there may be", () => {
    const bounds = [...page.matchAll(/^\| ([\d.]+) \| ([\d.]+) % \|$/gm)].map(([, spread, error]) => [
      Number(spread),
      Number(error) / 100,
    ]);
    expect(bounds).toHaveLength(7);
    for (const [spread, promised] of bounds) {
      // Wherever the values begin: a bucket may be cut at either end.
      for (let start = 1; start < 2; start *= 2 ** (1 / 64)) {
        const base = 2 ** (2 ** -scaleOf([start, start * spread!]));
        expect((base - 1) / (base + 1), `${start} to ${start * spread!}`).toBeLessThanOrEqual(promised!);
      }
    }
  });
});

/** Of a histogram with these values. */
function scaleOf(values: readonly number[]): number {
  const histogram = findAggregate("histogram")!;
  const field = { resolution: undefined, periodMs: undefined, other: () => ({ place: 0, meaning: "" }) };
  const [, accumulator] = histogram.needs(field);
  const cells = newCells(accumulator!.cells);
  for (const value of values) accumulator!.add(cells, 0, { timeMs: 0, values: [value] }, 0);
  const inputs = { cells, at: { histogram: 0 }, field: { values: undefined }, window: undefined };
  return (histogram.result({ ...inputs, accepted: 2, doubtful: 0 }) as { readonly scale: number }).scale;
}
