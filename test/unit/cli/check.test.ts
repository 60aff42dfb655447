import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command } from "../../../src/cli/check.js";
import { EXIT } from "../../../src/cli/command.js";
import { testIo } from "../../helpers/cli.js";

const EXAMPLE = readFileSync(new URL("../../../device-profiles/tasmota-scd40.yaml", import.meta.url), "utf8");
const CONFIG = "gateway: { id: a }\nsources:\n  - { name: l, type: broker }\n";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-check-"));
  mkdirSync(join(folder, "device-profiles"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What it prints, without the folder, and its exit code. */
async function check(...args: string[]): Promise<{ lines: string[]; code: number }> {
  const { io, written } = testIo();
  const code = await command.execute(args, io);
  return { lines: written.stdout.replaceAll(`${folder}/`, "").trimEnd().split("\n"), code };
}

describe("weir check", () => {
  it("is content with a good config and good profiles", async () => {
    write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
    expect(await check("-c", write("weir.yaml", CONFIG))).toEqual({
      lines: ["1 config, 1 profile: no problems"],
      code: EXIT.ok,
    });
  });

  it("looks into the users file of a broker", async () => {
    write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
    write("users.txt", "meter-1:not a hash\n");
    const config = CONFIG.replace("type: broker", "type: broker, users: users.txt");
    const { lines, code } = await check("-c", write("weir.yaml", config));
    expect(lines[0]).toMatch(/^weir\.yaml:3:\d+ bad-users .*users\.txt:1 is not name:scrypt/);
    expect(code).toBe(EXIT.usage);
  });

  it("reports the problems of every file at once, sorted, and counts them", async () => {
    write("device-profiles/b.yaml", "id: b\nflieds: {}\n");
    write("device-profiles/a.yaml", "id: [\n");
    write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
    const config = `gateway: { id: a }\nsources:\n  - { name: m, type: serial, port: /dev/a, profile: tasmota-scd4 }\n`;
    const { lines, code } = await check("-c", write("weir.yaml", config));
    expect(code).toBe(EXIT.usage);
    expect(lines[0]).toMatch(/^device-profiles\/a\.yaml:\d+:\d+ yaml-syntax /);
    expect(lines.filter((line) => line.startsWith("device-profiles/b.yaml:2:1 unknown-key "))).toHaveLength(
      1,
    );
    expect(lines.at(-2)).toBe(
      'weir.yaml:3:53 unknown-profile there is no profile "tasmota-scd4" (did you mean "tasmota-scd40"?)',
    );
    expect(lines.at(-1)).toBe(`1 config, 3 profiles: ${lines.length - 1} problems`);
  });

  it("takes a test inside a profile that fails for a problem at its line", async () => {
    const wrong = EXAMPLE.replace(/co2: \d+/, "co2: 1");
    const { lines, code } = await check(write("tasmota-scd40.yaml", wrong));
    expect(code).toBe(EXIT.usage);
    expect(lines[0]).toMatch(/^tasmota-scd40\.yaml:\d+:\d+ test-failed /);
    expect(lines.at(-1)).toBe("1 profile: 1 problem");
  });

  it("does not call a profile missing that is there but broken", async () => {
    write("device-profiles/p.yaml", "id: p\n");
    const config = "gateway: { id: a }\nsources:\n  - { name: m, type: serial, port: /dev/a, profile: p }\n";
    const { lines } = await check("-c", write("weir.yaml", config));
    expect(lines.join("\n")).not.toContain("unknown-profile");
  });

  it("finds two profiles with one id", async () => {
    mkdirSync(join(folder, "other"));
    const { lines, code } = await check(
      write("device-profiles/tasmota-scd40.yaml", EXAMPLE),
      write("other/tasmota-scd40.yaml", EXAMPLE),
    );
    expect(code).toBe(EXIT.usage);
    expect(lines[0]).toMatch(
      /^other\/tasmota-scd40\.yaml:1:1 duplicate-profile .*already in device-profiles\//,
    );
  });

  it("looks at a file once, however it is named", async () => {
    const path = write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
    const config = write("weir.yaml", CONFIG);
    expect(
      (await check("-c", config, path, join(folder, "device-profiles/../device-profiles/tasmota-scd40.yaml")))
        .lines,
    ).toEqual(["1 config, 1 profile: no problems"]);
  });

  it("says that files and folders are missing", async () => {
    expect((await check("-c", join(folder, "none.yaml"))).lines[0]).toMatch(
      /^none\.yaml:1:1 unreadable-file /,
    );
    expect((await check(join(folder, "none.yaml"))).lines[0]).toMatch(/^none\.yaml:1:1 unreadable-file /);
    const config = write("weir.yaml", CONFIG);
    expect((await check("-c", config)).lines[0]).toMatch(/^weir\.yaml:1:1 no-profiles /);
    rmSync(join(folder, "device-profiles"), { recursive: true });
    const { lines, code } = await check("-c", config);
    expect(lines[0]).toMatch(/^weir\.yaml:1:1 unreadable-folder /);
    expect(code).toBe(EXIT.usage);
  });

  it("says that the folder of a target's file is missing, or none, or the file is a folder", async () => {
    write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
    write("plain", "");
    const targets = ["archive/out.jsonl", "plain/out.jsonl", "device-profiles", "good.jsonl"].map(
      (path, i) => `  - { name: t${i}, type: file, path: ${path} }\n`,
    );
    const { lines, code } = await check("-c", write("weir.yaml", `${CONFIG}targets:\n${targets.join("")}`));
    expect(lines[0]).toMatch(/^weir\.yaml:5:\d+ no-folder .*archive.* \(create the folder/);
    expect(lines[1]).toMatch(/^weir\.yaml:6:\d+ no-folder plain is not a folder/);
    expect(lines[2]).toMatch(
      /^weir\.yaml:7:\d+ no-file device-profiles is a folder \(give the target another/,
    );
    expect(lines.slice(3)).toEqual(["1 config, 1 profile: 3 problems"]);
    expect(code).toBe(EXIT.usage);
  });

  it.each(["plain", "plain/weir/store"])(
    "says that the store cannot be where a file is: %s",
    async (path) => {
      write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
      write("plain", "");
      const { lines, code } = await check("-c", write("weir.yaml", `${CONFIG}store: { path: ${path} }\n`));
      expect(lines[0]).toMatch(
        /^weir\.yaml:4:\d+ no-folder plain is not a folder, .* \(give the store another path\)$/,
      );
      expect(code).toBe(EXIT.usage);
    },
  );

  it("takes a store whose folder is not there yet", async () => {
    write("device-profiles/tasmota-scd40.yaml", EXAMPLE);
    const { lines } = await check("-c", write("weir.yaml", `${CONFIG}store: { path: not/yet/there }\n`));
    expect(lines).toEqual(["1 config, 1 profile: no problems"]);
  });

  it("reads the profiles also when the config has problems, in the folder and zone that it tells", async () => {
    mkdirSync(join(folder, "mine"));
    write("mine/a.yaml", "id: a\nflieds: {}\n");
    const config = CONFIG.replace("type: broker", "type: brokr");
    const { lines } = await check("-c", write("weir.yaml", `${config}profiles: { path: mine }\n`));
    expect(lines[0]).toMatch(/^mine\/a\.yaml:\d+:\d+ /);
    expect(lines.at(-2)).toMatch(/^weir\.yaml:3:\d+ bad-value /);
    const unset = await check("-c", write("weir.yaml", `${CONFIG}profiles: { path: "\${WEIR_UNSET}" }\n`));
    expect(unset.lines[0]).toMatch(/^weir\.yaml:\d+:\d+ missing-variable /);
    expect(unset.lines.at(-1)).toBe("1 config, no profiles: 1 problem");
  });

  it("wants something to check", async () => {
    await expect(check()).rejects.toMatchObject({ code: "bad-usage" });
  });
});
