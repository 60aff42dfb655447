/** The YAML parser's complaints in our words: a place, what is wrong, what to do; quoting nothing of the file. */
import { CST, Lexer, type parseDocument, type YAMLError } from "yaml";

export interface SyntaxProblem {
  /** In characters from the start of the file. */
  readonly offset: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** Between braces and brackets a plain text ends at the next brace. */
const BARE_VARIABLE = {
  code: "yaml-syntax",
  message: "a variable inside { } or [ ] needs quotes",
  hint: `put it in double quotes: "\${…}"`,
};

/** Errors after which the parser takes what follows for something else, so that more of them say nothing new. */
const MISLEADING: ReadonlySet<YAMLError["code"]> = new Set([
  "BAD_INDENT",
  "BLOCK_AS_IMPLICIT_KEY",
  "BLOCK_IN_FLOW",
  "IMPOSSIBLE",
  "MISSING_CHAR",
  "MULTILINE_IMPLICIT_KEY",
  "TAB_AS_INDENT",
  "UNEXPECTED_TOKEN",
]);

/**
 * What is wrong, in the order of the file; of errors that mislead the parser only the first.
 * @param text the file, to recognise what people trip over
 */
export function syntaxProblems(document: ReturnType<typeof parseDocument>, text: string): SyntaxProblem[] {
  const { errors, warnings, directives } = document;
  const problems: SyntaxProblem[] = [];
  const unclosed = errors.some(isNotClosed) ? unclosedIn(text) : [];
  let misledFrom = Number.POSITIVE_INFINITY;
  for (const problem of unclosed) {
    problems.push(problem);
    misledFrom = Math.min(misledFrom, problem.offset);
  }
  let first: YAMLError | undefined;
  for (const error of [...errors, ...warnings]) {
    const [offset] = error.pos;
    if (text[offset] === "{" && text[offset - 1] === "$") {
      problems.push({ offset: offset - 1, ...BARE_VARIABLE });
      misledFrom = Math.min(misledFrom, offset);
    } else if (!MISLEADING.has(error.code)) problems.push({ offset, ...explain(error, text) });
    else if (first === undefined || isBefore(error, first)) first = error;
  }
  if (first !== undefined && first.pos[0] < misledFrom) {
    problems.push({ offset: first.pos[0], ...explain(first, text) });
  }
  const version = directives?.yaml.version;
  if (version !== undefined && version !== "1.2") {
    const message = `YAML ${version} is not understood, only 1.2`;
    problems.push({ offset: 0, code: "yaml-syntax", message, hint: "remove the %YAML directive" });
  }
  return problems.sort((a, b) => a.offset - b.offset);
}

/** Of several at one place the one about keys says the least: anything may be taken for a key. */
function isBefore(error: YAMLError, other: YAMLError): boolean {
  const distance = error.pos[0] - other.pos[0];
  return distance < 0 || (distance === 0 && other.code === "MULTILINE_IMPLICIT_KEY");
}

/** Brackets and quotes that do not end, which the parser says where it gives up, and people look for where they begin. */
function isNotClosed({ message }: YAMLError): boolean {
  return /end with a|missing closing/i.test(message);
}

const CLOSING: Readonly<Record<string, string>> = { "{": "}", "[": "]" };

/** @param next the bracket that comes where this one should have been closed */
function notClosed(text: string, offset: number, next?: string): SyntaxProblem {
  const mark = text[offset]!;
  const closing = CLOSING[mark];
  let remedy = "; indent what is in it further than its line";
  if (next !== undefined) remedy = "";
  if (closing === undefined)
    remedy = mark === '"' ? '; a " within is written \\"' : "; a quote within is doubled";
  const before = next === undefined ? "" : ` before the next ${next}`;
  const message = `this ${mark} is not closed${before}`;
  return { offset, code: "yaml-syntax", message, hint: `close it with ${closing ?? mark}${remedy}` };
}

/** The brackets and quotes that are not closed: of brackets within each other the outermost. */
function unclosedIn(text: string): SyntaxProblem[] {
  const problems: SyntaxProblem[] = [];
  const brackets = new OpenBrackets();
  const report = (offset: number | undefined, next?: string) => {
    if (offset !== undefined) problems.push(notClosed(text, offset, next));
  };
  let at = 0;
  let isText = false;
  for (const lexeme of new Lexer().lex(text)) {
    const type: CST.TokenType | null = isText ? null : CST.tokenType(lexeme);
    isText = type === "scalar";
    switch (type) {
      // Marks of the lexer itself, which are not in the file.
      case "scalar":
      case "doc-mode":
        continue;
      case "flow-error-end":
        report(brackets.clear());
        continue;
      case "flow-map-start":
      case "flow-seq-start":
        brackets.open(lexeme, at);
        break;
      case "flow-map-end":
      case "flow-seq-end":
        report(brackets.close(lexeme), lexeme);
        break;
      case "double-quoted-scalar":
      case "single-quoted-scalar":
        // It ends with the file, and so do the brackets around it.
        if (lexeme.length === 1 || !lexeme.endsWith(lexeme[0]!)) return [...problems, notClosed(text, at)];
    }
    at += lexeme.length;
  }
  report(brackets.clear());
  return problems;
}

class OpenBrackets {
  /** Where they stand, outermost first, and what would close them. */
  readonly #open: { readonly offset: number; readonly closing: string }[] = [];
  /** How many of them each closing bracket would close. */
  readonly #depths = new Map<string, number>();

  open(mark: string, offset: number): void {
    const closing = CLOSING[mark]!;
    this.#open.push({ offset, closing });
    this.#depths.set(closing, (this.#depths.get(closing) ?? 0) + 1);
  }

  /** @returns where the outermost stands that should have been closed before, if one should */
  close(closing: string): number | undefined {
    // One that closes nothing stands in place of the right one.
    if (!this.#depths.get(closing)) return this.#pop();
    let left: number | undefined;
    while (this.#open.at(-1)?.closing !== closing) left = this.#pop();
    this.#pop();
    return left;
  }

  /** @returns where the outermost stands, if any is open */
  clear(): number | undefined {
    const outermost = this.#open[0]?.offset;
    this.#open.length = 0;
    this.#depths.clear();
    return outermost;
  }

  #pop(): number | undefined {
    const last = this.#open.pop();
    if (last !== undefined) this.#depths.set(last.closing, this.#depths.get(last.closing)! - 1);
    return last?.offset;
  }
}

const MISALIGNED = "this line begins left or right of those it belongs to";

/** By what the parser says: what a person would say, where that is plainer, and what to do. */
const SLIPS: readonly (readonly [said: RegExp, message: string | undefined, hint: string])[] = [
  [/\btabs?\b/i, undefined, "indent with spaces"],
  [/flow-(map|seq)-end/, "this bracket closes nothing", "remove it, or open it before"],
  [/same column/, MISALIGNED, "indent the keys of a mapping alike"],
  [/^A block sequence may/, MISALIGNED, "indent the items of a list alike"],
  [
    /block-seq-ind/,
    "a list item cannot stand here",
    "write the items of a list below its key, each in a line",
  ],
  [/without - /, "this is no item of the list before it", 'begin each item with "- "'],
  [/^Unexpected ,|empty item/, "there is nothing before this comma", "remove it"],
  [/^Unexpected : /, "there is nothing before this colon", "remove it"],
  [/^Missing , /, "a comma is missing before this", "put a comma between the items"],
  [
    /within flow collections/,
    "the next key begins before this value has ended",
    'put a comma between the keys; a text with ": " in it needs quotes',
  ],
  [
    /^Nested mappings/,
    'this value has a ": " in it',
    'a text with ": " in it needs quotes; indent keys alike',
  ],
  [
    /^Implicit (map )?keys/,
    'this is no "key: value"',
    "look for a colon that is missing, or a blank behind it",
  ],
  [/^Block scalar header/, "nothing may follow | or > in its line", "write the text below it, indented"],
  [/^Invalid escape/, undefined, "write \\\\ for a backslash, or put the text in single quotes"],
  [/directive/, undefined, 'a text that begins with "%" needs quotes'],
  [/quote/, undefined, "close the quotes; a quote within them is doubled"],
];
const LOOK = "look here and at the line before: indentation, quotes, brackets, and a blank behind each colon";

function explain(error: YAMLError, text: string): Omit<SyntaxProblem, "offset"> {
  const code = "yaml-syntax";
  const first = error.message.split("\n")[0]!.replace(/[.:]$/, "");
  const message = /^[A-Z][a-z]/.test(first) ? first[0]!.toLowerCase() + first.slice(1) : first;
  switch (error.code) {
    case "TAG_RESOLVE_FAILED":
      return {
        code: "bad-tag",
        message: "tags are not understood",
        hint: 'a text that begins with "!" needs quotes',
      };
    case "BAD_ALIAS":
      return { code, message, hint: 'a text that begins with "*" or "&" needs quotes' };
    case "MULTIPLE_DOCS":
      return { code, message: "a second document begins here", hint: 'remove the "---" line' };
    case "RESOURCE_EXHAUSTION": {
      const hint = "look for brackets that are not closed";
      return { code, message: "brackets or lists are nested too deep", hint };
    }
    case "BAD_SCALAR_START": {
      const sign = text[error.pos[0]];
      return { code, message: `a text cannot begin with ${sign}`, hint: "put the text in quotes" };
    }
    case "NON_STRING_KEY":
      return {
        code,
        message: "this cannot be a key",
        hint: 'a key that begins with "*", "[" or "{" needs quotes',
      };
  }
  if (/ at node end|scalar token/.test(first)) return { code, ...behindTheEnd(text, error.pos[0]) };
  const [, plain = message, hint = LOOK] = SLIPS.find(([said]) => said.test(first)) ?? [];
  return { code, message: plain, hint };
}

function behindTheEnd(text: string, offset: number): Pick<SyntaxProblem, "message" | "hint"> {
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  return text.slice(lineStart, offset).trim() === ""
    ? { message: "this line belongs to nothing before it", hint: "indent it like the lines it belongs to" }
    : {
        message: "the value has ended before this",
        hint: "put the whole text in quotes, or remove the rest",
      };
}
