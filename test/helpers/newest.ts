import type { Summary } from "../../src/model/summary.js";

/** By id the newest of summaries in the order in which they were said. @throws where something follows a final one, or a number is missing */
export function newestOf(summaries: readonly Summary[]): Map<string, Summary> {
  const newest = new Map<string, Summary>();
  for (const summary of summaries) {
    const before = newest.get(summary.id);
    if (before?.final === true) throw new Error(`${summary.id}: something after the final revision`);
    if (summary.revision !== (before?.revision ?? -1) + 1) throw new Error(`${summary.id}: revisions`);
    newest.set(summary.id, summary);
  }
  return newest;
}
