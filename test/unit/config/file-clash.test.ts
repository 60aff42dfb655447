import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config/load.js";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { temporaryFolder } from "../../helpers/tools.js";

/** A folder with a config, a profile and the files that the config refers to. */
async function gateway(targets: readonly string[]) {
  const folder = await temporaryFolder();
  const path = (name: string) => join(folder, name);
  mkdirSync(path("device-profiles"));
  for (const name of ["device-profiles/room.yaml", "users", "shared.yaml"]) writeFileSync(path(name), "x");
  symlinkSync(path("shared.yaml"), path("device-profiles/shared.yaml"));
  const text = [
    "gateway: { id: gw }",
    "sources: [{ name: l, type: broker, users: users }]",
    "targets:",
    ...targets.map((keys, i) => `  - { name: t${i}, type: file, ${keys} }`),
  ];
  const file = path("weir.yaml");
  writeFileSync(file, `${text.join("\n")}\n`);
  const problems = (): string[] => {
    const { config, diagnostics } = loadConfig(file, { env: {} });
    expect(config === undefined).toBe(diagnostics.length > 0);
    return diagnostics.map((diagnostic) => formatDiagnostic(diagnostic).replaceAll(`${folder}/`, ""));
  };
  return { path, problems };
}

describe("the file of a target", () => {
  it("is refused where another target moves its full file, in whichever order they stand", async () => {
    const first = await gateway(["path: out.jsonl", "path: ./out.jsonl.4"]);
    expect(first.problems()).toEqual([
      "weir.yaml:5:35 file-clash targets[0] moves out.jsonl to out.jsonl.4 when it is full (give the target another path)",
    ]);
    const second = await gateway(["path: out.jsonl.1", "path: out.jsonl"]);
    expect(second.problems()[0]).toMatch(
      /^weir\.yaml:5:35 file-clash out\.jsonl is moved to out\.jsonl\.1 of targets\[0\] /,
    );
  });

  it("may have a name that only looks like one of those", async () => {
    const paths = ["path: out.jsonl", "path: out.jsonl.5", "path: out.jsonl.01", "path: out.jsonl.x"];
    expect((await gateway([...paths, "path: b, keep: 0", "path: b.1"])).problems()).toEqual([]);
  });

  it.each(["out.jsonl", "real/out.jsonl"])("is refused as a link to another's file %s", async (other) => {
    for (const exists of [false, true]) {
      const { path, problems } = await gateway([`path: ${other}`, "path: link.jsonl"]);
      mkdirSync(path("real"));
      if (exists) writeFileSync(path(other), "");
      symlinkSync(other, path("link.jsonl"));
      expect(problems()).toEqual([
        `weir.yaml:5:35 file-clash link.jsonl and ${other} of targets[0] are one file (give the target another path)`,
      ]);
    }
  });

  it("is refused in a folder that is a link to that of another's", async () => {
    const { path, problems } = await gateway(["path: real/out.jsonl", "path: link/out.jsonl.2"]);
    mkdirSync(path("real"));
    symlinkSync(path("real"), path("link"));
    expect(problems()[0]).toContain("file-clash targets[0] moves real/out.jsonl to link/out.jsonl.2");
  });

  it("is not looked for without end behind links in a circle", async () => {
    const { path, problems } = await gateway(["path: a"]);
    symlinkSync(path("b"), path("a"));
    symlinkSync(path("a"), path("b"));
    expect(problems()).toEqual([]);
  });

  it.each([
    ["weir.yaml", "weir.yaml is the config itself"],
    ["device-profiles/room.yaml", "device-profiles/room.yaml is a device profile"],
    ["shared.yaml", "shared.yaml is a device profile"],
    ["device-profiles/out.yaml", "device-profiles/out.yaml would be read as a device profile"],
    ["users", "users is a file that the config refers to"],
  ])("is refused as %s, which Weir reads", async (path, message) => {
    const { problems } = await gateway([`path: ${path}`]);
    expect(problems()).toEqual([`weir.yaml:4:35 file-clash ${message} (give the target another path)`]);
  });
});
