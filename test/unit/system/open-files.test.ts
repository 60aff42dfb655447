import { describe, expect, it } from "vitest";
import { connectionsOf, openFilesMax } from "../../../src/system/open-files.js";

const limits = (soft: string): string =>
  [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    "Max processes             95910                95910                processes ",
    `Max open files            ${soft.padEnd(20)} 524288               files     `,
  ].join("\n");

describe("file descriptors", () => {
  it("are counted by the limit in force, and not limited where none is known", () => {
    expect(openFilesMax(limits("1024"))).toBe(1_024);
    expect(openFilesMax(limits("unlimited"))).toBe(Number.POSITIVE_INFINITY);
    expect(openFilesMax("")).toBe(Number.POSITIVE_INFINITY);
    expect(openFilesMax()).toBeGreaterThan(0);
  });

  it("are left to the store and the rest of the process, however few there are", () => {
    expect(connectionsOf(256)).toBe(140);
    expect(connectionsOf(1_024)).toBe(755);
    expect(connectionsOf(20)).toBe(1);
    expect(connectionsOf(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });
});
