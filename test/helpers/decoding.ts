import { createDecoder, type RecordDecoder } from "../../src/decode/decoder.js";
import type { CsvSpec, JsonSpec, KvSpec } from "../../src/decode/spec.js";
import { WeirError } from "../../src/model/errors.js";

export interface Outcome {
  /** Per record the values at the places that were asked for. */
  readonly records: readonly unknown[][];
  readonly bad: readonly string[];
  /** Code of what `decode` threw. */
  readonly code: string | undefined;
}

/** Decodes payloads one after another and reads the same places of every record. */
export function readWith(
  decoder: RecordDecoder,
  places: readonly string[],
  ...payloads: readonly (string | Uint8Array)[]
): Outcome {
  return readAll(decoder, places, payloads);
}

/** The same for more payloads than a call takes. */
export function readAll(
  decoder: RecordDecoder,
  places: readonly string[],
  payloads: Iterable<string | Uint8Array>,
): Outcome {
  const getters = places.map((place) => decoder.getter(place));
  const records: unknown[][] = [];
  const bad: string[] = [];
  let code: string | undefined;
  for (const payload of payloads) {
    try {
      decoder.decode(
        payload,
        (record) => void records.push(getters.map((get) => get(record))),
        (detail) => void bad.push(detail),
      );
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      code = error.code;
    }
  }
  return { records, bad, code };
}

export function json(spec: Partial<JsonSpec> = {}): RecordDecoder {
  return createDecoder({ format: "json", maxBytes: 1_048_576, ...spec });
}

export function csv(spec: Partial<CsvSpec> = {}): RecordDecoder {
  return createDecoder({
    format: "csv",
    maxBytes: 1_048_576,
    separator: ",",
    header: false,
    quote: '"',
    encoding: "utf-8",
    decimal: ".",
    missing: [],
    ...spec,
  });
}

export function kv(spec: Partial<KvSpec> = {}): RecordDecoder {
  return createDecoder({
    format: "kv",
    maxBytes: 1_048_576,
    separator: "whitespace",
    assign: "=",
    encoding: "utf-8",
    decimal: ".",
    missing: [],
    ...spec,
  });
}

/** The error code that compiling a place ends in. */
export function placeError(decoder: RecordDecoder, place: string): string | undefined {
  try {
    decoder.getter(place);
    return undefined;
  } catch (error) {
    return error instanceof WeirError ? error.code : String(error);
  }
}
