import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { seeded } from "../helpers/seeded.js";
import { temporaryFolder } from "../helpers/tools.js";

const MAIN = resolve("dist/main.js");
const profile = (size: string, partials: boolean) => `schema: device-profile/1
id: meter
version: 1.0.0
decode: { format: json }
identity: { from: /d }
time: { from: /t, format: epoch-s }
fields:
  power: { from: /p, unit: W }
  mode: { from: /m, type: enum, values: { "on": "on", "off": "off" } }
windows:
  - name: w
    tumbling: ${size}
    partials: ${partials}
    allowedLateness: 1h
    fields: { power: [count, mean, stddev, min, max, p95, histogram, last], mode: [mode, counts] }
`;

async function weir(args: readonly string[], input?: string) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  if (input === undefined) child.stdin.end();
  else createReadStream(input).pipe(child.stdin);
  const [stdout, stderr, [code]] = await said;
  return { stdout, stderr, code: code as number | null };
}

const fieldsIn = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Summary)
    .map(({ device, window, fields }) => JSON.stringify([device, window.start, window.end, fields]));

describe("weir merge on the command line", () => {
  beforeAll(() => {
    expect(existsSync(MAIN), "build first: npm run build").toBe(true);
  });

  it("makes of what several replays say of parts what one replay says of the whole, byte for byte", async () => {
    const folder = await temporaryFolder();
    const random = seeded("merge");
    const readings = Array.from({ length: 3_000 }, (_, i) => {
      const reading = { d: `m${random.below(3)}`, t: 1_768_392_000 + 7 * i, p: random.next() * 3_000 };
      return { part: random.below(3), line: JSON.stringify({ ...reading, m: i % 7 < 3 ? "on" : "off" }) };
    });
    const write = async (name: string, content: string) => {
      await writeFile(join(folder, name), content);
      return join(folder, name);
    };
    const short = await write("meter.yaml", profile("5m", true));
    const long = await write("long.yaml", profile("1h", false).replace("id: meter", "id: long"));
    const parts: string[] = [];
    for (const part of [0, 1, 2]) {
      const recording = readings.filter((each) => each.part === part).map(({ line }) => line);
      const of = await write(`${part}.txt`, `${recording.join("\n")}\n`);
      const { stdout, code } = await weir([
        "replay",
        "--gateway",
        `gw-${part}`,
        "--all-revisions",
        "-p",
        short,
        of,
      ]);
      expect(code).toBe(0);
      parts.push(await write(`${part}.jsonl`, stdout));
    }
    const whole = await write("all.txt", `${readings.map(({ line }) => line).join("\n")}\n`);
    const expected = await weir(["replay", "-p", long, whole]);
    const merged = await weir(["merge", "--window", "1h", "--plain", ...parts.slice(1), "-"], parts[0]);
    expect(merged.stderr).toMatch(/summaries written +18\n$/);
    expect(fieldsIn(merged.stdout)).toEqual(fieldsIn(expected.stdout));
  });

  it("ends with 1 and says nothing but what is wrong where a file has no partials, and with 2 without files", async () => {
    const folder = await temporaryFolder();
    const file = join(folder, "old.jsonl");
    await writeFile(file, '{"id":"g/p/d/w/x","revision":0,"gateway":"g","device":"d","profile":"p@1",'
      + '"window":{"name":"w","kind":"tumbling"},"fields":{},"quality":{}}\n'); // biome-ignore format: one line of a file
    expect(await weir(["merge", file])).toEqual({
      code: 1,
      stdout: "",
      stderr: `weir: ${file}:1: the summary of the window w has no partials\n  add partials: true to that window in the profile p@1, or choose others with --only\n`,
    });
    expect(await weir(["merge"])).toMatchObject({ code: 2, stdout: "" });
    expect(await weir(["merge", join(folder, "nowhere")])).toMatchObject({ code: 1, stdout: "" });
    expect((await weir(["help", "merge"])).stdout).toMatch(/--by device\|profile\|all/);
  });
});
