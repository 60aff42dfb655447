import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readAgentFiles } from "../../../src/cli/agent-files.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-agent-files-"));
  mkdirSync(join(folder, "device-profiles"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function profile(id: string, field = "t: { from: /t }"): void {
  const text = [
    "schema: device-profile/1",
    `id: ${id}`,
    "version: 1.0.0",
    `match: { mqtt: { topics: ["${id}/{device}"] } }`,
    "decode: { format: json }",
    `fields: { ${field} }`,
    "windows: [{ name: 1m, tumbling: 1m, fields: { t: [count] } }]",
  ];
  writeFileSync(join(folder, "device-profiles", `${id}.yaml`), `${text.join("\n")}\n`);
}

function read(groups: string) {
  const path = join(folder, "weir.yaml");
  writeFileSync(path, `gateway: { id: a }\nsources: [{ name: l, type: broker }]\ngroups: ${groups}\n`);
  const { profiles, brokenProfiles, diagnostics } = readAgentFiles(path, {});
  return {
    inForce: profiles.map(({ id }) => id),
    brokenProfiles,
    codes: diagnostics.map(({ code }) => code),
  };
}

const HALL = "[{ name: hall, windows: [{ name: 1m, tumbling: 1m, fields: { t: [count] } }] }]";

describe("what an agent is started with", () => {
  it("is without a profile that would send the ids of groups, unless there are none", () => {
    profile("a");
    profile("group");
    expect(read(HALL)).toEqual({ inForce: ["a"], brokenProfiles: [], codes: ["reserved-id"] });
    expect(read("[]")).toEqual({ inForce: ["a", "group"], brokenProfiles: [], codes: [] });
  });

  it("has no groups refused because of fields in a profile that is not in force", () => {
    profile("a");
    profile("group", "t: { from: /t, type: string }");
    expect(read(HALL).codes).toEqual(["reserved-id"]);
  });

  it("says of a group that it lacks a profile only where that is not merely broken", () => {
    const hall = HALL.replace("name: hall", "name: hall, members: { profiles: [a] }");
    profile("a");
    profile("b");
    expect(read(hall).codes).toEqual([]);
    profile("a", "t: { form: /t }");
    expect(read(hall)).toMatchObject({
      brokenProfiles: ["a"],
      codes: expect.not.arrayContaining(["unknown-profile"]),
    });
    rmSync(join(folder, "device-profiles", "a.yaml"));
    expect(read(hall).codes).toEqual(["unknown-profile"]);
  });

  it("is nothing at all where no other profile is there, so that a reload is refused", () => {
    profile("group");
    expect(read(HALL)).toMatchObject({ inForce: [], brokenProfiles: "all" });
    writeFileSync(join(folder, "device-profiles", "group.yaml"), "id: group");
    expect(read(HALL)).toMatchObject({ inForce: [], brokenProfiles: "all" });
    profile("a");
    expect(read(HALL)).toMatchObject({ inForce: ["a"], brokenProfiles: ["group"] });
  });
});
