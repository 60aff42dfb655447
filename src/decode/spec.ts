/** The `decode` section of a profile, checked and with its defaults filled in. */
export type DecodeSpec = JsonSpec | CsvSpec | KvSpec;

export interface JsonSpec {
  readonly format: "json";
  /** Longest payload, in bytes. */
  readonly maxBytes: number;
  /** JSON Pointer to the array whose elements are the records; undefined: the payload is one record. */
  readonly records?: string | undefined;
}

interface TextSpec {
  readonly maxBytes: number;
  readonly encoding: "utf-8" | "latin1";
  readonly decimal: "." | ",";
  /** Mark between groups of three digits; any blank or no-break space stands for all of them. */
  readonly thousands?: string | undefined;
  /** Texts that stand for "no value", beside the empty one. */
  readonly missing: readonly string[];
}

export interface CsvSpec extends TextSpec {
  readonly format: "csv";
  /** One character, or `whitespace` for runs of blanks and tabs. */
  readonly separator: string;
  /** Whether the first row names the columns. */
  readonly header: boolean;
  /** Names of the columns; with `header` too, those of the header are passed over. */
  readonly columns?: readonly string[] | undefined;
  /** Empty for none. */
  readonly quote: string;
  /** Rows of another length are bad. */
  readonly fieldCount?: number | undefined;
}

export interface KvSpec extends TextSpec {
  readonly format: "kv";
  /** Between pairs: one character, or `whitespace`. */
  readonly separator: string;
  /** Between key and value. */
  readonly assign: string;
}
