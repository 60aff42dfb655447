/** The YAML parser's complaints in our words: a place, what is wrong, what to do; quoting nothing of the file. */
import type { parseDocument, YAMLError } from "yaml";

export interface SyntaxProblem {
  /** In characters from the start of the file. */
  readonly offset: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export function syntaxProblems(document: ReturnType<typeof parseDocument>): SyntaxProblem[] {
  const { errors, warnings, directives } = document;
  const problems = [...errors, ...warnings].map((error) => ({ offset: error.pos[0], ...explain(error) }));
  const version = directives?.yaml.version;
  if (version !== undefined && version !== "1.2") {
    const message = `YAML ${version} is not understood, only 1.2`;
    problems.push({ offset: 0, code: "yaml-syntax", message, hint: "remove the %YAML directive" });
  }
  return problems;
}

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
      return /\btabs?\b/i.test(message) ? { code, message, hint: "indent with spaces" } : { code, message };
  }
}
