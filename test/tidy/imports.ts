import { dirname, join } from "node:path/posix";
import type { Rule } from "./rule.js";
import { type SourceFile, typeScript } from "./source-file.js";

const ALL = [
  ...["model", "schema", "config", "profile", "decode", "aggregate", "engine", "source", "store", "forward"],
  ...["mqtt", "pipeline", "dashboard", "observe", "system"],
];

/** What each folder (or file directly in src) may import of the others. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  schema: ["model"],
  config: ["model", "schema"],
  decode: ["model", "schema"],
  aggregate: ["model", "schema"],
  profile: ["model", "schema", "decode", "aggregate"],
  engine: ["model", "aggregate"],
  mqtt: ["model"],
  source: ["model", "mqtt"],
  store: ["model"],
  pipeline: ["model", "engine", "store"],
  forward: ["model", "mqtt"],
  dashboard: ["model"],
  observe: ["model"],
  system: ["model"],
  agent: ALL,
  index: [...ALL, "agent"],
  // A composition above the agent, as cli is; cli is what starts it. Devices and cloud are made of the same parts.
  demo: ["model", "schema", "mqtt", "source", "agent"],
  cli: [...ALL, "agent", "demo"],
  main: ["model", "cli"],
};

/** Each third-party package has one home. */
const HOME_OF_PACKAGE: Readonly<Record<string, string>> = {
  aedes: "source",
  serialport: "source",
  mqtt: "mqtt",
  "mqtt-packet": "mqtt",
  level: "store",
  "node-cron": "forward",
  yaml: "schema",
  zod: "schema",
  "@marcbachmann/cel-js": "profile",
};

/** The synchronous core: no file, socket, process or thread. Of zlib it takes the checksum. */
const PURE = new Set(["model", "decode", "aggregate", "engine"]);
const PURE_BUILTINS = new Set(["node:assert", "node:buffer", "node:crypto", "node:util", "node:zlib"]);

const folderDirections: Rule = {
  name: "imports between folders go only the way that the design says",
  check(files) {
    const problems: string[] = [];
    for (const file of typeScript(files, "src/")) {
      const allowed = MAY_IMPORT[file.folder ?? ""];
      if (allowed === undefined) {
        problems.push(`${file.path}: the folder ${file.folder} has no place in the design`);
        continue;
      }
      for (const { from, offset } of file.imports) {
        const target = targetOf(file, from);
        if (target === undefined) continue;
        const folder = /^src\/([^/]+?)(?:\.ts|\/)/.exec(target)?.[1];
        if (folder === undefined) problems.push(`${file.at(offset)}: ${from} is outside src`);
        else if (folder !== file.folder && !allowed.includes(folder)) {
          problems.push(`${file.at(offset)}: ${file.folder} must not import ${folder}`);
        }
      }
    }
    return problems;
  },
  bad: [
    { "src/model/a.ts": 'import type { x } from "../store/x.js";' },
    { "src/source/a.ts": 'export { x } from "../forward/x.js";' },
    { "src/cli/a.ts": 'await import("../main.js");' },
    { "src/engine/a.ts": 'import "../../test/x.js";' },
    { "src/util/a.ts": "" },
  ],
};

const packageHomes: Rule = {
  name: "each third-party package is imported in one folder",
  check(files) {
    const problems: string[] = [];
    for (const file of typeScript(files, "src/")) {
      for (const { from, offset } of file.imports) {
        if (from.startsWith(".") || from.startsWith("node:")) continue;
        const name = /^(?:@[^/]+\/)?[^/]+/.exec(from)![0];
        const home = HOME_OF_PACKAGE[name];
        if (home === undefined) problems.push(`${file.at(offset)}: ${name} has no home`);
        else if (home !== file.folder) problems.push(`${file.at(offset)}: ${name} belongs in ${home}/`);
      }
    }
    for (const file of files) {
      if (file.path !== "package.json") continue;
      const { dependencies = {} } = JSON.parse(file.text) as { dependencies?: Record<string, string> };
      for (const name of Object.keys(dependencies)) {
        if (HOME_OF_PACKAGE[name] === undefined) problems.push(`package.json: ${name} has no home`);
      }
    }
    return problems;
  },
  bad: [
    { "src/forward/a.ts": 'import { connect } from "mqtt";' },
    { "src/engine/a.ts": 'import _ from "lodash/fp";' },
    { "package.json": '{"dependencies":{"left-pad":"1"}}' },
  ],
};

const pureCore: Rule = {
  name: "the synchronous core knows no I/O",
  check(files) {
    return typeScript(files, "src/")
      .filter((file) => PURE.has(file.folder ?? ""))
      .flatMap((file) =>
        file.imports
          .filter(({ from }) => from.startsWith("node:") && !PURE_BUILTINS.has(from))
          .map(({ from, offset }) => `${file.at(offset)}: ${from} in the core`),
      );
  },
  bad: [{ "src/engine/a.ts": 'import { readFileSync } from "node:fs";' }],
};

const noCycles: Rule = {
  name: "there are no import cycles",
  check(files) {
    const graph = new Map<string, string[]>();
    for (const file of typeScript(files)) {
      const targets = file.imports.map(({ from }) => targetOf(file, from));
      graph.set(
        file.path,
        targets.filter((target) => target !== undefined),
      );
    }
    const done = new Set<string>();
    const problems: string[] = [];
    const walk = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) {
        problems.push([...way.slice(way.indexOf(path)), path].join(" -> "));
        return;
      }
      if (done.has(path)) return;
      for (const target of graph.get(path) ?? []) walk(target, [...way, path]);
      done.add(path);
    };
    for (const path of graph.keys()) walk(path, []);
    return problems;
  },
  bad: [
    {
      "src/model/a.ts": 'import { b } from "./b.js";',
      "src/model/b.ts": 'import type { c } from "./c.js";',
      "src/model/c.ts": 'export { a } from "./a.js";',
    },
    { "src/model/a.ts": 'import "./a.js";' },
  ],
};

const extensions: Rule = {
  name: "relative imports name the file that Node will load",
  check(files) {
    return typeScript(files).flatMap((file) =>
      file.imports
        .filter(({ from }) => from.startsWith(".") && !/\.(js|json)$/.test(from))
        .map(({ from, offset }) => `${file.at(offset)}: '${from}' does not end in .js`),
    );
  },
  bad: [{ "src/model/a.ts": 'import { b } from "./b";' }, { "test/a.ts": 'import { b } from "./b.ts";' }],
};

const noBarrels: Rule = {
  name: "there are no barrels: a file that only re-exports others (the library's face excepted)",
  check(files) {
    const problems: string[] = [];
    for (const file of typeScript(files)) {
      for (const node of file.nodes("ExportAllDeclaration"))
        problems.push(`${file.at(node.start)}: export *`);
      const body = file.program.body as readonly { readonly source?: unknown; readonly type: string }[];
      const reExports = body.filter((each) => each.type === "ExportNamedDeclaration" && each.source);
      const nothingElse = body.every((each) => each.type === "ImportDeclaration" || reExports.includes(each));
      if (reExports.length > 0 && nothingElse && file.path !== "src/index.ts") {
        problems.push(`${file.path}: only re-exports`);
      }
    }
    return problems;
  },
  bad: [
    { "src/index.ts": 'export * from "./model/a.js";' },
    { "src/model/index.ts": 'export { a } from "./a.js";\nexport type { b } from "./b.js";' },
  ],
};

/** Path of what a relative import means; undefined for packages and built-in modules. */
function targetOf(file: SourceFile, from: string): string | undefined {
  if (!from.startsWith(".")) return undefined;
  return join(dirname(file.path), from).replace(/\.js$/, ".ts");
}

export const importRules: readonly Rule[] = [
  folderDirections,
  packageHomes,
  pureCore,
  noCycles,
  extensions,
  noBarrels,
];
