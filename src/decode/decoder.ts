import { CsvDecoder } from "./csv.js";
import { JsonDecoder } from "./json.js";
import { KvDecoder } from "./kv.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { DecodeSpec } from "./spec.js";

export type { RecordDecoder } from "./record-decoder.js";

/** The decoder for a profile's `decode` section. */
export function createDecoder(spec: DecodeSpec): RecordDecoder {
  switch (spec.format) {
    case "json":
      return new JsonDecoder(spec);
    case "csv":
      return new CsvDecoder(spec);
    case "kv":
      return new KvDecoder(spec);
  }
}
