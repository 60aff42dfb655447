/**
 * With how many cases a property is tried. `WEIR_NIGHTLY=yes`, which `scripts/test --nightly` sets, makes them ten
 * thousand at least. fast-check prints the seed and the path of a case that fails.
 */
const CASES = 500;
const NIGHTLY_CASES = 10_000;

/** Whether there is time for as many cases as it takes. */
export const NIGHTLY = process.env.WEIR_NIGHTLY === "yes";

/** @param quick fewer in the daily run where a case takes long, more where it takes nothing */
export function cases(quick: number = CASES): { readonly numRuns: number } {
  return { numRuns: NIGHTLY ? Math.max(NIGHTLY_CASES, quick) : quick };
}

/** The same for what is tried in a loop of its own. */
export function rounds(quick: number): number {
  return cases(quick).numRuns;
}
