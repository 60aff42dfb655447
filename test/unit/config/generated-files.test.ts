import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generatedFiles } from "../../../src/cli/generated-files.js";

describe("a generated file", () => {
  for (const { path, text } of generatedFiles()) {
    it(`is what its schema says: ${path} (if not: npm run generate)`, () => {
      expect(readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")).toBe(text);
    });
  }
});
