import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLogger, type LogFields, type LoggerOptions } from "../../../src/observe/logger.js";
import { cases } from "../../helpers/cases.js";
import { ManualClock } from "../../helpers/manual-clock.js";

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "logfmt",
    clock: new ManualClock(),
    write: (line) => lines.push(line),
    ...options,
  });
  return { logger, lines };
}

const awkward = fc.dictionary(
  fc.string({ unit: "binary" }),
  fc.oneof(fc.string({ unit: "binary" }), fc.double(), fc.boolean(), fc.constant(null), fc.object()),
);

describe("a log line", () => {
  it("is plain logfmt where the values are plain", () => {
    const { logger, lines } = capture();
    logger.write("info", "source-connected", "Connected", {
      source: "plant",
      attempts: 3,
      url: "mqtt://a:1",
    });
    expect(lines).toEqual([
      "time=2026-01-14T12:00:00Z level=info event=source-connected msg=Connected source=plant attempts=3 url=mqtt://a:1\n",
    ]);
  });

  it("quotes what a reader would split", () => {
    const { logger, lines } = capture();
    logger.write("warn", "e", "two words", { a: "", b: 'say "x"', c: "k=v" });
    expect(lines[0]).toContain('msg="two words" a="" b="say \\"x\\"" c="k=v"');
  });

  it("cannot be broken into two, nor reach the terminal, by what comes from outside", () => {
    const hostile = "a\r\nlevel=error msg=forged\u001b[2J\u0085\u2028\u202e\u0000";
    for (const format of ["logfmt", "json"] as const) {
      const { logger, lines } = capture({ format });
      logger.write("info", "e", hostile, { topic: hostile, [hostile]: 1 });
      expect(lines).toHaveLength(1);
      expect(lines[0]!.slice(0, -1)).not.toMatch(/[\p{C}\u2028\u2029]/u);
    }
  });

  it("is valid JSON of one line for any fields", () => {
    fc.assert(
      fc.property(awkward, fc.string({ unit: "binary" }), (fields, message) => {
        const { logger, lines } = capture({ format: "json" });
        logger.write("error", "e", message, fields as LogFields);
        expect(lines).toHaveLength(1);
        expect(lines[0]).toMatch(/^[^\p{C}]*\n$/u);
        const parsed: unknown = JSON.parse(lines[0]!);
        expect(parsed).toMatchObject({ level: "error", event: "e" });
      }),
      cases(),
    );
  });

  it("keeps a size limit whatever is put in", () => {
    const { logger, lines } = capture();
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, "v".repeat(100_000)]));
    logger.write("info", "e", "m".repeat(1_000_000), many);
    expect(lines[0]!.length).toBeLessThan(40_000);
    expect(lines[0]).toContain("(999488 more characters)");
  });

  it("shows both values when a field has the name of a fixed one", () => {
    const { logger, lines } = capture({ format: "json" });
    logger.write("info", "e", "m", { level: "deep", msg: "other" });
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: "info", level_: "deep", msg: "m", msg_: "other" });
  });

  it("gives an error's message and survives an object that refers to itself", () => {
    const { logger, lines } = capture();
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    logger.write("info", "e", "m", { error: new Error("no route"), loop });
    expect(lines[0]).toContain('error="no route" loop="[object Object]"');
  });

  it("is left out below the level, and carries journald's priority where asked", () => {
    const { logger, lines } = capture({ level: "warn", journald: true });
    logger.write("info", "e", "m", {});
    logger.write("error", "e", "m", {});
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^<3>time=/);
  });
});
