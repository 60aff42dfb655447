/** Parts of the profile schema: checks of single values that more than one section uses. */

import { hintOf, messageOf } from "../model/errors.js";
import { nearest } from "../model/nearest.js";
import { findUnit, unitNames } from "../model/units.js";
import { timeZone } from "../schema/types.js";
import { report, z } from "../schema/zod.js";

type Context = Parameters<typeof report>[0];

/** Reports what a parser throws. */
export function reportError(context: Context, error: unknown, code: string): void {
  report(context, { code, message: messageOf(error), hint: hintOf(error) });
}

/** A text that `parse` must understand; it throws a `WeirError` where it does not. */
export function parsedText(code: string, parse: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      reportError(context, error, code);
    }
  });
}

/** A SenML unit. */
export function unit() {
  return z
    .string()
    .meta({ examples: ["Cel", "%RH", "hPa", "W", "kWh"] })
    .superRefine((text, context) => {
      if (findUnit(text) !== undefined) return;
      const guess = COMMON_NAMES[text.toLowerCase()] ?? nearest(text, unitNames());
      const hint =
        guess === undefined
          ? "units are SenML's (RFC 8428, RFC 8798), such as Cel"
          : `did you mean "${guess}"?`;
      report(context, { code: "bad-unit", message: `"${text}" is not a known unit`, hint });
    });
}

/** What people write where SenML has another name. */
const COMMON_NAMES: Readonly<Record<string, string>> = {
  c: "Cel",
  "°c": "Cel",
  degc: "Cel",
  celsius: "Cel",
  f: "degF",
  "°f": "degF",
  fahrenheit: "degF",
  rh: "%RH",
  percent: "%",
  lux: "lx",
  ohms: "Ohm",
  "µg/m3": "ug/m3",
  "µg/m³": "ug/m3",
  "ug/m³": "ug/m3",
  "m³": "m3",
  "m³/h": "m3/h",
  volt: "V",
  ampere: "A",
  watt: "W",
};

/** One place in the payload, or several. */
export function paths(description: string) {
  const path = z.string().min(1).max(256);
  return z.union([path, z.array(path).min(1).max(16)]).meta({ description });
}

/** `gateway` or a zone of the IANA database. */
export function profileZone(description: string) {
  return timeZone().or(z.literal("gateway")).meta({ description });
}

/** Inclusive bounds. */
export function bounds(description: string) {
  return z
    .tuple([z.number(), z.number()])
    .superRefine(([low, high], context) => {
      if (low <= high) return;
      const hint = `write [${high}, ${low}]`;
      report(context, {
        code: "bad-bounds",
        message: `the bounds [${low}, ${high}] are the wrong way round`,
        hint,
      });
    })
    .meta({ description });
}

/** Name of a field: an identifier, so that expressions can use it. */
export function fieldName() {
  return z
    .string()
    .meta({ pattern: "^[A-Za-z][A-Za-z0-9_]{0,63}$" })
    .superRefine((text, context) => {
      if (/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(text)) return;
      const hint = "a letter, then letters, digits and _, at most 64";
      report(context, { code: "bad-name", message: `"${text}" is not a field name`, hint });
    });
}
