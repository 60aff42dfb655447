import { describe, expect, it } from "vitest";
import { command } from "../../../src/cli/passwd.js";
import { verifyPassword } from "../../../src/source/password.js";
import { parseUsers } from "../../../src/source/users.js";
import { testIo } from "../../helpers/cli.js";

describe("weir passwd", () => {
  it("writes a line that the broker's users file takes, for that password and no other", async () => {
    const { io, written } = testIo("correct horse\nignored\n");
    expect(await command.execute(["boiler-3"], io)).toBe(0);
    const hash = parseUsers(written.stdout, "users").get("boiler-3")!;
    expect(await verifyPassword(Buffer.from("correct horse"), hash)).toBe(true);
    expect(await verifyPassword(Buffer.from("ignored"), hash)).toBe(false);
    expect(written.stdout).not.toContain("horse");
  });

  it("refuses an empty password and a name that would break the file", async () => {
    await expect(command.execute(["a"], testIo("\n").io)).rejects.toMatchObject({ code: "bad-usage" });
    await expect(command.execute([""], testIo("x\n").io)).rejects.toMatchObject({ code: "bad-usage" });
    await expect(command.execute(["a\nb"], testIo("x\n").io)).rejects.toMatchObject({ code: "bad-usage" });
  });
});
