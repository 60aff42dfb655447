import { type LookupAddress, type LookupOptions, lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";

type Answer = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;
type Lookup = (name: string, options: LookupOptions, answer: Answer) => void;

/**
 * Looks names up so that at most one question about each is under way. A lookup cannot be taken back, and where no name
 * server answers it holds one of the few threads for ten seconds and more, in which the connection has long been given
 * up and tried again: questions would pile up for as long as the outage lasts.
 */
export function oneAtATime(lookup: Lookup): LookupFunction {
  const asked = new Map<string, Answer[]>();
  return (name, options, answer) => {
    const key = JSON.stringify([name, options]);
    const waiting = asked.get(key);
    if (waiting !== undefined) {
      waiting.push(answer as Answer);
      return;
    }
    asked.set(key, [answer as Answer]);
    lookup(name, options, (error, address, family) => {
      const all = asked.get(key) ?? [];
      asked.delete(key);
      for (const each of all) each(error, address, family);
    });
  };
}

export const lookup = oneAtATime(systemLookup as Lookup);
