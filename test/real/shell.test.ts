import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { expect, it } from "vitest";
import { describeWithTools } from "../helpers/tools.js";

describeWithTools(["shellcheck"], "shell scripts", () => {
  it("have their run bit and no known mistake", () => {
    const tracked = execFileSync("git", ["ls-files", "scripts", ".ci"], { encoding: "utf8" })
      .trim()
      .split("\n");
    const scripts = tracked.filter((path) => /^#!.*\b(ba)?sh\b/.test(readFileSync(path, "utf8")));
    expect(scripts).toContain("scripts/install");
    for (const path of scripts) expect([path, statSync(path).mode & 0o111]).toEqual([path, 0o111]);
    const { status, stdout } = spawnSync("shellcheck", scripts, { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  });
});
