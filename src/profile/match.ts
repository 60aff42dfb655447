import { LIMITS } from "../model/limits.js";
import type { Profile } from "../model/profile.js";
import { covers, parseTopicPattern, type TopicPattern } from "./topic-pattern.js";

/** A profile that claims a topic, with what its pattern captured. */
export interface Candidate {
  readonly profile: Profile;
  readonly captures: Readonly<Record<string, string>>;
}

/**
 * Who may decode a topic's payloads, the most specific pattern first. Where a profile's `decode` says that a
 * payload is not for it, the next is asked.
 */
export interface Route {
  readonly candidates: readonly Candidate[];
}

/** A device's own word on whether it is there (a last will). */
export interface StatusHit {
  readonly profile: Profile;
  readonly captures: Readonly<Record<string, string>>;
  readonly status: "online" | "offline";
}

interface Entry {
  readonly pattern: TopicPattern;
  readonly profile: Profile;
}

/** Finds the profiles of a topic: one look-up per known topic. */
export class Router {
  readonly #entries: readonly Entry[];
  readonly #statuses: readonly (Entry & { readonly online: string; readonly offline: string })[];
  readonly #cache = new Map<string, Route | undefined>();

  constructor(profiles: readonly Profile[]) {
    this.#entries = profiles
      .flatMap((profile) => profile.topics.map((topic) => ({ pattern: parseTopicPattern(topic), profile })))
      .sort(bySpecificity);
    this.#statuses = profiles.flatMap((profile) => {
      const { status } = profile;
      return status === undefined ? [] : [{ ...status, pattern: parseTopicPattern(status.topic), profile }];
    });
  }

  /** @returns undefined where no profile wants the topic */
  route(topic: string): Route | undefined {
    const known = this.#cache.get(topic);
    if (known !== undefined || this.#cache.has(topic)) return known;
    const route = this.#find(topic);
    // Starting anew bounds memory against a client that makes topics up, and costs others one search each.
    if (this.#cache.size >= LIMITS.routeCacheTopicsMax) this.#cache.clear();
    this.#cache.set(topic, route);
    return route;
  }

  /** What a payload on a status topic says; undefined for other topics and other words. */
  routeStatus(topic: string, payload: string): StatusHit | undefined {
    for (const { pattern, profile, online, offline } of this.#statuses) {
      if (payload !== online && payload !== offline) continue;
      const captures = pattern.match(topic);
      if (captures !== undefined) {
        return { profile, captures, status: payload === online ? "online" : "offline" };
      }
    }
    return undefined;
  }

  #find(topic: string): Route | undefined {
    const candidates: Candidate[] = [];
    for (const { pattern, profile } of this.#entries) {
      if (candidates.some((candidate) => candidate.profile === profile)) continue;
      const captures = pattern.match(topic);
      if (captures !== undefined) candidates.push({ profile, captures });
    }
    return candidates.length === 0 ? undefined : { candidates };
  }
}

/** The most specific first; of equals the one with a condition, which may decline; then by name, for certainty. */
function bySpecificity(a: Entry, b: Entry): number {
  return (
    compare(a.pattern.rank, b.pattern.rank) ||
    Number(b.profile.conditional) - Number(a.profile.conditional) ||
    compare(a.profile.id, b.profile.id)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The subscriptions that bring everything the profiles want, none of them covered by another. */
export function topicFilters(profiles: readonly Profile[]): string[] {
  const patterns = profiles.flatMap((profile) => [
    ...profile.topics,
    ...(profile.status === undefined ? [] : [profile.status.topic]),
  ]);
  const filters = [...new Set(patterns.map((pattern) => parseTopicPattern(pattern).filter))].sort();
  return filters.filter((filter) => !filters.some((other) => other !== filter && covers(other, filter)));
}
