import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseWindowTable } from "../helpers/window-table.js";
import { play } from "./play.js";
import { deviations } from "./transcript.js";

const HEAD = "day 2026-01-14\n# A case\nwindows: [{ name: 1m, tumbling: 1m }]\n---\n";

function failure(text: string): string | undefined {
  const [only] = parseWindowTable(text, "a.txt");
  return deviations(only!, play(only!).said);
}

describe("a wrong table", () => {
  it("shows itself with what was expected and what came instead, and names the line", () => {
    const wrong = failure(
      `${HEAD}12:00:10 x=1\n12:01 x=2\n> 1m 12:00 r0 final x: count=2 sum=1\nend\n> 1m 12:01 r0 final x: count=1 sum=2\n`,
    );
    expect(wrong?.split("\n")).toEqual([
      "a.txt:7: A case",
      "    12:00:10 x=1",
      "    12:01 x=2",
      "  - > 1m 12:00 r0 final x: count=2 sum=1   (line 7)",
      "  + > 1m 12:00 r0 final x: count=1 sum=1",
      "    end",
      "    > 1m 12:01 r0 final x: count=1 sum=2",
    ]);
  });

  it("fails when it expects too little: a firing, a rejection, a result or a count", () => {
    const late = "12:00:10 x=1\n12:01 x=2\n> 1m 12:00 r0 final x: count=1 sum=1\n12:00:20 x=4\n";
    expect(failure(`${HEAD}${late}`)).toMatch(/^a\.txt:8: A case\n(.|\n)*\+ > late/);
    expect(failure(`${HEAD}${late}> late\n`)).toBeUndefined();
    expect(failure(`${HEAD}12:00:10 x=1\nend\n> 1m 12:00 r0 final x: count=1\n`)).toContain(
      "+ > 1m 12:00 r0 final x: count=1 sum=1",
    );
    expect(
      failure(`${HEAD}12:00:10 x=1\n12:00:10 x=1\n> duplicate\ncounts received=2 accepted=1\n`),
    ).toContain("+ > counts received=2 accepted=1 duplicate=1");
  });

  it("fails when it expects too much, or in another order", () => {
    expect(failure(`${HEAD}12:00:10 x=1\n> 1m 12:00 r0 final x: count=1 sum=1\n`)).toMatch(/^a\.txt:6: /);
    const swapped =
      "12:00:10 x=1\n12:01 x=2\n+ 12:02 x=4\n> 1m 12:01 r0 final x: count=1 sum=2\n> 1m 12:00 r0 final x: count=1 sum=1\n";
    expect(failure(`${HEAD}${swapped}`)).toMatch(/^a\.txt:8: /);
  });

  it("fails when it names a wrong unit, and one that names none does not", () => {
    const head =
      "day 2026-01-14\n# A case\nfields: { x: { unit: W } }\nwindows: [{ name: 1h, tumbling: 1h, fields: { x: [max, total] } }]\n---\n12:00 x=1\nend\n";
    expect(failure(`${head}> 1h 12:00 r0 final x: max=1 total=1\n`)).toBeUndefined();
    const units = (total: string) =>
      `> 1h 12:00 r0 final x: unit=W units={"total":"${total}"} max=1 total=1\n`;
    expect(failure(`${head}${units("Wh")}`)).toBeUndefined();
    expect(failure(`${head}${units("W")}`)).toMatch(/^a\.txt:8: /);
    expect(failure(`${head}> 1h 12:00 r0 final x: unit=W max=1 total=1\n`)).toMatch(/^a\.txt:8: /);
  });

  it("is right in whatever way its times and numbers are written", () => {
    const said = "> 1m 2026-01-14T13:00:00+01:00 @d r0 final x: count=1.0 sum=1e0\n";
    expect(failure(`${HEAD}1768392010000 @d x=1\nend\n${said}`)).toBeUndefined();
  });

  it.each([
    ["12:00:10 x=1 y", 5, "not part of a reading"],
    ["12:00:10 x=1 x=2", 5, "two values"],
    ["12:00:61 x=1", 5, "nothing else that can happen"],
    ["x=1", 5, "has no time"],
    ["fire", 5, "nothing else that can happen"],
    ["+ 12:00:10 x=1", 5, "goes on with the block"],
    ["> late", 5, "nothing has happened yet"],
    ["12:00:10 x=1\n> lat", 6, "neither a summary nor"],
    ["12:00:10 x=1\n> late twice", 6, "does not go with"],
    ["12:00:10 x=1\n> 1m 12:00 r0 final", 6, "neither a summary nor"],
    ["12:00:10 x=1\n> 1m noon r0 x: count=1", 6, "is not when a window begins"],
    ["12:00:10 x=1\n> 1m 12:00 r0 x: 1", 6, "is not a result"],
    ["12:00:10 x=1\n> late\n+ 12:00:11 x=1", 7, "behind the whole block"],
    ["12:00:10 arrives later x=1", 5, "followed by a time"],
    ["silence long", 5, "a duration"],
    ["silence 3d", 5, "at most 2d"],
    ["reload\n12:00:10 x=1", 5, "indented"],
    ["end\n12:00:10 x=1", 6, "after the end"],
    ["counts late", 5, "not a count"],
    ["counts late=1\n> late", 6, "the answer already"],
    ["12:00:10 x=1", 2, "expects nothing"],
    ["12:00:10 z=1\n> late", 5, "has no field z"],
    ["reload\n  windows: []\n> late", 5, "the profile is refused"],
  ])("that says %j is refused at line %d: %s", (script, line, problem) => {
    expect(() => failure(`${HEAD}${script}\n`)).toThrow(new RegExp(`^a\\.txt:${line}: .*${problem}`));
  });

  it.each([
    ["# A case\n---\n12:00 x=1\n> late", 2, "no day"],
    ["day today\n", 1, "not a day"],
    ["day 2026-01-14\nzone Mars\n", 2, "not a time zone"],
    ["day 2026-01-14\nday 2026-01-15\n", 2, "twice"],
    ["day 2026-01-14\nA case\n", 2, "begins with"],
    ["day 2026-01-14\n# A case\nwindows: []\n# B\n", 4, "a line ---"],
    ["day 2026-01-14\n# A case\nshuffle yes\n---\n", 3, 'only be "no"'],
    ["day 2026-01-14\n# A case\nwindow: []\n---\nend\n> late", 3, "window"],
    ["day 2026-01-14\n", 2, "no case"],
    [`${HEAD}end\n> late\n# A case\n---\nend\n> late\n`, 7, "two cases"],
  ])("file %j is refused at line %d: %s", (text, line, problem) => {
    expect(() => failure(text)).toThrow(new RegExp(`^a\\.txt:${line}: .*${problem}`));
  });

  it("is not the one in the description of the notation", () => {
    const text = readFileSync(new URL("README.md", import.meta.url), "utf8");
    expect(failure(/```\n([^`]*)```/.exec(text)![1]!)).toBeUndefined();
  });
});
