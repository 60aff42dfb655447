import type { Member } from "../aggregate/merge.js";
import { partOf } from "../aggregate/merge.js";
import { at, type MergeLine, type Place, refused } from "./merge-input.js";

/**
 * Sees to it that no reading is merged twice: by two summaries that stand for the same time of one device, or of a
 * device and of all devices of its gateway. Summaries come in the order in which their first windows begin.
 *
 * It goes by names: gateway, profile, device, and of what was merged before `*` in the place of some. A path is counted
 * twice when it, or one above or below it, has been there in that time. One entry for each device.
 */
export class MergeSources {
  /** By path, what stands for it, and what stands for something below it. */
  readonly #own = new Map<string, Until>();
  readonly #below = new Map<string, Until>();

  /** @throws WeirError when some of its readings are in another summary, too */
  add(line: MergeLine, { firstMs, lastMs }: Member): void {
    const { summary } = line;
    const { gateway, window } = summary;
    const fromMs = Math.max(firstMs, EARLIEST_MS);
    // Windows that overlap are merged only where they begin together.
    const { file, line: number } = line;
    const ms = window.kind === "tumbling" ? lastMs : fromMs + 1;
    const until = { ms, file, line: number, id: summary.id };
    for (const each of summary.partials.gateways ?? [gateway]) {
      const path = [each, ...below(line)].map((name) => encodeURIComponent(name));
      const prefixes = path.map((_, i) => path.slice(0, i + 1).join("/"));
      const whole = prefixes.at(-1)!;
      const others = [...prefixes.map((prefix) => this.#own.get(prefix)), this.#below.get(whole)];
      for (const other of others)
        if (other !== undefined && other.ms > fromMs) throw twice(line, other, each);
      later(this.#own, whole, until);
      for (const prefix of prefixes.slice(0, -1)) later(this.#below, prefix, until);
    }
  }
}

interface Until extends Place {
  readonly ms: number;
  readonly id: string;
}

const EARLIEST_MS = -8.64e15;

/** Profile and device, as far as there is only one. */
function below({ summary }: MergeLine): string[] {
  const { profile, device } = summary;
  if (profile === "*") return [];
  const id = profile.slice(0, profile.lastIndexOf("@"));
  return device === "*" ? [id] : [id, `${device}${partOf(summary)}`];
}

function later(into: Map<string, Until>, path: string, until: Until): void {
  const known = into.get(path);
  if (known === undefined || until.ms > known.ms) into.set(path, until);
}

function twice(line: MergeLine, other: Until, gateway: string): Error {
  return refused(
    line,
    `${line.summary.id} and ${other.id} (${at(other)}) stand for the same time of ${gateway}, so readings would count twice`,
    "give either the short windows or what was merged from them",
  );
}
