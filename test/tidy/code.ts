import type { Rule } from "./rule.js";
import { type SourceFile, type SyntaxNode, typeScript } from "./source-file.js";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"] as const;

const shortFiles: Rule = {
  name: `no file has more than ${FILE_LINES_MAX} lines`,
  check(files) {
    return files
      .filter((file) => file.isTypeScript || file.path.startsWith("scripts/"))
      .filter((file) => file.text.trimEnd().split("\n").length > FILE_LINES_MAX)
      .map((file) => `${file.path}: ${file.text.trimEnd().split("\n").length} lines`);
  },
  bad: [{ "test/a.ts": "\n".repeat(FILE_LINES_MAX).concat("export const a = 1;\n") }],
};

const shortFunctions: Rule = {
  name: `no function has more than ${FUNCTION_LINES_MAX} lines`,
  check(files) {
    const code = [...typeScript(files, "src/"), ...typeScript(files, "scripts/")];
    return code.flatMap((file) =>
      file
        .nodes(...FUNCTIONS)
        .map((node) => ({ node, lines: file.line(node.end) - file.line(node.start) + 1 }))
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ node, lines }) => `${file.at(node.start)}: ${lines} lines`),
    );
  },
  bad: [
    { "src/model/a.ts": `export function f() {${"\n".repeat(FUNCTION_LINES_MAX)}}` },
    { "src/model/a.ts": `export class A {\n  m() {\n    // {{\n${"\n".repeat(FUNCTION_LINES_MAX)}}}` },
    { "src/model/a.ts": `export const f = () => {${"\n".repeat(FUNCTION_LINES_MAX)}};` },
  ],
};

const namedExports: Rule = {
  name: "there are no default exports",
  check(files) {
    return typeScript(files)
      .filter((file) => file.path !== "test/vitest.config.ts")
      .flatMap((file) =>
        [
          ...file.nodes("ExportDefaultDeclaration", "TSExportAssignment"),
          ...file.nodes("ExportSpecifier").filter((node) => (node.exported as SyntaxNode).name === "default"),
        ].map((node) => `${file.at(node.start)}: default export`),
      );
  },
  bad: [
    { "src/model/a.ts": "export default 1;" },
    { "src/model/a.ts": "const a = 1;\nexport { a as default };" },
  ],
};

const noAny: Rule = {
  name: "nothing is of type any, and no check is switched off in the product",
  check(files) {
    const anys = typeScript(files).flatMap((file) =>
      file.nodes("TSAnyKeyword").map((node) => `${file.at(node.start)}: any`),
    );
    const silenced = typeScript(files, "src/").flatMap((file) =>
      file.comments
        .filter(({ value }) => /@ts-(ignore|expect-error|nocheck)|eslint-disable/.test(value))
        .map(({ start }) => `${file.at(start)}: a check switched off`),
    );
    return [...anys, ...silenced];
  },
  bad: [
    { "src/model/a.ts": "export const a: any = 1;" },
    { "test/a.ts": "export const a = 1 as unknown as Array<any>;" },
    { "src/model/a.ts": "// @ts-ignore\nexport const a: string = 1;" },
  ],
};

/** Calls that read the time, wait, or roll dice. */
const AMBIENT = new Set([
  ...["Date.now", "Math.random", "performance.now", "process.hrtime", "process.hrtime.bigint"],
  ...["setTimeout", "setInterval", "AbortSignal.timeout", "process.uptime", "Date"],
]);

const oneClock: Rule = {
  name: "nothing outside system/ (cli and main excepted) reads the time, sleeps or rolls dice",
  check(files) {
    const problems: string[] = [];
    for (const file of typeScript(files, "src/")) {
      if (["system", "cli", "main"].includes(file.folder ?? "")) continue;
      for (const node of file.nodes("CallExpression", "NewExpression")) {
        const callee = file.textOf(node.callee as SyntaxNode).replace(/^globalThis\./, "");
        const withoutArguments = (node.arguments as readonly unknown[]).length === 0;
        const reads =
          node.type === "NewExpression" ? callee === "Date" && withoutArguments : AMBIENT.has(callee);
        if (reads) problems.push(`${file.at(node.start)}: ${callee}`);
      }
      for (const { from, offset } of file.imports) {
        if (/^node:(timers|perf_hooks)/.test(from)) problems.push(`${file.at(offset)}: ${from}`);
      }
    }
    return problems;
  },
  bad: [
    ...["Date.now()", "new Date()", "Date()", "Math.random()", "performance.now()"],
    ...["setTimeout(() => {}, 1)", "globalThis.setInterval(() => {}, 1)"],
  ].map((call) => ({ "src/engine/a.ts": `export const a = ${call};` })),
};

const oneExit: Rule = {
  name: "only main.ts ends the process",
  check(files) {
    return typeScript(files, "src/")
      .filter((file) => file.path !== "src/main.ts")
      .flatMap((file) =>
        file
          .nodes("MemberExpression")
          .filter((node) => /^process\.(exit|abort|reallyExit|kill)$/.test(file.textOf(node)))
          .map((node) => `${file.at(node.start)}: ${file.textOf(node)}`),
      );
  },
  bad: [{ "src/cli/run.ts": "process.exit(1);" }, { "src/agent.ts": "const leave = process.exit;" }],
};

const explained: Rule = {
  name: "each file of the product says what it is, in a header or on what it exports",
  check(files) {
    return typeScript(files, "src/")
      .filter((file) => !startsWithComment(file) && !exportsDocumented(file))
      .map((file) => `${file.path}: neither a header nor a documented export`);
  },
  bad: [{ "src/model/a.ts": 'import { b } from "./b.js";\nexport const a = b; // why' }],
};

/** On its first line, or before the first thing after the imports. */
function startsWithComment(file: SourceFile): boolean {
  const body = file.program.body as readonly SyntaxNode[];
  const first = body.find((node) => node.type !== "ImportDeclaration");
  return /^(#!.*\n)?\s*\/[/*]/.test(file.text) || (first !== undefined && documented(file, first));
}

function exportsDocumented(file: SourceFile): boolean {
  return file.nodes("ExportNamedDeclaration").some((node) => documented(file, node));
}

function documented(file: SourceFile, node: SyntaxNode): boolean {
  return file.comments.some(
    ({ value, end }) =>
      value.startsWith("*") && end <= node.start && file.text.slice(end, node.start).trim() === "",
  );
}

const events: Rule = {
  name: "names of events are unique and in kebab case",
  check(files) {
    const seen = new Map<string, string>();
    const problems: string[] = [];
    for (const file of typeScript(files, "src/")) {
      for (const node of file.nodes("CallExpression")) {
        if (file.textOf(node.callee as SyntaxNode) !== "defineEvent") continue;
        const place = file.at(node.start);
        const name = (node.arguments as readonly SyntaxNode[])[0]?.value;
        if (typeof name !== "string") problems.push(`${place}: the name must be a literal`);
        else if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) problems.push(`${place}: '${name}'`);
        else if (seen.has(name)) problems.push(`${place}: '${name}' is also at ${seen.get(name)}`);
        else seen.set(name, place);
      }
    }
    return problems;
  },
  bad: [
    { "src/a.ts": 'defineEvent("sourceLost", "warn", "");' },
    { "src/a.ts": 'defineEvent<{ a: 1 }>("a-b", "warn", ""); defineEvent("a-b", "info", "");' },
    { "src/a.ts": 'defineEvent(prefix + "b", "warn", "");' },
  ],
};

const wholeSuite: Rule = {
  name: "no test is alone, switched off without a condition, or still to be written",
  check(files) {
    return typeScript(files, "test/")
      .filter((file) => file.path.endsWith(".test.ts"))
      .flatMap((file) =>
        file
          .nodes("CallExpression")
          .map((node) => ({ node, callee: file.textOf(node.callee as SyntaxNode) }))
          .filter(({ callee }) => /^(it|test|describe)\.(only|skip|todo|fails)\b/.test(callee))
          .map(({ node, callee }) => `${file.at(node.start)}: ${callee}`),
      );
  },
  bad: [{ "test/a.test.ts": 'it.only("x", () => {});' }, { "test/a.test.ts": 'describe.skip("x", f);' }],
};

const propertyCases: Rule = {
  name: "every property says with how many cases it is tried, so that a night can try more",
  check(files) {
    const count = (text: string, part: string) => text.split(part).length - 1;
    return typeScript(files, "test/")
      .filter(({ path }) => path.endsWith(".test.ts") && !path.startsWith("test/tidy"))
      .filter(({ text }) => count(text, "fc.assert(") > count(text, "cases(") || text.includes("numRuns"))
      .map(({ path }) => path);
  },
  bad: [
    { "test/unit/a.test.ts": "fc.assert(fc.property(fc.nat(), (n) => n >= 0));" },
    { "test/unit/a.test.ts": "fc.assert(fc.property(fc.nat(), (n) => n >= 0), { numRuns: 5 });" },
  ],
};

export const codeRules: readonly Rule[] = [
  shortFiles,
  shortFunctions,
  namedExports,
  noAny,
  oneClock,
  oneExit,
  explained,
  events,
  wholeSuite,
  propertyCases,
];
