import type { FieldType } from "../model/profile.js";
import type { FieldValue } from "../model/reading.js";
import { type Aggregate, type AggregateFamily, finite } from "./aggregate.js";
import { countAccumulator } from "./count.js";
import { divideExpansion } from "./expansion.js";
import { integralAccumulator, integralOf } from "./time-integral.js";

/**
 * How long a field had a value: the stepped integral of what is 1 while it has it and 0 while it has not. Of the
 * values nothing else is kept.
 */
const NAME = /^durationIn\((\S|\S.*\S)\)$/;
const LOOSE = /^\s*duration(?:In(?:State)?)?\s*[([]\s*(\S|\S.*?\S)\s*[)\]]?\s*$/i;

const DESCRIPTION =
  "Time for which the field had this value, in s as `units` says; for enum (its name), bool (true, false), int and string fields. From the last value before the window on; the last one in it is held up to its end, and no value for longer than the field's `maxGap`. Rounded once. OPC UA DurationInStateZero and DurationInStateNonZero (Part 13) know these two states.";

export const durationFamily: AggregateFamily = {
  name: "durationIn(value)",
  description: DESCRIPTION,
  fields: "discrete",
  find(name) {
    const sought = NAME.exec(name)?.[1];
    return sought === undefined ? undefined : durationIn(name, sought);
  },
  nearest(name) {
    const sought = LOOSE.exec(name)?.[1];
    return sought === undefined ? undefined : `durationIn(${sought})`;
  },
};

function durationIn(name: string, sought: string): Aggregate {
  return {
    name,
    description: DESCRIPTION,
    fields: "discrete",
    unit: () => "s",
    sought,
    needs({ type, values, maxGapMs }) {
      const wanted = soughtValue(sought, type, values);
      const map = (value: FieldValue) => (value === wanted ? 1 : 0);
      return [countAccumulator, integralAccumulator({ name, interpolation: "stepped", maxGapMs, map })];
    },
    result(inputs) {
      const { sum } = integralOf(inputs, name);
      return finite(divideExpansion(sum, 2_000));
    },
  };
}

/** The value that a text stands for in a field of this type; undefined where it is none of its values. */
export function soughtValue(
  text: string,
  type: FieldType | undefined,
  names: readonly string[] | undefined,
): FieldValue | undefined {
  switch (type) {
    case "string":
      return text;
    case "enum": {
      const index = names?.indexOf(text) ?? -1;
      return index < 0 ? undefined : index;
    }
    case "bool":
      return text === "true" ? 1 : text === "false" ? 0 : undefined;
    case "int":
      return String(Number(text)) === text && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
    default:
      return undefined;
  }
}
