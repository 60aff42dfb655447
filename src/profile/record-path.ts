import type { RecordDecoder } from "../decode/decoder.js";

/** What a path looks at: the record, or what the topic captured. */
export type Look = (record: unknown, captures: Readonly<Record<string, string>>) => unknown;

/** The name in `{name}`, which stands for what the topic captured; undefined for a place in the payload. */
export function captureName(from: string): string | undefined {
  return /^\{([A-Za-z][A-Za-z0-9_]*)\}$/.exec(from)?.[1];
}

/**
 * Compiles one or several paths.
 * @returns for several, the parts as one text; undefined where a part is absent
 * @throws WeirError `bad-path`
 */
export function compileLook(decoder: RecordDecoder, from: string | readonly string[], join: string): Look {
  if (typeof from === "string") return single(decoder, from);
  const looks = from.map((path) => single(decoder, path));
  if (looks.length === 1) return looks[0]!;
  return (record, captures) => {
    let text = "";
    for (let i = 0; i < looks.length; i += 1) {
      const part = looks[i]!(record, captures);
      if (part === undefined || typeof part === "object") return undefined;
      text = i === 0 ? String(part) : `${text}${join}${part}`;
    }
    return text;
  };
}

function single(decoder: RecordDecoder, path: string): Look {
  const capture = captureName(path);
  if (capture !== undefined) return (_record, captures) => captures[capture];
  return decoder.getter(path);
}
