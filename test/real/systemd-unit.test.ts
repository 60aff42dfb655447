import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWithTools, temporaryFolder } from "../helpers/tools.js";

const UNIT = "systemd/weir.service";

/** What systemd says of a unit, with a program in the place of ExecStart's, which exists only where Weir is installed. */
async function verify(edit: (unit: string) => string = (unit) => unit) {
  const folder = await temporaryFolder();
  const program = join(folder, "weir");
  writeFileSync(program, "#!/bin/sh\n");
  chmodSync(program, 0o755);
  const unit = join(folder, "weir.service");
  writeFileSync(unit, edit(readFileSync(UNIT, "utf8")).replace("/usr/lib/weir/bin/weir", program));
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
  return { status, output: stdout + stderr };
}

describeWithTools(["systemd-analyze"], "the systemd unit", () => {
  it("has nothing that systemd would ignore or refuse", async () => {
    expect(await verify()).toEqual({ status: 0, output: "" });
  });

  it("would not get past this test with a mistyped key", async () => {
    const { output } = await verify((unit) => unit.replace("WatchdogSec=", "WatchdogSecs="));
    expect(output).toContain("WatchdogSecs");
  });

  it("keeps its exposure at 2.0 or below", () => {
    const table = execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", UNIT], {
      encoding: "utf8",
    });
    const exposure = /Overall exposure level for weir.service: ([\d.]+)/.exec(table)?.[1];
    expect(Number(exposure)).toBeLessThanOrEqual(2.0);
  });

  it("does not wait for a network, restarts for ever, and lets the agent speak through systemd-notify", () => {
    const unit = readFileSync(UNIT, "utf8");
    expect(unit).not.toMatch(/^(Requires|Wants|BindsTo|After)=.*network/m);
    for (const line of ["Type=notify", "NotifyAccess=all", "Restart=always", "StartLimitIntervalSec=0"]) {
      expect(unit).toContain(`\n${line}\n`);
    }
    expect(unit).not.toContain("MemoryDenyWriteExecute=yes");
    expect(unit).toMatch(/^SystemCallFilter=.*@pkey/m);
  });
});
