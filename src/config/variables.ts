/**
 * Environment variables in texts: `${NAME}`, or `${NAME:-default}` where it may be unset or empty; `$${` stands for
 * a plain `${`. It happens after the YAML was read, so that a value can neither change the file's structure nor
 * shift the places of problems, and only once, so that a value is not looked at again.
 */
import type { TextHook } from "../schema/yaml.js";

const REFERENCE = /\$(\$?)\{([^}]*)(\}?)/g;
const CONTENT = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the parts of a reference are shown as in messages. */
const reference = (content: string): string => `\${${content}}`;

export function substituteVariables(env: Environment): TextHook {
  return (text, problem) =>
    text.replace(REFERENCE, (whole: string, dollar: string, content: string, end: string) => {
      if (dollar !== "") return whole.slice(1);
      const [, name, fallback] = CONTENT.exec(content) ?? [];
      if (name === undefined || end === "") {
        // What it says is not shown: it may well be a password.
        const message = "a reference to an environment variable is malformed";
        const hint = `write ${reference("NAME")} or ${reference("NAME:-default")}; $\${ stands for a plain \${`;
        problem({ code: "bad-variable", message, hint });
        return whole;
      }
      const value = env[name];
      if (value !== undefined && (value !== "" || fallback === undefined)) return value;
      if (fallback !== undefined) return fallback;
      const hint = `set it, or give a default: ${reference(`${name}:-default`)}`;
      problem({ code: "missing-variable", message: `the environment variable ${name} is not set`, hint });
      return whole;
    });
}
