/**
 * Campaigns: tests that repeat something at random moments or places. `scripts/test` runs the short form and
 * `scripts/torture` the long one, of the same code. What a campaign has seen it says in one line with figures.
 */
import { appendFileSync } from "node:fs";

/** Whether this is the long form. */
export const LONG = process.env.WEIR_TORTURE === "long";

/** How often to repeat. */
export function rounds(short: number, long: number): number {
  return LONG ? long : short;
}

/** One line with figures for whoever reads the result. `WEIR_TORTURE_LINES` names a file that gets it as well. */
export function tell(campaign: string, line: string): void {
  const text = `${campaign}: ${line}`;
  console.log(text);
  const file = process.env.WEIR_TORTURE_LINES;
  if (file !== undefined) appendFileSync(file, `${text}\n`);
}
