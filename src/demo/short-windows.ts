import { WeirError } from "../model/errors.js";
import { formatDuration } from "../model/time.js";
import { parseDocument } from "../schema/document.js";
import { z } from "../schema/zod.js";

/** What a person can wait for. A reading may be 2 s late for the first firing, and 15 s more for a revision. */
export const DEMO_WINDOW_MS = 5_000;
export const DEMO_WINDOW = {
  name: formatDuration(DEMO_WINDOW_MS),
  tumbling: formatDuration(DEMO_WINDOW_MS),
  allowedLateness: "15s",
  fields: { "*": ["count", "mean", "min", "max", "last"] },
} as const;
export const DEMO_TIME = { outOfOrderness: "2s", idleTimeout: "6s" } as const;

/** Only what is changed needs a shape; everything else goes through as it is. */
const SHAPE = z.looseObject({
  time: z.looseObject({}).optional(),
  windows: z.array(z.unknown()),
});

/**
 * A profile that ships, with windows of seconds in place of its own: match, decoding, fields, cleaning and tests stay.
 * @returns YAML (JSON is a subset of it)
 */
export function shortenProfile(text: string, file: string): string {
  const { value, diagnostics } = parseDocument(text, { file, schema: SHAPE });
  if (value === undefined) {
    throw new WeirError("demo-incomplete", `cannot read ${file}: ${diagnostics[0]?.message ?? "unknown"}`);
  }
  const time = { ...value.time, ...DEMO_TIME };
  return `${JSON.stringify({ ...value, time, windows: [DEMO_WINDOW] }, undefined, 2)}\n`;
}
