import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAgentFiles } from "../../../src/cli/agent-files.js";
import { mqttScripts, serialMeter } from "../../../src/demo/scripts.js";
import { shortenProfile } from "../../../src/demo/short-windows.js";
import { fillWorkspace } from "../../../src/demo/workspace.js";
import { runProfileTests } from "../../../src/profile/test-runner.js";
import { temporaryFolder } from "../../helpers/tools.js";

async function workspace(withSerial: boolean) {
  const folder = await temporaryFolder();
  const { device, profile } = serialMeter();
  const serial = withSerial ? { port: join(folder, "serial-port"), device, profile } : undefined;
  return fillWorkspace(folder, { upstream: "mqtt://127.0.0.1:4711", serial });
}

describe("the folder of the demo", () => {
  it("holds the example config, with nothing that reaches outside of the folder", async () => {
    const { folder, config, store } = await workspace(true);
    const files = readAgentFiles(config, {});
    expect(files.diagnostics).toEqual([]);
    expect(files.config).toMatchObject({
      store: { path: store },
      profiles: { path: join(folder, "device-profiles") },
      sources: [
        { type: "broker", listen: { host: "127.0.0.1", port: 0 } },
        { type: "serial", port: join(folder, "serial-port"), device: "meter-1" },
      ],
      targets: [{ type: "mqtt", url: "mqtt://127.0.0.1:4711" }],
      log: { format: "json" },
    });
    // The comments are part of the example.
    expect(readFileSync(config, "utf8")).toContain("# Weir: the gateway's config.");
  });

  it("has no serial port where none could be made", async () => {
    const { config } = await workspace(false);
    expect(readAgentFiles(config, {}).config?.sources.map(({ type }) => type)).toEqual(["broker"]);
  });

  it("has every profile that ships, with short windows and their own tests still passing", async () => {
    const { config } = await workspace(true);
    const { profiles } = readAgentFiles(config, {});
    expect(profiles.map(({ id }) => `${id}.yaml`).sort()).toEqual(readdirSync("device-profiles").sort());
    for (const profile of profiles) {
      expect(runProfileTests(profile), profile.id).toEqual([]);
      expect(profile.windows.map(({ name }) => name)).toEqual(["5s"]);
    }
    const known = new Set(profiles.map(({ id }) => id));
    for (const { profile } of [...mqttScripts(), serialMeter()]) expect(known).toContain(profile);
  });

  it("can be looked into by this user only", async () => {
    const { createFolder, removeFolder } = await import("../../../src/demo/workspace.js");
    const folder = createFolder();
    try {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    } finally {
      removeFolder(folder);
    }
    expect(statSync(folder, { throwIfNoEntry: false })).toBeUndefined();
  });

  it("names the profile that cannot be read", () => {
    expect(() => shortenProfile("windows: 5", "odd.yaml")).toThrow(
      expect.objectContaining({ code: "demo-incomplete", message: expect.stringContaining("odd.yaml") }),
    );
  });
});
