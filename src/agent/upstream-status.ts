import type { Timers } from "../model/clock.js";
import type { RejectReason } from "../model/reasons.js";
import type { DiskUsage } from "../store/disk.js";
import type { Store } from "../store/store.js";
import type { Outlet } from "./parts.js";
import type { AgentStatus } from "./status.js";

/**
 * The details of the retained status upstream: the totals of the gateway, and what of its summaries does not or did
 * not go to this target as it was. "Ever" is over all lives of the store; the rest is since the start of the process.
 */
export interface UpstreamStatus {
  readonly devices: number;
  readonly received: number;
  readonly accepted: number;
  /** Readings that wait for the clock to be set. */
  readonly waiting: number;
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  /** Entries of the log that this target has not confirmed, at most. */
  readonly lag: number;
  readonly summaries: {
    /** Windows that were merged into coarser ones before they were sent, ever. */
    readonly coarsened: number;
    /** Dropped unsent because the log had no room, ever. */
    readonly dropped: number;
    /** Dropped or found damaged in the log before this target had them. */
    readonly lost: number;
    /** Passed over because this target can never take them. */
    readonly setAside: number;
  };
  readonly store: {
    /** Times that the state in this store was lost and begun anew, as far as it matters to a window. */
    readonly losses: number;
    /** Damaged databases that were set aside and are still there. */
    readonly setAside: number;
    /** Why nothing can be written at present. */
    readonly failing?: string;
  };
}

export interface StatusReporterOptions {
  readonly timers: Timers;
  readonly store: {
    readonly failing: string | undefined;
    readonly losses: Pick<Store["losses"], "length">;
    readonly log: Pick<Store["log"], "coarsened" | "dropped">;
    readonly upkeep: { readonly usage: Pick<DiskUsage, "setAside"> };
  };
  /** Readings that wait; asked often, so it has to be cheap. */
  readonly waiting: () => number;
  readonly status: () => Pick<AgentStatus, "devices" | "received" | "accepted" | "waiting" | "rejected">;
  readonly outlets: () => Iterable<Outlet>;
}

const EVERY_MS = 60_000;
/** How long a loss may wait to be told, and at most how often one status is sent. */
const LOOK_EVERY_MS = 5_000;

/**
 * Keeps the retained statuses upstream up to date: once a minute, on every connection, and soon after anything but the
 * totals has changed.
 */
export class StatusReporter {
  readonly #options: StatusReporterOptions;
  #told = "";
  #toldAgoMs = 0;

  constructor(options: StatusReporterOptions) {
    this.#options = options;
  }

  /** @returns the way to stop */
  start(): () => void {
    const timer = this.#options.timers.every(LOOK_EVERY_MS, () => this.#look());
    this.#told = this.#exceptional();
    return () => timer.cancel();
  }

  /** To be called before a target connects for the first time. */
  attach({ target, forwarder }: Outlet): void {
    target.publishStatus?.(() => this.#detailsFor(forwarder));
  }

  #look(): void {
    const exceptional = this.#exceptional();
    this.#toldAgoMs += LOOK_EVERY_MS;
    if (exceptional === this.#told && this.#toldAgoMs < EVERY_MS) return;
    this.#told = exceptional;
    this.#toldAgoMs = 0;
    for (const outlet of this.#options.outlets()) this.attach(outlet);
  }

  /** What is told at once when it changes. */
  #exceptional(): string {
    const { waiting, outlets } = this.#options;
    const summaries = [...outlets()].map(({ forwarder }) => this.#summaries(forwarder));
    return JSON.stringify([waiting(), this.#store(), summaries]);
  }

  #detailsFor(forwarder: Outlet["forwarder"]): UpstreamStatus & Readonly<Record<string, unknown>> {
    const { devices, received, accepted, waiting, rejected } = this.#options.status();
    const lag = forwarder.status().lagEntries;
    const summaries = this.#summaries(forwarder);
    return { devices, received, accepted, waiting, rejected, lag, summaries, store: this.#store() };
  }

  #summaries(forwarder: Outlet["forwarder"]): UpstreamStatus["summaries"] {
    const { coarsened, dropped } = this.#options.store.log;
    const { droppedEntries, setAsideEntries } = forwarder.status();
    return { coarsened, dropped, lost: droppedEntries, setAside: setAsideEntries };
  }

  #store(): UpstreamStatus["store"] {
    const { failing, losses, upkeep } = this.#options.store;
    return {
      losses: losses.length,
      setAside: upkeep.usage.setAside,
      ...(failing === undefined ? {} : { failing }),
    };
  }
}
