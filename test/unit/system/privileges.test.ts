import { chownSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { becomeOwnerOf, type Identity } from "../../../src/system/privileges.js";
import { temporaryFolder } from "../../helpers/tools.js";

function identity(uid: number) {
  const calls: string[] = [];
  const fake: Identity = {
    getuid: () => uid,
    setgroups: (groups) => calls.push(`groups ${groups.length}`),
    setgid: (id) => calls.push(`gid ${id}`),
    setuid: (id) => calls.push(`uid ${id}`),
  };
  return { fake, calls };
}

describe("root looking into a service's folder", () => {
  it.skipIf(process.getuid?.() !== 0)("becomes its owner: groups first, the user last", async () => {
    const folder = await temporaryFolder();
    chownSync(folder, 4242, 4343);
    const { fake, calls } = identity(0);
    becomeOwnerOf(folder, fake);
    expect(calls).toEqual(["groups 0", "gid 4343", "uid 4242"]);
  });

  it("stays who it is where it is not root, or the folder is its own", async () => {
    const { fake, calls } = identity(1000);
    becomeOwnerOf("/nonexistent", fake);
    becomeOwnerOf("/nonexistent", identity(0).fake);
    expect(calls).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)("says why it may not", async () => {
    const folder = await temporaryFolder();
    chownSync(folder, 4242, 4343);
    const { fake } = identity(0);
    fake.setgid = () => {
      throw new Error("EPERM");
    };
    expect(() => becomeOwnerOf(folder, fake)).toThrow(expect.objectContaining({ code: "no-rights" }));
  });
});
