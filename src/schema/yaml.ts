/**
 * The one door to the YAML parser: text to a tree with places, and the tree to plain values.
 *
 * YAML 1.2 with the core schema; keys are text and unique; no custom tags, no merge keys, one document. A file comes
 * from a person but may be anything: its size and the number of its alias expansions are bounded (a few lines of
 * nested aliases otherwise unfold into gigabytes), and keys such as `__proto__` become plain own properties.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from "yaml";
import { LIMITS } from "../model/limits.js";
import { syntaxProblems } from "./yaml-syntax.js";

export type Path = readonly (string | number)[];

/** One-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface TreeProblem extends Place {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** Looks at, and may replace, the text of one string scalar. */
export type TextHook = (
  text: string,
  problem: (found: Omit<TreeProblem, "line" | "column">) => void,
) => string;

const UNKNOWN_ALIAS = {
  code: "unknown-alias",
  message: "an alias without an anchor before it",
  hint: 'a text that begins with "*" needs quotes',
};
const ANCHOR_HINT = "anchors are for short repetitions; write the value out";

/** A parsed file. `problems` are in no particular order. */
export class YamlTree {
  readonly problems: TreeProblem[] = [];
  /** Paths (as JSON) of texts that the hook changed. */
  readonly #replaced = new Set<string>();
  /** Whether the tree is whole; with syntax errors nothing sensible can be said about values. */
  readonly readable: boolean;
  readonly #document: ReturnType<typeof parseDocument>;
  readonly #lines = new LineCounter();
  readonly #text: string;
  #aliases = 0;

  constructor(text: string) {
    this.#text = text;
    this.#document = parseDocument(text, {
      version: "1.2",
      schema: "core",
      merge: false,
      resolveKnownTags: false,
      stringKeys: true,
      uniqueKeys: false,
      prettyErrors: false,
      lineCounter: this.#lines,
      logLevel: "error",
    });
    const lines = new Set<number>();
    for (const { offset, ...problem } of syntaxProblems(this.#document, text)) {
      const place = this.#at(offset);
      // One slip makes the parser stumble several times in a line.
      if (!lines.has(place.line)) this.problems.push({ ...problem, ...place });
      lines.add(place.line);
    }
    this.readable = this.problems.length === 0;
  }

  /** The plain value of the whole document; null when it is empty. Look at `unfolded` afterwards. */
  toPlain(hook?: TextHook): unknown {
    this.#aliases = 0;
    return this.#plain(this.#document.contents, [], hook);
  }

  /** False when the aliases went beyond the bound, so that the plain value has holes. */
  get unfolded(): boolean {
    return this.#aliases <= LIMITS.yamlAliasesMax;
  }

  /**
   * Turns a text that the hook changed into the number or boolean it spells.
   * @returns whether it did
   */
  retype(plain: unknown, path: Path, wanted: "number" | "boolean"): boolean {
    if (!this.#replaced.has(JSON.stringify(path))) return false;
    let parent = plain as Record<string | number, unknown>;
    for (const part of path.slice(0, -1)) parent = parent[part] as typeof parent;
    const key = path.at(-1)!;
    const value = parseDocument(String(parent[key]), { version: "1.2", schema: "core" }).toJS();
    if (typeof value !== wanted) return false;
    parent[key] = value;
    return true;
  }

  /** The place of a value or of its key; of the nearest thing around it where it does not exist. */
  place(path: Path, of: "key" | "value" = "value"): Place {
    let node: unknown = this.#document.contents;
    let key: unknown;
    for (const part of path) {
      const next = this.#child(node, part);
      if (next === undefined) break;
      key = next.key;
      // A key without a value has the place of the key.
      node = next.value ?? next.key;
    }
    const wanted = of === "key" ? (key ?? node) : node;
    return path.length === 0 && of === "key" ? { line: 1, column: 1 } : this.#placeOf(wanted);
  }

  /** The source text of a scalar, such as `1.10` where the value is 1.1. */
  sourceOf(path: Path): string | undefined {
    let node: unknown = this.#document.contents;
    for (const part of path) node = this.#child(node, part)?.value;
    return isScalar(node) ? (node as Scalar & { source?: string }).source : undefined;
  }

  #plain(node: unknown, path: Path, hook: TextHook | undefined): unknown {
    if (isAlias(node)) {
      this.#aliases += 1;
      if (this.#aliases > LIMITS.yamlAliasesMax) {
        if (this.#aliases === LIMITS.yamlAliasesMax + 1) this.#tooManyAliases(node);
        return undefined;
      }
      const anchored = node.resolve(this.#document);
      if (anchored === undefined) this.problems.push({ ...UNKNOWN_ALIAS, ...this.#placeOf(node) });
      return this.#plain(anchored, path, hook);
    }
    if (isMap(node)) return this.#plainMap(node, path, hook);
    if (isSeq(node)) return node.items.map((item, index) => this.#plain(item, [...path, index], hook));
    if (!isScalar(node)) return null;
    if (typeof node.value !== "string" || hook === undefined) return node.value;
    const text = hook(node.value, (found) => this.problems.push({ ...found, ...this.#placeOf(node) }));
    if (text !== node.value) this.#replaced.add(JSON.stringify(path));
    return text;
  }

  #plainMap(map: YAMLMap, path: Path, hook: TextHook | undefined): Record<string, unknown> {
    const plain: Record<string, unknown> = {};
    const first = new Map<string, Node>();
    for (const { key, value } of map.items) {
      const name = keyText(key);
      const earlier = first.get(name);
      if (earlier !== undefined) {
        const message = `the key "${name}" is already in line ${this.#placeOf(earlier).line}`;
        const hint = "put both together, or remove one";
        this.problems.push({ code: "duplicate-key", message, hint, ...this.#placeOf(key) });
        continue;
      }
      first.set(name, key as Node);
      const child = this.#plain(value, [...path, name], hook);
      // Assignment to `__proto__` would change the prototype instead of adding a key.
      Object.defineProperty(plain, name, {
        value: child,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return plain;
  }

  #tooManyAliases(node: Node): void {
    const message = `the file's aliases unfold more than ${LIMITS.yamlAliasesMax} times`;
    this.problems.push({ code: "too-many-aliases", message, hint: ANCHOR_HINT, ...this.#placeOf(node) });
  }

  #child(parent: unknown, part: string | number): { key: unknown; value: unknown } | undefined {
    const node = isAlias(parent) ? parent.resolve(this.#document) : parent;
    if (isSeq(node)) {
      const item = node.items[Number(part)];
      return item === undefined ? undefined : { key: item, value: item };
    }
    return isMap(node) ? node.items.find((pair) => keyText(pair.key) === String(part)) : undefined;
  }

  #placeOf(node: unknown): Place {
    const range = (node as Node | undefined | null)?.range;
    return range === undefined || range === null ? { line: 1, column: 1 } : this.#at(range[0]);
  }

  #at(offset: number): Place {
    const { line, col } = this.#lines.linePos(Math.min(offset, this.#text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}
