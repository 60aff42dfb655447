import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { parseSync } from "oxc-parser";

/** A node of the syntax tree (ESTree with TypeScript's additions); fields differ by type. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface ImportOf {
  readonly from: string;
  readonly offset: number;
}

/** One file of the repository; the syntax is read only where a rule asks for it. */
export class SourceFile {
  readonly path: string;
  readonly text: string;
  private parsed: ReturnType<typeof parseSync> | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** `src/engine/clean.ts` is in `engine`; `src/agent.ts` is `agent`; undefined outside src. */
  get folder(): string | undefined {
    return /^src\/([^/]+?)(?:\.ts|\/)/.exec(this.path)?.[1];
  }

  get isTypeScript(): boolean {
    return this.path.endsWith(".ts");
  }

  get program(): SyntaxNode {
    return this.parse().program as unknown as SyntaxNode;
  }

  get comments(): readonly { readonly value: string; readonly start: number; readonly end: number }[] {
    return this.parse().comments;
  }

  /** Everything it imports or re-exports, types included, and `import("…")` of a literal. */
  get imports(): readonly ImportOf[] {
    const { staticImports, staticExports } = this.parse().module;
    const found: ImportOf[] = staticImports.map((each) => ({
      from: each.moduleRequest.value,
      offset: each.start,
    }));
    for (const { entries, start } of staticExports) {
      const from = entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest?.value;
      if (from !== undefined) found.push({ from, offset: start });
    }
    for (const node of this.nodes("ImportExpression")) {
      const source = node.source as SyntaxNode;
      if (typeof source.value === "string") found.push({ from: source.value, offset: node.start });
    }
    return found;
  }

  /** All nodes of some types, outer ones first. */
  nodes(...types: readonly string[]): SyntaxNode[] {
    const wanted = new Set(types);
    const found: SyntaxNode[] = [];
    visit(this.program, (node) => {
      if (wanted.has(node.type)) found.push(node);
    });
    return found;
  }

  line(offset: number): number {
    return this.text.slice(0, offset).split("\n").length;
  }

  at(offset: number): string {
    return `${this.path}:${this.line(offset)}`;
  }

  textOf(node: SyntaxNode): string {
    return this.text.slice(node.start, node.end);
  }

  private parse(): ReturnType<typeof parseSync> {
    this.parsed ??= parseSync(this.path, this.text, { lang: "ts", sourceType: "module" });
    const error = this.parsed.errors[0];
    if (error !== undefined) throw new Error(`${this.path}: ${error.message}`);
    return this.parsed;
  }
}

function visit(value: unknown, each: (node: SyntaxNode) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, each);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if ("type" in value && typeof value.type === "string") each(value as SyntaxNode);
  for (const child of Object.values(value)) visit(child, each);
}

/** What git has or would add: neither installed packages nor build output. Binary files are left out. */
export function repositoryFiles(): SourceFile[] {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const files: SourceFile[] = [];
  for (const path of new Set(listed.split("\0"))) {
    if (path === "" || !existsSync(path)) continue;
    const text = readFileSync(path, "utf8");
    if (!text.includes("\0")) files.push(new SourceFile(path, text));
  }
  return files;
}

/** Source and test code, or that of the product alone. */
export function typeScript(files: readonly SourceFile[], below = ""): SourceFile[] {
  return files.filter((file) => file.isTypeScript && file.path.startsWith(below));
}
