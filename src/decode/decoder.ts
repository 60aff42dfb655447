import { WeirError } from "../model/errors.js";
import { CsvDecoder } from "./csv.js";
import { JsonDecoder } from "./json.js";
import { KvDecoder } from "./kv.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { DecodeSpec } from "./spec.js";

export type { RecordDecoder } from "./record-decoder.js";

/**
 * The decoder for a profile's `decode` section.
 * @throws WeirError `bad-format` when the section has not been checked and names another format
 */
export function createDecoder(spec: DecodeSpec): RecordDecoder {
  switch (spec.format) {
    case "json":
      return new JsonDecoder(spec);
    case "csv":
      return new CsvDecoder(spec);
    case "kv":
      return new KvDecoder(spec);
    default:
      throw new WeirError("bad-format", "the format is not known", { hint: "formats are json, csv and kv" });
  }
}
