import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../helpers/tools.js";

function install(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(resolve("scripts/install"), ["--no-build", ...args], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** Targets of the links of a page that lead to files beside it, without their anchors. */
function relativeLinks(page: string): string[] {
  const targets = [...readFileSync(page, "utf8").matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  return targets.filter((to) => !/^(#|[a-z]+:)/.test(to)).map((to) => to.split("#")[0]!);
}

/** Every file below with its mode and content: what "nothing changed" means. */
function fingerprint(folder: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    const hash = createHash("sha256");
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path));
    else if (stat.isFile()) hash.update(readFileSync(path));
    files[name] = `${(stat.mode & 0o7777).toString(8)} ${hash.digest("hex").slice(0, 12)}`;
  }
  return files;
}

describe("scripts/install", () => {
  beforeAll(() => {
    expect(existsSync("dist/main.js"), "build first: npm run build").toBe(true);
  });

  it("lays out a program that runs from any folder, with production packages only", async () => {
    const root = await temporaryFolder();
    expect(install("--destdir", root)).toMatchObject({ status: 0, stderr: "" });
    const program = join(root, "usr/lib/weir");
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    const run = spawnSync(join(program, "bin/weir"), ["--version"], { encoding: "utf8", cwd: "/" });
    expect(run).toMatchObject({ status: 0, stdout: `weir ${version}\n` });
    expect(existsSync(join(program, "node_modules/level"))).toBe(true);
    expect(existsSync(join(program, "node_modules/vitest"))).toBe(false);
    expect(readlinkSync(join(root, "usr/local/bin/weir"))).toBe("/usr/lib/weir/bin/weir");
    expect(readFileSync(join(root, "usr/lib/systemd/system/weir.service"), "utf8")).toContain(
      "ExecStart=/usr/lib/weir/bin/weir run -c /etc/weir/weir.yaml",
    );
    expect(statSync(join(root, "etc/weir/weir.yaml")).mode & 0o777).toBe(0o640);
    expect(existsSync(join(root, "usr/lib/sysusers.d/weir.conf"))).toBe(true);
    expect(existsSync(join(root, "usr/lib/tmpfiles.d/weir.conf"))).toBe(true);
  });

  it("brings every page that the README leads to, and what those lead to", async () => {
    const root = await temporaryFolder();
    expect(install("--destdir", root)).toMatchObject({ status: 0, stderr: "" });
    const program = join(root, "usr/lib/weir");
    const pages = [join(program, "README.md")];
    const dead: string[] = [];
    // A page that is found on the way is looked at, too.
    for (const page of pages) {
      for (const link of relativeLinks(page)) {
        const path = join(dirname(page), link);
        if (!existsSync(path)) dead.push(`${page}: ${link}`);
        else if (path.endsWith(".md") && !pages.includes(path)) pages.push(path);
      }
    }
    expect(dead).toEqual([]);
    const found = pages.map((page) => page.slice(program.length + 1));
    expect(found).toEqual(
      expect.arrayContaining([
        "test/PROMISES.md",
        "src/engine/TIME.md",
        "src/model/PARTIALS.md",
        "CHANGELOG.md",
      ]),
    );
  });

  it("changes nothing when it is run again, and keeps what a person has edited", async () => {
    const root = await temporaryFolder();
    install("--destdir", root);
    const first = fingerprint(root);
    expect(install("--destdir", root)).toMatchObject({ status: 0, stderr: "" });
    expect(fingerprint(root)).toEqual(first);
    const config = join(root, "etc/weir/weir.yaml");
    const [profile] = readdirSync(join(root, "etc/weir/device-profiles"));
    const edited = [config, join(root, "etc/weir/device-profiles", profile!)];
    for (const path of edited) writeFileSync(path, "# mine\n");
    writeFileSync(join(root, "usr/lib/weir/dist/main.js"), "an old version");
    expect(install("--destdir", root).stdout).toContain(`Kept ${config}`);
    for (const path of edited) expect(readFileSync(path, "utf8")).toBe("# mine\n");
    expect(fingerprint(join(root, "usr/lib/weir"))).toEqual(
      Object.fromEntries(
        Object.entries(first)
          .filter(([path]) => path.startsWith("usr/lib/weir/"))
          .map(([path, print]) => [path.slice("usr/lib/weir/".length), print]),
      ),
    );
  });

  it("goes under another prefix, and the unit with it", async () => {
    const root = await temporaryFolder();
    expect(install("--destdir", root, "--prefix", "/opt/weir").status).toBe(0);
    expect(readFileSync(join(root, "usr/lib/systemd/system/weir.service"), "utf8")).toContain(
      "ExecStart=/opt/weir/bin/weir run",
    );
    expect(readlinkSync(join(root, "usr/local/bin/weir"))).toBe("/opt/weir/bin/weir");
  });

  it("takes the program away again and leaves config and store", async () => {
    const root = await temporaryFolder();
    install("--destdir", root);
    mkdirSync(join(root, "var/lib/weir"), { recursive: true });
    expect(install("--destdir", root, "--uninstall").status).toBe(0);
    const left = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (path) => !statSync(join(root, path)).isDirectory(),
    );
    expect(left.every((path) => path.startsWith("etc/weir/"))).toBe(true);
    expect(existsSync(join(root, "etc/weir/weir.yaml"))).toBe(true);
    expect(existsSync(join(root, "var/lib/weir"))).toBe(true);
    expect(existsSync(join(root, "usr/lib/weir"))).toBe(false);
  });

  it("never replaces or removes a folder that is not its own", async () => {
    const root = await temporaryFolder();
    mkdirSync(join(root, "opt/data"), { recursive: true });
    writeFileSync(join(root, "opt/data/photos"), "precious");
    for (const more of [[], ["--uninstall"]]) {
      const { status, stderr } = install("--destdir", root, "--prefix", "/opt/data", ...more);
      expect([status, stderr]).toEqual([1, expect.stringContaining("is not empty and not from this script")]);
    }
    expect(readFileSync(join(root, "opt/data/photos"), "utf8")).toBe("precious");
  });

  it("refuses what it does not understand before it touches anything", async () => {
    const root = await temporaryFolder();
    for (const args of [
      ["--frobnicate"],
      ["--prefix"],
      ["--destdir", root, "--prefix", "relative/path"],
      ["--destdir", root, "--prefix", "/"],
      ["--destdir", root, "--prefix", "/opt/../etc"],
      ["--destdir", root, "--prefix", "/opt/a b; rm -rf x"],
      ["--destdir", root, "--start"],
    ]) {
      const { status, stderr } = install(...args);
      expect([args, status]).toEqual([args, 2]);
      expect(stderr).toMatch(/^install: /);
    }
    expect(readdirSync(root)).toEqual([]);
  });
});
