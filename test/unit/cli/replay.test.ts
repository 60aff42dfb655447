import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, vi } from "vitest";
import { command } from "../../../src/cli/replay.js";
import { Engine } from "../../../src/engine/engine.js";
import type { Part } from "../../../src/engine/options.js";
import { LIMITS } from "../../../src/model/limits.js";
import type { Summary } from "../../../src/model/summary.js";
import { testIo } from "../../helpers/cli.js";
import { temporaryFolder } from "../../helpers/tools.js";

const PROFILE = `schema: device-profile/1
id: rec
version: 1.0.0
decode: { format: json }
identity: { from: /d }
time: { from: /t, format: epoch-s, outOfOrderness: 0s }
fields: { x: { from: /x } }
windows: [{ name: 1m, tumbling: 1m, allowedLateness: 2m, fields: { x: [count, sum] } }]
`;

async function replay(
  files: Record<string, string | Uint8Array>,
  args: readonly string[] = [],
  profile = PROFILE,
) {
  const folder = await temporaryFolder();
  await mkdir(folder, { recursive: true });
  const id = /id: (.*)/.exec(profile)![1]!;
  await writeFile(join(folder, `${id}.yaml`), profile);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const { io, written } = testIo();
  const paths = Object.keys(files).map((name) => join(folder, name));
  const code = await command.execute(["--profile", join(folder, `${id}.yaml`), ...args, ...paths], io);
  const lines = written.stdout.split("\n").filter((line) => line !== "");
  return { code, summaries: lines.map((line) => JSON.parse(line) as Summary), stderr: written.stderr };
}

function line(d: string, t: number, x: number): string {
  return `${JSON.stringify({ d, t, x })}\n`;
}

describe("weir replay", () => {
  it("prints the final summaries ordered by device, window and start, and the accounting", async () => {
    const recording = [
      line("b", 0, 1),
      line("a", 70, 2),
      line("a", 10, 3),
      "not json\n",
      line("a", 10, 3),
    ].join("");
    const { code, summaries, stderr } = await replay({ "r.jsonl": recording });
    expect(code).toBe(0);
    expect(summaries.map((s) => [s.device, s.window.start?.slice(14, 19), s.fields.x?.sum, s.final])).toEqual(
      [
        ["a", "00:00", 3, true],
        ["a", "01:00", 2, true],
        ["b", "00:00", 1, true],
      ],
    );
    const numbers = Object.fromEntries(
      [...stderr.matchAll(/^ *([a-z/A-Z]+) +(\d+)$/gm)].map((m) => [m[1], Number(m[2])]),
    );
    expect(numbers).toMatchObject({
      received: 5,
      accepted: 3,
      invalid: 1,
      duplicate: 1,
      devices: 2,
      windows: 3,
    });
  });

  it("says what fills the holes of many devices in parts, and all of it", async () => {
    const parts = vi.spyOn(Engine.prototype, "applyPart");
    const minutes = 200;
    const devices = Array.from({ length: 50 }, (_, i) => `d${i}`);
    const recording = [0, minutes * 60].flatMap((t) => devices.map((d) => line(d, t, 1)));
    const profile = PROFILE.replace("tumbling: 1m,", "tumbling: 1m, empty: emit, fill: previous,");
    const { summaries } = await replay({ "r.jsonl": recording.join("") }, [], profile);
    const sizes = parts.mock.results.map(({ value }) => (value as Part).summaries.length);
    parts.mockRestore();
    expect(summaries).toHaveLength(devices.length * (minutes + 1));
    expect(summaries.filter(({ filled }) => filled !== undefined)).toHaveLength(
      devices.length * (minutes - 1),
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(LIMITS.blockSummariesMax + LIMITS.deviceShareMax);
  });

  it("reads gzip whatever it is called, and a header once for each file", async () => {
    const csv = `schema: device-profile/1
id: csv
version: 1.0.0
decode: { format: csv, header: true }
identity: { from: d }
time: { from: t, format: epoch-s }
fields: { x: { from: x } }
windows: [{ name: 1m, tumbling: 1m, fields: { x: [count, sum] } }]
`;
    const files = { a: gzipSync("d,t,x\nA,1,5\n"), b: "x,t,d\n7,2,A\n" };
    const { summaries } = await replay(files, [], csv);
    expect(summaries.map((s) => s.fields.x)).toEqual([{ count: 2, sum: 12 }]);
  });

  it("writes each revision as it fires with --all-revisions", async () => {
    const recording = line("a", 0, 1) + line("a", 70, 1) + line("a", 30, 1) + line("a", 500, 1);
    const { summaries } = await replay({ "r.jsonl": recording }, ["--all-revisions"]);
    const first = summaries.filter((s) => s.window.start?.includes(":00:00Z"));
    expect(first.map((s) => [s.revision, s.final])).toEqual([
      [0, false],
      [1, true],
    ]);
  });

  it("puts a recording in order of time where asked, so that nothing in it is late", async () => {
    const times = [900, 0, 600, 300];
    const recording = times.map((t) => line("a", t, t)).join("");
    expect((await replay({ "r.jsonl": recording })).stderr).toMatch(/late +3/);
    const sorted = await replay({ "r.jsonl": recording }, ["--in-order-of", "time"]);
    expect(sorted.stderr).not.toMatch(/late/);
    expect(sorted.summaries).toHaveLength(4);
  });

  it("puts all files together in order of time where asked, each under its own header", async () => {
    const csv = PROFILE.replace("format: json", "format: csv, header: true").replaceAll(
      /from: \//g,
      "from: ",
    );
    const files = { late: "d,t,x\nA,900,1\nA,0,2\n", early: "x,d,t\n4,A,600\n8,A,300\n" };
    const sorted = await replay(files, ["--in-order-of", "time"], csv);
    expect(sorted.stderr).not.toMatch(/late/);
    expect(sorted.summaries.map((s) => s.fields.x!.sum)).toEqual([2, 8, 4, 1]);
  });

  it.each(["file", "time"])(
    "goes on behind a file that cannot be read, in order of %s, and fails",
    async (order) => {
      const folder = await temporaryFolder();
      await writeFile(join(folder, "rec.yaml"), PROFILE);
      const cut = gzipSync(line("a", 0, 1) + line("a", 1, 1)).subarray(0, -4);
      const files = { "a.jsonl": line("b", 0, 1), "cut.gz": cut, "z.jsonl": line("c", 0, 1) };
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
      const paths = ["a.jsonl", "none.jsonl", "cut.gz", "z.jsonl"].map((name) => join(folder, name));
      const { io, written } = testIo();
      const options = ["--profile", join(folder, "rec.yaml"), "--in-order-of", order];
      await expect(command.execute([...options, ...paths], io)).rejects.toThrow(/cut\.gz/);
      expect(written.stderr).toMatch(/^weir: .*none\.jsonl/m);
      const summaries = written.stdout.trimEnd().split("\n");
      expect(summaries.map((text) => (JSON.parse(text) as Summary).device)).toEqual(["a", "b", "c"]);
    },
  );

  it("says what is wrong instead of guessing", async () => {
    const arrival = PROFILE.replace(/^time:.*$/m, "time: {}");
    await expect(replay({ r: "" }, [], arrival)).rejects.toMatchObject({ code: "bad-usage" });
    expect(
      (await replay({ r: "" }, [], PROFILE.replace("fields: { x: [count", "fields: { x: [cuont"))).code,
    ).toBe(2);
    await expect(replay({ r: "" }, ["--arrival", "received"])).rejects.toMatchObject({ code: "bad-usage" });
    await expect(replay({ r: "" }, ["--in-order-of", "size"])).rejects.toMatchObject({ code: "bad-usage" });
    await expect(replay({ r: "" }, ["--site-zone", "Mars/Base"])).rejects.toMatchObject({
      code: "bad-usage",
    });
    await expect(command.execute(["--profile", "none.yaml", "x"], testIo().io)).rejects.toMatchObject({
      code: "bad-usage",
    });
  });

  it("says of each reason which payload was the first that could not be read, and why", async () => {
    const bad = line("a", 0, 1).replace('"x":1', '"x":"?"');
    const files = { "r.jsonl": line("a", 0, 1), "s.jsonl": line("a", 1, 1) + bad + bad + line("", 2, 1) };
    const { stderr } = await replay(files);
    expect(stderr).toMatch(/^first invalid: .*s\.jsonl, payload 2: x is "\?"$/m);
    expect(stderr).toMatch(/^first unidentified: .*s\.jsonl, payload 4: /m);
    const sorted = await replay(files, ["--in-order-of", "time"]);
    expect(sorted.stderr).toMatch(/^first invalid: .*s\.jsonl, payload [23]: x is "\?"$/m);
  });

  it("says of a line that is longer than any may be that it is that, not the part of it that was read", async () => {
    const { stderr } = await replay({
      "r.jsonl": line("a", 0, 1).replace('"x":1', `"x":"${"1".repeat(3e6)}"`),
    });
    expect(stderr).toMatch(
      /^first tooLarge: .*, payload 1: the payload has over 1048576 bytes, more than \d+$/m,
    );
  });

  it("counts values that are not of their field's type in readings that are kept for others", async () => {
    const profile = PROFILE.replace(
      "fields: { x: { from: /x } }",
      "fields: { x: { from: /x }, y: { from: /y } }",
    );
    const readings = [
      { d: "a", t: 0, x: 1, y: 1 },
      { d: "a", t: 1, x: "1,5", y: 2 },
      { d: "a", t: 2, x: "nan", y: "?" },
      { d: "a", t: 3, x: 1, y: "?" },
    ];
    const recording = readings.map((reading) => `${JSON.stringify(reading)}\n`).join("");
    for (const order of ["file", "time"]) {
      const { stderr } = await replay({ "r.jsonl": recording }, ["--in-order-of", order], profile);
      expect(stderr).toMatch(/^accepted +3$/m);
      expect(stderr).toMatch(/^values not of their type +2$/m);
      expect(stderr).toMatch(/^first value not of its type: .*r\.jsonl, payload 2: x is "1,5"$/m);
    }
    const { stderr } = await replay({ "r.jsonl": line("a", 0, 1) }, [], profile);
    expect(stderr).not.toContain("type");
  });

  it("says which fields it looked for where every reading is empty", async () => {
    const misnamed = `${JSON.stringify({ d: "a", t: 0, X: 1 })}\n`;
    const { stderr } = await replay({ "r.jsonl": misnamed });
    expect(stderr).toMatch(/^weir: empty readings have a value for none of x; /m);
    const some = await replay({ "r.jsonl": misnamed + line("a", 1, 1) });
    expect(some.stderr).not.toContain("weir:");
  });

  it("says how to name the device where payloads leave that to the topic", async () => {
    const profile = PROFILE.replace("identity: { from: /d }", 'match: { mqtt: { topics: ["s/{device}"] } }');
    const file = { "r.jsonl": line("a", 0, 1) };
    const without = await replay(file, [], profile);
    expect(without.stderr).toMatch(/unidentified +1$/m);
    expect(without.stderr).toMatch(/^weir: unidentified readings .*topic.* --device ID$/m);
    const named = await replay(file, ["--device", "boiler"], profile);
    expect(named.summaries).toMatchObject([{ device: "boiler" }]);
    expect(named.stderr).not.toContain("--device");
  });

  it("does not take --arrival for payloads in which it could not find it", async () => {
    const profile = PROFILE.replace("format: json", "format: csv, header: true").replaceAll(
      /from: \//g,
      "from: ",
    );
    await expect(replay({ "r.csv": "d,t,x\na,0,1\n" }, ["--arrival", "/t"], profile)).rejects.toMatchObject({
      code: "bad-usage",
      message: expect.stringContaining("csv"),
    });
  });
});
