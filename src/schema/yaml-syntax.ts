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
  for (const offset of unclosed) problems.push({ offset, ...notClosed(text[offset]!) });
  let misledFrom = unclosed[0] ?? Number.POSITIVE_INFINITY;
  let first: YAMLError | undefined;
  for (const error of [...errors, ...warnings]) {
    const [offset] = error.pos;
    if (text[offset] === "{" && text[offset - 1] === "$") {
      problems.push({ offset: offset - 1, ...BARE_VARIABLE });
      misledFrom = Math.min(misledFrom, offset);
    } else if (!MISLEADING.has(error.code)) problems.push({ offset, ...explain(error) });
    else if (first === undefined || offset < first.pos[0]) first = error;
  }
  if (first !== undefined && first.pos[0] < misledFrom) {
    problems.push({ offset: first.pos[0], ...explain(first) });
  }
  const version = directives?.yaml.version;
  if (version !== undefined && version !== "1.2") {
    const message = `YAML ${version} is not understood, only 1.2`;
    problems.push({ offset: 0, code: "yaml-syntax", message, hint: "remove the %YAML directive" });
  }
  return problems.sort((a, b) => a.offset - b.offset);
}

/** Brackets and quotes that do not end, which the parser says where it gives up, and people look for where they begin. */
function isNotClosed({ message }: YAMLError): boolean {
  return /end with a|missing closing/i.test(message);
}

function notClosed(mark: string): Omit<SyntaxProblem, "offset"> {
  const isQuote = mark === '"' || mark === "'";
  const remedy = isQuote ? "a quote within quotes is doubled" : "indent what is in it further than its line";
  return { code: "yaml-syntax", message: `this ${mark} is not closed`, hint: `close it; ${remedy}` };
}

/** Where the brackets and quotes stand that are not closed: of brackets within each other the outermost. */
function unclosedIn(text: string): number[] {
  const unclosed: number[] = [];
  let open: number[] = [];
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
        unclosed.push(...open.slice(0, 1));
        open = [];
        continue;
      case "flow-map-start":
      case "flow-seq-start":
        open.push(at);
        break;
      case "flow-map-end":
      case "flow-seq-end":
        open.pop();
        break;
      case "double-quoted-scalar":
      case "single-quoted-scalar":
        // It ends with the file, and so do the brackets around it.
        if (lexeme.length === 1 || !lexeme.endsWith(lexeme[0]!)) return [...unclosed, at];
    }
    at += lexeme.length;
  }
  return [...unclosed, ...open.slice(0, 1)];
}

/** By what the parser says. */
const SLIPS: readonly (readonly [RegExp, string])[] = [
  [/\btabs?\b/i, "indent with spaces"],
  [/same column/, "indent the keys of a mapping alike"],
  [
    /same indentation|sufficiently indented/,
    "indent it further than the line that it belongs to, and close it",
  ],
  [/flow (map|sequence|seq)|end with a/, "close every { with } and every [ with ]"],
  [/quote/, "close the quotes; a quote within them is doubled"],
];
const LOOK = "look here and at the line before: indentation, quotes, brackets, and a blank behind each colon";

function explain(error: YAMLError): Omit<SyntaxProblem, "offset"> {
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
    case "BAD_SCALAR_START":
      return { code, message, hint: "put the text in quotes" };
    case "BLOCK_AS_IMPLICIT_KEY":
      return { code, message, hint: 'a text with ": " in it needs quotes' };
    default:
      return { code, message, hint: SLIPS.find(([slip]) => slip.test(message))?.[1] ?? LOOK };
  }
}
