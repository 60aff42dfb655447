import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensurePrivateFolder, writeFileAtomic } from "../../../src/system/files.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("an atomic write", () => {
  it("replaces the content, keeps to its mode and leaves nothing beside it", async () => {
    const path = join(folder, "state.json");
    writeFileSync(path, "a much longer old content");
    await writeFileAtomic(path, "new", { mode: 0o640 });
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(["state.json"]);
  });

  it("leaves the old file as it was when it cannot finish, and says what to do", async () => {
    const path = join(folder, "taken");
    await ensurePrivateFolder(join(path, "inside"));
    await expect(writeFileAtomic(path, "new")).rejects.toMatchObject({
      code: "write-failed",
      retryable: true,
    });
    expect(readdirSync(folder)).toEqual(["taken"]);
    await expect(writeFileAtomic(join(folder, "no", "such"), "x")).rejects.toMatchObject({
      code: "write-failed",
    });
  });
});

describe("a private folder", () => {
  it("is made with its parents and closed to others", async () => {
    const path = join(folder, "a", "b");
    await ensurePrivateFolder(path);
    await ensurePrivateFolder(path);
    expect(statSync(path).mode & 0o007).toBe(0);
  });

  it("is refused when everybody may write to it", async () => {
    const path = join(folder, "open");
    await ensurePrivateFolder(path);
    chmodSync(path, 0o777);
    await expect(ensurePrivateFolder(path)).rejects.toMatchObject({
      code: "folder-unusable",
      hint: `chmod o-w ${path}`,
    });
  });

  it("is refused when the path is a file", async () => {
    const path = join(folder, "file");
    writeFileSync(path, "");
    await expect(ensurePrivateFolder(path)).rejects.toMatchObject({ code: "folder-unusable" });
  });
});
