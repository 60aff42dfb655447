import type { Config, SourceConfig, TargetConfig } from "../config/load.js";
import { type LocalApi, localApiPath } from "../dashboard/api.js";
import type { Engine } from "../engine/engine.js";
import { CorruptRecord } from "../model/bytes.js";
import type { Source } from "../model/delivery.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent } from "../model/log-event.js";
import type { Profile } from "../model/profile.js";
import type { Counters } from "../observe/counters.js";
import { ArrivalClock } from "../pipeline/arrival-clock.js";
import { Checkpointer } from "../pipeline/checkpoint.js";
import { Committer } from "../pipeline/committer.js";
import { IntakeStage } from "../pipeline/intake.js";
import { LogRoom } from "../pipeline/log-room.js";
import { changeProfiles } from "../pipeline/profiles.js";
import { Refusals } from "../pipeline/refusals.js";
import { Router } from "../profile/match.js";
import type { Store } from "../store/store.js";
import { createOutlet, failedSource, type Outlet, type Outside, realOutside, type World } from "./parts.js";
import { type BrokenProfiles, leavesNone, requireSome, tellChange, withKept } from "./profiles.js";
import { type OpenState, openState } from "./state.js";
import { type AgentStatus, statusOf, totalsOf } from "./status.js";
import { StatusReporter } from "./upstream-status.js";

/**
 * The composition root: every part of a running gateway, wired. Used by `weir run`, by the demo and by tests, which
 * differ only in the world they hand in.
 *
 * Start-up: store and state first, then forwarders (what is in the log can go), then sources. A source or target
 * that cannot work does not stop the others. An end in good order is the reverse: sources stop taking in, what was
 * taken in is committed and acknowledged, the state is checkpointed, targets finish their delivery.
 */
export interface AgentOptions extends World {
  /** What the observer counts in; part of the status. */
  readonly counters: Counters;
  readonly config: Config;
  readonly profiles: readonly Profile[];
  /** What the store knows of these stays in force. */
  readonly brokenProfiles: BrokenProfiles;
  /** The state in memory may be wrong: the process has to end at once and recover. */
  readonly onFatal: (error: unknown) => void;
  /** The machine and the network for real, unless given. */
  readonly outside?: Outside;
}

const partFailed = defineEvent<{ readonly part: string; readonly code: string; readonly error: string }>(
  "part-failed",
  "error",
  "a source or target cannot work as it is configured; the others go on",
  { answer: true },
);
const restartNeeded = defineEvent<{ readonly section: string }>(
  "restart-needed",
  "warn",
  "this part of the config has changed and takes effect at the next start",
  { answer: true },
);
const trimFailed = defineEvent<{ readonly code: string; readonly error: string }>(
  "log-trim-failed",
  "error",
  "no room can be made in the summary log; it is tried again",
);
/** A commit that takes longer is stuck, unless the store itself says that it is failing. */
const COMMIT_STALL_MS_MAX = 30_000;
const UPKEEP_EVERY_MS = 60_000;
/** Leaves time for the rest within the five seconds that an orderly end may take. */
const DRAIN_MS_MAX = 2_500;

/** No config says this: what failed is made anew at the next reload. */
const FAILED = "";

interface Running<C, P> {
  readonly config: C;
  readonly part: P;
  /** Everything it was made from; another one means that it has to be made anew. */
  readonly made: string;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #outside: Outside;
  readonly #engine: Engine;
  readonly #store: Store;
  readonly #checkpointer: Checkpointer;
  readonly #logRoom: LogRoom;
  readonly #committer: Committer;
  readonly #refusals: Refusals;
  readonly #reporter: StatusReporter;
  readonly #intake: IntakeStage;
  readonly #sources = new Map<string, Running<SourceConfig, Source>>();
  readonly #outlets = new Map<string, Running<TargetConfig, Outlet>>();
  readonly #startedMs: number;
  #config: Config;
  #profiles: readonly Profile[];
  #api: LocalApi | undefined;
  #isEnding = false;
  #stopTimers = () => {};

  private constructor(options: AgentOptions, state: OpenState) {
    this.#options = options;
    this.#outside = options.outside ?? realOutside;
    this.#config = options.config;
    this.#profiles = [];
    this.#engine = state.engine;
    this.#store = state.store;
    this.#startedMs = options.clock.monotonicMs();
    this.#checkpointer = new Checkpointer(state.engine, options.config.store.journalBytesMax);
    const arrivals = new ArrivalClock({
      ...options,
      holding: state.engine.isHolding,
      aheadOf: (nowMs) => state.engine.aheadOf(nowMs),
    });
    this.#logRoom = new LogRoom({
      ...options,
      log: state.store.log,
      trim: () => state.store.trimLog(() => this.#config.targets.map(({ name }) => name)),
      onFailed: (error) => {
        // A database that is being reopened is tried again with the next commit; the store has said why.
        if (error instanceof WeirError && error.retryable) return;
        options.observer.emit(trimFailed, { code: codeOf(error), error: messageOf(error) });
      },
    });
    this.#committer = new Committer({
      ...options,
      arrivals,
      engine: state.engine,
      store: state.store,
      checkpointer: this.#checkpointer,
      logRoom: this.#logRoom,
      maxDelayMs: options.config.commit.maxDelay,
      maxBytes: options.config.commit.maxBytes,
      processingMs: state.processingMs,
      onFatal: (error) => void this.#condemn(error).then(() => options.onFatal(error)),
    });
    this.#refusals = new Refusals(options);
    this.#reporter = new StatusReporter({
      timers: options.timers,
      store: state.store,
      waiting: () => (state.engine.isHolding ? totalsOf(state.engine).waiting : 0),
      status: () => totalsOf(state.engine),
      outlets: () => [...this.#outlets.values()].map(({ part }) => part),
    });
    const stages = { arrivals, committer: this.#committer, refusals: this.#refusals };
    this.#intake = new IntakeStage({ ...options, ...stages });
  }

  /** @throws WeirError when the store cannot be opened, and `no-profiles` */
  static async start(options: AgentOptions): Promise<Agent> {
    const { disk } = options.outside ?? realOutside;
    const state = await openState(options.config, { ...options, disk: disk(options.config.store.path) });
    const agent = new Agent(options, state);
    const profiles = withKept(options, state.kept, options.observer);
    try {
      requireSome(profiles);
    } catch (error) {
      await state.store.close();
      throw error;
    }
    await agent.#useProfiles(profiles, state.kept, options.config.groups);
    agent.#committer.start();
    agent.#refusals.start(state.engine);
    agent.#logRoom.start();
    agent.#api = await agent.#startApi();
    for (const config of options.config.targets) await agent.#startOutlet(config);
    for (const config of options.config.sources) await agent.#startSource(config);
    const upkeep = options.timers.every(UPKEEP_EVERY_MS, () => state.store.upkeep.look());
    const stopReports = agent.#reporter.start();
    agent.#stopTimers = () => {
      upkeep.cancel();
      stopReports();
    };
    return agent;
  }

  /** Between two commits: the engine, the store and the routes change over together. */
  async #useProfiles(
    profiles: readonly Profile[],
    present: ReadonlyMap<string, Profile>,
    groups: Config["groups"],
  ): Promise<void> {
    const change = await this.#committer.exclusively((onProgress) => {
      const changing = changeProfiles({
        onProgress,
        isEnding: () => this.#isEnding,
        logRoom: this.#logRoom,
        engine: this.#engine,
        store: this.#store,
        checkpointer: this.#checkpointer,
        present,
        profiles,
        groups,
      });
      this.#intake.use(new Router(profiles), profiles);
      this.#profiles = profiles;
      // A window of a device that is in the store only may be closed by this.
      return changing.catch(async (error: unknown) => {
        await this.#condemn(error);
        throw error;
      });
    });
    tellChange(change, this.#options.observer);
  }

  /** What was found damaged in the store is noted there, so that the next start does not go on from it. */
  async #condemn(error: unknown): Promise<void> {
    // Should that fail, the next life finds it again.
    if (error instanceof CorruptRecord) await this.#store.condemn(messageOf(error)).catch(() => undefined);
  }

  async #startApi(): Promise<LocalApi | undefined> {
    try {
      return await this.#outside.localApi({
        path: localApiPath(this.#config.store.path),
        log: this.#store.log,
        status: () => this.status(),
        observer: this.#options.observer,
      });
    } catch (error) {
      this.#failed("local socket", error);
      return undefined;
    }
  }

  async #startSource(config: SourceConfig): Promise<void> {
    const { name } = config;
    let part: Source | undefined;
    try {
      part = await this.#outside.source(config, {
        ...this.#options,
        intake: this.#intake.take,
        profiles: this.#profiles,
        brokers: this.#config.sources.filter(({ type }) => type === "broker").length,
      });
      this.#sources.set(name, { config, part, made: this.#makingOf(config) });
      await part.start();
    } catch (error) {
      this.#failed(`source ${name}`, error);
      await part?.stop();
      this.#sources.set(name, { config, part: failedSource(name, messageOf(error)), made: FAILED });
    }
  }

  async #startOutlet(config: TargetConfig): Promise<void> {
    try {
      const target = await this.#outside.target(config, this.#config.gateway, this.#options);
      const part = createOutlet({ config, target, store: this.#store, world: this.#options });
      this.#outlets.set(config.name, { config, part, made: makingOfOutlet(config) });
      this.#reporter.attach(part);
      part.forwarder.start();
    } catch (error) {
      this.#failed(`target ${config.name}`, error);
    }
  }

  #failed(part: string, error: unknown): void {
    this.#options.observer.emit(partFailed, { part, code: codeOf(error), error: messageOf(error) });
  }

  /** What a source depends on; secrets count by their value, and never leave this string. */
  #makingOf(config: SourceConfig): string {
    const secret = config.type === "mqtt" ? config.password?.reveal() : undefined;
    const profiles =
      config.type === "serial"
        ? this.#profiles.filter(({ id }) => id === config.profile).map(({ hash }) => hash)
        : config.type === "mqtt" && config.topics === undefined
          ? this.#profiles.flatMap(({ topics }) => topics)
          : [];
    return JSON.stringify([config, secret, profiles]);
  }

  /** Takes on a new config and new profiles; what did not change goes on undisturbed. */
  async reload(next: Pick<AgentOptions, "config" | "profiles" | "brokenProfiles">): Promise<void> {
    for (const section of ["gateway", "store", "commit", "limits", "log"] as const) {
      if (JSON.stringify(next.config[section]) === JSON.stringify(this.#config[section])) continue;
      this.#options.observer.emit(restartNeeded, { section });
    }
    const present = this.#present();
    const profiles = withKept(next, present, this.#options.observer);
    const changed = new Set(
      profiles.filter(({ id, hash }) => present.get(id)?.hash !== hash).map(({ id }) => id),
    );
    await this.#stopSources(({ config }) => config.type === "serial" && changed.has(config.profile));
    const { groups, sources, targets } = next.config;
    await this.#useProfiles(profiles, present, groups);
    if (this.#isEnding) return;
    this.#config = { ...this.#config, groups, sources, targets };
    await this.#reloadSources();
    await this.#reloadOutlets();
  }

  /** Whether a reload of these would leave no profile in force. */
  wouldHaveNone(next: Parameters<typeof leavesNone>[0]): boolean {
    return leavesNone(next, this.#present());
  }

  #present(): ReadonlyMap<string, Profile> {
    return new Map(this.#profiles.map((profile) => [profile.id, profile]));
  }

  async #reloadSources(): Promise<void> {
    const wanted = new Map(this.#config.sources.map((config) => [config.name, this.#makingOf(config)]));
    await this.#stopSources(({ config, made }) => wanted.get(config.name) !== made);
    for (const config of this.#config.sources) {
      const running = this.#sources.get(config.name)?.part;
      if (running === undefined) await this.#startSource(config);
      else if ("reload" in running && typeof running.reload === "function") {
        await (running.reload() as Promise<void>).catch((error: unknown) =>
          this.#failed(`source ${config.name}`, error),
        );
      }
    }
  }

  async #reloadOutlets(): Promise<void> {
    const wanted = new Map(this.#config.targets.map((config) => [config.name, makingOfOutlet(config)]));
    for (const [name, { part, made }] of [...this.#outlets]) {
      if (wanted.get(name) === made) continue;
      this.#outlets.delete(name);
      await part.forwarder.stop();
    }
    for (const config of this.#config.targets) {
      if (!this.#outlets.has(config.name)) await this.#startOutlet(config);
    }
  }

  async #stopSources(which: (running: Running<SourceConfig, Source>) => boolean): Promise<void> {
    const leaving = [...this.#sources].filter(([, running]) => which(running));
    for (const [name] of leaving) this.#sources.delete(name);
    await Promise.all(leaving.map(([, { part }]) => part.stop()));
  }

  status(): AgentStatus {
    return statusOf({
      gateway: this.#config.gateway,
      uptimeMs: this.#options.clock.monotonicMs() - this.#startedMs,
      engine: this.#engine,
      store: this.#store,
      logRoom: this.#logRoom,
      sources: [...this.#sources.values()].map(({ part }) => part),
      counters: this.#options.counters,
      forwarders: [...this.#outlets.values()].map(({ part }) => part.forwarder),
    });
  }

  /** Whether commits get through; what the watchdog asks. A failing disk is not mended by a restart. */
  healthy(): boolean {
    return this.#committer.stalledMs < COMMIT_STALL_MS_MAX || this.#store.failing !== undefined;
  }

  /** The port an embedded broker listens on, for whoever asked for any free one. */
  brokerPort(source: string): number | undefined {
    const part = this.#sources.get(source)?.part;
    return part !== undefined && "port" in part && typeof part.port === "number" ? part.port : undefined;
  }

  /**
   * Ends in good order.
   * @returns false when the store could not take the last readings in time; none of them was acknowledged
   */
  async stop(): Promise<boolean> {
    this.#isEnding = true;
    this.#stopTimers();
    const drain = () => this.#committer.drain();
    const drained = drain();
    const stopping = [...this.#sources.values()].map(({ part }) => part.stop());
    const inTime = await this.#within(DRAIN_MS_MAX, Promise.all([...stopping, drained]).then(drain));
    // A change of profiles that is not done goes on in the next life.
    const isWhole = !this.#engine.changeover.isUnderWay;
    if (inTime && isWhole) await this.#committer.exclusively(() => this.#checkpoint());
    this.#committer.stop();
    this.#refusals.stop();
    await Promise.all([...this.#outlets.values()].map(({ part }) => part.forwarder.stop()));
    await this.#api?.close();
    await this.#store.close();
    return inTime && (isWhole || this.#committer.isEmpty);
  }

  async #checkpoint(): Promise<void> {
    const share = this.#checkpointer.everything();
    await this.#store.commit({ summaries: [], ...share.commit });
    share.written();
  }

  async #within(ms: number, work: Promise<unknown>): Promise<boolean> {
    const late = new Promise<false>((resolve) => this.#options.timers.after(ms, () => resolve(false)));
    return await Promise.race([work.then(() => true), late]);
  }
}

/** What a target depends on; as for sources. */
function makingOfOutlet(config: TargetConfig): string {
  return JSON.stringify([config, config.type === "mqtt" ? config.password?.reveal() : undefined]);
}

function codeOf(error: unknown): string {
  return error instanceof WeirError ? error.code : "unexpected";
}
