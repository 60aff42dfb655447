import type { Rule } from "./rule.js";

const FOLDERS = ["src", "device-profiles", "test", "scripts", "systemd", ".ci"];
const FILES = [
  ...[
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "biome.json",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
  ],
  ...["CONTRIBUTING.md", "SECURITY.md", ".gitignore", ".gitattributes", ".editorconfig", ".npmrc"],
];

const topLevel: Rule = {
  name: "the top level holds what the design names and nothing else",
  check(files) {
    return files
      .filter(
        ({ path }) => !(path.includes("/") ? FOLDERS.includes(path.split("/")[0]!) : FILES.includes(path)),
      )
      .map(({ path }) => path);
  },
  bad: [{ "notes.md": "" }, { "docs/a.md": "" }],
};

const noPromises: Rule = {
  name: "nothing is left for later",
  check(files) {
    // Put together from halves, or this file would break its own rule.
    const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
    return lines(files, (text) => marks.test(text));
  },
  bad: [{ "src/a.ts": `// ${"TO" + "DO"}: later` }, { "scripts/a": `# ${"FIX" + "ME"}` }],
};

const noMachinePaths: Rule = {
  name: "no path exists only on somebody's machine",
  check(files) {
    return lines(files, (text) => /(?<![\w.$})/-])\/(?:home|Users|root|work|farm|mnt|media)\/\w/.test(text));
  },
  bad: [{ "README.md": `see ${"/ho"}${"me/ada/weir"}` }, { "scripts/a": `cd "${"/wo"}${"rk/main"}"` }],
};

const executables: Rule = {
  name: "shell scripts stop at the first failure",
  check(files) {
    return files
      .filter(({ text }) => /^#!.*\bbash\b/.test(text) && !/^set -euo pipefail$/m.test(text))
      .map(({ path }) => `${path}: no 'set -euo pipefail'`);
  },
  bad: [{ "scripts/a": "#!/usr/bin/env bash\nset -e\n" }],
};

const completeLock: Rule = {
  name: "the lock file knows the packages of every platform, or `npm ci` refuses it on all of them",
  check(files) {
    const lock = files.find(({ path }) => path === "package-lock.json");
    if (lock === undefined) return [];
    const { packages } = JSON.parse(lock.text) as { readonly packages: Readonly<Record<string, LockEntry>> };
    return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages))
        .map((name) => `${path}: ${name}`),
    );
  },
  bad: [{ "package-lock.json": '{"packages":{"node_modules/a":{"optionalDependencies":{"a-darwin":"1"}}}}' }],
};

interface LockEntry {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The lock file is npm's, not ours. */
function lines(
  files: readonly { readonly path: string; readonly text: string }[],
  matches: (line: string) => boolean,
): string[] {
  return files
    .filter(({ path }) => path !== "package-lock.json")
    .flatMap(({ path, text }) =>
      text
        .split("\n")
        .map((line, index) => ({ line, place: `${path}:${index + 1}` }))
        .filter(({ line }) => matches(line))
        .map(({ line, place }) => `${place}: ${line.trim().slice(0, 100)}`),
    );
}

export const treeRules: readonly Rule[] = [topLevel, noPromises, noMachinePaths, executables, completeLock];
