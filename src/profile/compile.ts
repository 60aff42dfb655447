import { createHash } from "node:crypto";
import { createDecoder, type RecordDecoder } from "../decode/decoder.js";
import type { CleanRule, DuplicateRule, Field, Profile, TimePolicy } from "../model/profile.js";
import { compileCoercion, enumNames } from "./coerce.js";
import { compileComputed, fieldVariables } from "./computed.js";
import { compileCondition } from "./expression.js";
import { compileDecode, type Extraction, type FieldReader } from "./extract.js";
import { compileLook } from "./record-path.js";
import type { ProfileDocument } from "./schema.js";
import { compileTimeFormat } from "./time-format.js";
import { compileWindow } from "./windows.js";

export interface CompileOptions {
  /** The YAML text that the document was read from. */
  readonly source: string;
  /** The gateway's zone; with the source it determines everything the engine does. */
  readonly zone: string;
  readonly file: string;
}

/** From a valid document to closures. */
export function compileProfile(document: ProfileDocument, options: CompileOptions): Profile {
  const { source, zone, file } = options;
  const fields = compileFields(document);
  const mqtt = document.match?.mqtt;
  const extract = (decoder: RecordDecoder): Profile["decode"] =>
    compileDecode(extractionOf(document, decoder, zone));
  const decoder = createDecoder(document.decode);
  return {
    id: document.id,
    version: document.version,
    hash: profileHash(source, zone),
    fields,
    time: timePolicy(document.time),
    duplicates: duplicateRule(document.duplicates),
    clean: document.clean.map((rule) => cleanRule(rule, fields)),
    windows: document.windows.map((window) => compileWindow(window, fields, zone)),
    tags: document.tags,
    source,
    zone,
    file,
    hasEventTime: document.time.from !== undefined,
    format: document.decode.format,
    encoding: document.decode.format === "json" ? "utf-8" : document.decode.encoding,
    topics: mqtt?.topics ?? [],
    conditional: mqtt?.where !== undefined,
    status: mqtt?.status,
    decode: extract(decoder),
    openStream: () => ({ decode: extract(decoder.openStream()) }),
  };
}

/** State and journal refer to a profile by this; equal text in an equal zone means equal behaviour. */
function profileHash(source: string, zone: string): string {
  return createHash("sha256").update(`${zone}\0${source}`).digest("hex").slice(0, 16);
}

function compileFields(document: ProfileDocument): readonly Field[] {
  const entries = Object.entries(document.fields);
  const shapes = entries.map(([name, field]) => ({
    name,
    type: field.type,
    digits: field.digits,
    names: field.type === "enum" ? enumNames(field.values) : undefined,
  }));
  return entries.map(([name, field], index) => ({
    name,
    type: field.type,
    unit: field.as ?? field.unit,
    resolution: field.resolution,
    maxGapMs: field.maxGap,
    counter: counterOf(field),
    range: field.range,
    plausible: field.plausible,
    values: shapes[index]!.names,
    compute:
      field.compute === undefined
        ? undefined
        : compileComputed(field.compute, shapes[index]!, fieldVariables(shapes.slice(0, index))),
  }));
}

const ROLLOVERS = { "16bit": 2 ** 16, "32bit": 2 ** 32 } as const;

function counterOf({ kind, rollover }: ProfileDocument["fields"][string]): Field["counter"] {
  if (kind !== "counter") return undefined;
  return { rollover: typeof rollover === "string" ? ROLLOVERS[rollover] : rollover };
}

function timePolicy(time: ProfileDocument["time"]): TimePolicy {
  return {
    maxPastMs: time.maxPast,
    // A stamp of arrival is never ahead of it.
    maxFutureMs: time.from === undefined ? 0 : time.maxFuture,
    outOfOrdernessMs: time.outOfOrderness ?? (time.from === undefined ? 0 : 5_000),
    idleTimeoutMs: time.idleTimeout,
    periodMs: time.period,
  };
}

function duplicateRule(rule: ProfileDocument["duplicates"]): DuplicateRule {
  return rule.by === "key" ? { by: "key", ttlMs: rule.ttl } : { by: "time", conflicting: rule.conflicting };
}

function cleanRule(rule: ProfileDocument["clean"][number], fields: readonly Field[]): CleanRule {
  const names = Array.isArray(rule.on) ? rule.on : [rule.on];
  return {
    fields: names.map((name) => fields.findIndex((field) => field.name === name)),
    outside: rule.outside,
    action: rule.do,
  };
}

function extractionOf(document: ProfileDocument, decoder: RecordDecoder, zone: string): Extraction {
  const { identity, time, duplicates } = document;
  const where = document.match?.mqtt?.where;
  return {
    decoder,
    fieldCount: Object.keys(document.fields).length,
    readers: fieldReaders(document, decoder),
    where: where === undefined ? undefined : compileCondition(where),
    identity: identity === undefined ? undefined : compileLook(decoder, identity.from, identity.join),
    time:
      time.from === undefined || time.format === undefined
        ? undefined
        : {
            look: compileLook(decoder, time.from, time.join),
            parse: compileTimeFormat(time.format, timeZoneOf(document, zone)),
            elseArrival: time.else === "arrival",
          },
    key: duplicates.by === "key" ? compileLook(decoder, duplicates.from, duplicates.join) : undefined,
  };
}

/** The zone in which the profile's local times are. */
export function timeZoneOf(document: ProfileDocument, gatewayZone: string): string {
  return document.time.zone === "gateway" ? gatewayZone : document.time.zone;
}

function fieldReaders(document: ProfileDocument, decoder: RecordDecoder): readonly FieldReader[] {
  return Object.entries(document.fields).flatMap(([name, field], index): FieldReader[] => {
    if (field.from === undefined) return [];
    return [{ index, name, look: compileLook(decoder, field.from, ""), coerce: compileCoercion(field) }];
  });
}
