/**
 * From decoded records to readings: condition, device, time, values, duplicate key, in that order.
 *
 * Every record that is the profile's ends in exactly one call of the sink. A value that is there but not of its
 * field's type is reported as unreadable and counts as missing; only a record in which nothing else is left is
 * rejected as invalid. Nothing in a payload makes this throw.
 */

import type { RecordDecoder } from "../decode/decoder.js";
import { isDeviceName } from "../model/device-name.js";
import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import type { PayloadContext, Profile } from "../model/profile.js";
import { type FieldValue, MISSING, type ReadingSink } from "../model/reading.js";
import type { Coercion } from "./coerce.js";
import type { Look } from "./record-path.js";
import type { TimeParser } from "./time-format.js";

/** One field that is read; `index` is its place among all fields. */
export interface FieldReader {
  readonly index: number;
  readonly name: string;
  readonly look: Look;
  readonly coerce: Coercion;
}

/** What a profile's sections compile to, for one decoder. */
export interface Extraction {
  readonly decoder: RecordDecoder;
  readonly fieldCount: number;
  readonly readers: readonly FieldReader[];
  readonly where: ((message: unknown, topic: string | undefined) => boolean) | undefined;
  /** Undefined: what the topic captures as `device`. */
  readonly identity: Look | undefined;
  readonly time:
    | { readonly look: Look; readonly parse: TimeParser; readonly elseArrival: boolean }
    | undefined;
  /** Undefined where duplicates are not told by key. */
  readonly key: Look | undefined;
}

type Decode = Profile["decode"];

/** Compiles to one function; not reentrant, as the sink must not decode. */
export function compileDecode(extraction: Extraction): Decode {
  const { decoder } = extraction;
  const taker = new RecordTaker(extraction);
  const each = (record: unknown): void => taker.take(record);
  const bad = (detail: string): void => taker.bad(detail);
  return (payload, context, sink) => {
    taker.begin(context, sink);
    try {
      decoder.decode(payload, each, bad);
    } catch (error) {
      const tooLarge = error instanceof WeirError && error.code === "decode-too-large";
      taker.fail(tooLarge ? "tooLarge" : "invalid", messageOf(error));
    }
    return taker.end();
  };
}

const NO_CONTEXT: PayloadContext = { captures: {}, topic: undefined, arrivalMs: 0 };
const NO_SINK: ReadingSink = { reading() {}, reject() {} };

class RecordTaker {
  readonly #on: Extraction;
  #context = NO_CONTEXT;
  #sink = NO_SINK;
  #declined = false;
  #claimed = false;
  /** The last device name that was found to be valid: consecutive readings share theirs. */
  #goodName = "";

  constructor(extraction: Extraction) {
    this.#on = extraction;
  }

  begin(context: PayloadContext, sink: ReadingSink): void {
    this.#context = context;
    this.#sink = sink;
    this.#declined = false;
    this.#claimed = false;
  }

  /** @returns whether the payload was for this profile: it is, unless the condition was false of all records */
  end(): boolean {
    this.#context = NO_CONTEXT;
    this.#sink = NO_SINK;
    return this.#claimed || !this.#declined;
  }

  bad(detail: string): void {
    this.fail("invalid", detail);
  }

  fail(reason: "invalid" | "tooLarge", detail: string): void {
    this.#claimed = true;
    this.#sink.reject(this.#name(this.#context.captures.device), reason, detail);
  }

  take(record: unknown): void {
    const { where, decoder, identity, time } = this.#on;
    const { captures, topic } = this.#context;
    if (where !== undefined && !where(decoder.view(record), topic)) {
      this.#declined = true;
      return;
    }
    this.#claimed = true;
    const device = this.#name(identity === undefined ? captures.device : identity(record, captures));
    if (device === undefined) {
      this.#sink.reject(undefined, "unidentified", "no usable device name");
      return;
    }
    let timeMs = MISSING;
    if (time !== undefined) {
      const raw = time.look(record, captures);
      timeMs = time.parse(raw);
      if (Number.isNaN(timeMs) && !time.elseArrival) {
        this.#sink.reject(device, "invalidTime", raw === undefined ? "no time" : `time ${excerpt(raw)}`);
        return;
      }
    }
    this.#read(record, device, timeMs);
  }

  #read(record: unknown, device: string, timeMs: number): void {
    const { readers, fieldCount } = this.#on;
    const { captures } = this.#context;
    const values = new Array<FieldValue>(fieldCount).fill(MISSING);
    let unreadable: string[] | undefined;
    let present = false;
    for (let i = 0; i < readers.length; i += 1) {
      const reader = readers[i]!;
      const raw = reader.look(record, captures);
      if (raw === undefined) continue;
      const value = reader.coerce(raw);
      if (value === undefined) {
        unreadable ??= [];
        unreadable[i] = `${reader.name} ${excerpt(raw)}`;
      } else if (typeof value === "string" || !Number.isNaN(value)) {
        values[reader.index] = value;
        present = true;
      }
    }
    if (unreadable !== undefined) {
      if (!present) {
        this.#sink.reject(device, "invalid", unreadable.find((detail) => detail !== undefined)!);
        return;
      }
      unreadable.forEach((detail, i) => {
        this.#sink.unreadable?.(device, readers[i]!.index, detail);
      });
    }
    this.#hand(record, device, timeMs, values);
  }

  #hand(record: unknown, device: string, timeMs: number, values: FieldValue[]): void {
    const { key } = this.#on;
    if (key === undefined) {
      this.#sink.reading(device, timeMs, values, undefined);
      return;
    }
    const raw = key(record, this.#context.captures);
    // Where a frame has no counter, its time tells it from others; a counter never begins with "@".
    const absent = raw === undefined || raw === "" || typeof raw === "object";
    const text = absent ? `@${Number.isNaN(timeMs) ? this.#context.arrivalMs : timeMs}` : String(raw);
    if (text.length > LIMITS.duplicateKeyCharactersMax) {
      this.#sink.reject(device, "invalid", `duplicate key ${excerpt(text)}`);
    } else this.#sink.reading(device, timeMs, values, text);
  }

  /** The name of a device, or undefined where it may not be one. */
  #name(raw: unknown): string | undefined {
    if (typeof raw !== "string" && typeof raw !== "number") return undefined;
    const text = typeof raw === "string" ? raw : String(raw);
    // The one that was there before has been hashed already, for the maps of those who get it.
    if (text === this.#goodName && text !== "") return this.#goodName;
    if (!isDeviceName(text)) return undefined;
    this.#goodName = text;
    return text;
  }
}

const EXCERPT_CHARACTERS_MAX = 40;

/** Enough of a value to recognise it in a log. */
function excerpt(raw: unknown): string {
  const text =
    typeof raw === "object" ? "an object" : JSON.stringify(String(raw).slice(0, EXCERPT_CHARACTERS_MAX));
  return `is ${text}`;
}
