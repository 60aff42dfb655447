/** The YAML parser's complaints in our words: a place, what is wrong, what to do; quoting nothing of the file. */
import type { parseDocument, YAMLError } from "yaml";

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

/** @param text the file, to recognise what people trip over */
export function syntaxProblems(document: ReturnType<typeof parseDocument>, text: string): SyntaxProblem[] {
  const { errors, warnings, directives } = document;
  const problems = [...errors, ...warnings].map((error): SyntaxProblem => {
    const offset = error.pos[0];
    if (text[offset] === "{" && text[offset - 1] === "$") return { offset: offset - 1, ...BARE_VARIABLE };
    return { offset, ...explain(error) };
  });
  const version = directives?.yaml.version;
  if (version !== undefined && version !== "1.2") {
    const message = `YAML ${version} is not understood, only 1.2`;
    problems.push({ offset: 0, code: "yaml-syntax", message, hint: "remove the %YAML directive" });
  }
  return problems;
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
