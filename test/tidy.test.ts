/** The habits of this repository (import directions, sizes, one clock, …), held like any other promise. */
import { describe, expect, it } from "vitest";
import { codeRules } from "./tidy/code.js";
import { importRules } from "./tidy/imports.js";
import { repositoryFiles, SourceFile } from "./tidy/source-file.js";
import { treeRules } from "./tidy/tree.js";

const RULES = [...importRules, ...codeRules, ...treeRules].map((rule) => [rule.name, rule] as const);
const files = repositoryFiles();

describe("the house rules", () => {
  it("see the whole repository", () => {
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(["package.json", "src/main.ts", "test/tidy.test.ts"]));
    expect(paths.filter((path) => path.startsWith("node_modules/") || path.startsWith("dist/"))).toEqual([]);
  });

  it.each(RULES)("%s", (_, { check }) => {
    expect(check(files)).toEqual([]);
  });

  it.each(RULES)("can fail: %s", (_, { check, bad }) => {
    expect(bad.length).toBeGreaterThan(0);
    for (const sample of bad) {
      const broken = Object.entries(sample).map(([path, text]) => new SourceFile(path, text));
      expect(check(broken), JSON.stringify(sample)).not.toEqual([]);
    }
  });
});
