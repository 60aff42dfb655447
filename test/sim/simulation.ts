import type { Agent } from "../../src/agent/agent.js";
import { LIMITS } from "../../src/model/limits.js";
import { CANARIES } from "./canaries.js";
import { checkEnd, checkUp } from "./checks.js";
import { SimulatedClient } from "./client.js";
import { EPOCH_MS, WallClock } from "./clocks.js";
import { Dice } from "./dice.js";
import { SimulatedDisk } from "./disk.js";
import { Gateway } from "./gateway.js";
import { groupProfiles } from "./groups.js";
import { Kernel } from "./kernel.js";
import { Misfortunes } from "./misfortunes.js";
import { Network } from "./network.js";
import { Receipts } from "./receipts.js";
import { Decoder } from "./received.js";
import { makeScenario } from "./scenario.js";
import { Sensor } from "./sensor.js";
import type { Simulated } from "./simulated.js";
import { SimulatedUpstream } from "./upstream.js";

/**
 * One simulated gateway with its devices and its upstreams, from a seed. The agent is the real one, from the
 * composition root to the store; only the disk, the network, the clocks and the transports are simulated.
 *
 * For `horizonMs` of simulated time the devices send and misfortunes happen. Then everything heals, the devices get
 * rid of what they hold, their windows are closed by readings far ahead, and what has arrived upstream is held
 * against what was sent.
 */
export interface SimulationOptions {
  readonly seed: number;
  readonly horizonMs: number;
  /** Healing begins after so many steps at the latest: how a failure is cut down to its shortest beginning. */
  readonly stepsMax?: number;
  /** Name of a fault that is planted for this simulation: what it counts begins anew, so that the seed repeats it. */
  readonly canary?: string;
}

export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly lives: number;
  readonly readings: number;
  readonly acknowledged: number;
  readonly summaries: number;
  /** How often each event was told. */
  readonly events: Readonly<Record<string, number>>;
}

export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
  readonly seed: number;
  readonly step: number;

  constructor(seed: number, step: number, atMs: number, cause: unknown) {
    const hours = (atMs / 3_600_000).toFixed(4);
    super(`seed ${seed}, step ${step}, hour ${hours}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
    this.seed = seed;
    this.step = step;
  }
}

const HOUR_MS = 3_600_000;
const DRAIN_MS_MAX = 12 * HOUR_MS;
/** Further than any window and its lateness. */
const CLOSING_MS = 4 * 24 * HOUR_MS;

/** @throws SimulationFailure */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const undo = options.canary === undefined ? () => {} : CANARIES[options.canary]!();
  const widen = narrowShares(new Dice(options.seed).fork("shares"));
  try {
    return await run(options);
  } finally {
    widen();
    undo();
  }
}

/** As much smaller as the logs here are. */
const SHARE_MAX = 32;

/**
 * Few of the devices here have many windows, so now and then what is said at a time is little.
 * @returns how to undo that
 */
function narrowShares(dice: Dice): () => void {
  const { deviceShareMax, changeShareMax, blockSummariesMax } = LIMITS;
  const usual = { deviceShareMax: SHARE_MAX, changeShareMax: SHARE_MAX };
  if (dice.chance(0.5)) Object.assign(LIMITS, usual);
  else {
    const share = dice.whole(1, 4);
    const narrow = { deviceShareMax: share, changeShareMax: share, blockSummariesMax: dice.whole(1, 16) };
    Object.assign(LIMITS, narrow);
  }
  return () => void Object.assign(LIMITS, { deviceShareMax, changeShareMax, blockSummariesMax });
}

async function run(options: SimulationOptions): Promise<Outcome> {
  const { seed, horizonMs, stepsMax = Number.POSITIVE_INFINITY } = options;
  const dice = new Dice(seed);
  const simulated = build(dice, horizonMs);
  const { kernel, gateway, sensors } = simulated;
  const misfortunes = new Misfortunes(simulated, dice.fork("misfortunes"));
  gateway.onUp = (agent: Agent) => checkUp(simulated, agent);
  try {
    gateway.start();
    for (const sensor of sensors) sensor.start();
    misfortunes.begin();
    await kernel.run(horizonMs, () => kernel.steps >= stepsMax);
    misfortunes.end();
    for (const sensor of sensors) sensor.stop();
    await settleDown(simulated);
    checkEnd(simulated);
  } catch (error) {
    throw new SimulationFailure(seed, kernel.steps, kernel.nowMs, error);
  }
  return outcomeOf(seed, simulated);
}

function build(dice: Dice, horizonMs: number): Simulated {
  const scenario = makeScenario(dice.fork("scenario"), horizonMs);
  const kernel = new Kernel();
  const wall = new WallClock(kernel, 1 + (dice.fork("drift").next() - 0.5) * 1e-4);
  const disk = new SimulatedDisk(kernel, dice.fork("disk"), scenario.disk);
  const local = new Network(kernel, dice.fork("local"), scenario.local);
  const remote = new Network(kernel, dice.fork("remote"), scenario.remote);
  const upstreams = scenario.targets.map(({ name }) => new SimulatedUpstream(name));
  const gateway = new Gateway({ kernel, scenario, dice, wall, disk, remote, upstreams });
  const client = (id: string) =>
    new SimulatedClient({
      id,
      kernel,
      network: local,
      dice: dice.fork(`client ${id}`),
      broker: () => gateway.broker(),
    });
  const sensors = scenario.devices.map(
    (spec) => new Sensor({ spec, client: client(spec.name), kernel, dice: dice.fork(spec.name) }),
  );
  const versions = scenario.profiles.flatMap((profile) => gateway.versions.map(profile.load));
  const definitions = new Map(versions.map((version) => [`${version.id}@${version.version}`, version]));
  const groups = groupProfiles(gateway.groups, gateway.profiles);
  const clocksStep = scenario.clock !== "good" || Number.isFinite(scenario.every.clockStep);
  const decoder = new Decoder(sensors, definitions, groups, clocksStep);
  const receipts = upstreams.map((upstream) => new Receipts(upstream, decoder, kernel));
  const hostile = client("hostile");
  return {
    scenario,
    kernel,
    wall,
    disk,
    local,
    remote,
    upstreams,
    gateway,
    sensors,
    hostile,
    rubbish: [],
    receipts,
  };
}

/** All is well again: what is held back arrives, the windows are closed, and the upstreams get everything. */
async function settleDown(simulated: Simulated): Promise<void> {
  const { kernel, wall, gateway, sensors, hostile, receipts } = simulated;
  const clients = [...sensors.map(({ client }) => client), hostile];
  const drained = () => gateway.isUp && clients.every(({ isDone }) => isDone);
  await within(kernel, drained, "the devices get rid of their readings");
  // Commits of what was not waited for: QoS 0 has no acknowledgement.
  await kernel.run(kernel.nowMs + 60_000);
  for (const receipt of receipts) receipt.closingFrom(sensors);
  wall.set(EPOCH_MS + kernel.nowMs + CLOSING_MS);
  for (const sensor of sensors) {
    // A sender of QoS 0 does not notice that its connection is dead.
    sensor.client.restart();
    sensor.send(wall.ms);
  }
  await within(kernel, drained, "the devices get rid of their last readings");
  await kernel.run(kernel.nowMs + 60_000);
  const delivered = () =>
    gateway.status()?.targets.every(({ lagEntries, state }) => lagEntries === 0 && state === "idle") === true;
  // A status takes long: it reads what is not in memory.
  const untilMs = kernel.nowMs + DRAIN_MS_MAX;
  while (!delivered() && kernel.nowMs < untilMs) await kernel.run(kernel.nowMs + 10_000);
  if (!delivered()) throw notIn("the upstreams get everything");
}

async function within(kernel: Kernel, done: () => boolean, what: string): Promise<void> {
  await kernel.run(kernel.nowMs + DRAIN_MS_MAX, done);
  if (!done()) throw notIn(what);
}

function notIn(what: string): Error {
  return new Error(`${what}: not in ${DRAIN_MS_MAX / HOUR_MS} h of health`);
}

function outcomeOf(seed: number, simulated: Simulated): Outcome {
  const { kernel, gateway, sensors, receipts } = simulated;
  const events: Record<string, number> = {};
  for (const { name } of gateway.told) events[name] = (events[name] ?? 0) + 1;
  const sent = sensors.flatMap((sensor) => sensor.sent);
  return {
    seed,
    steps: kernel.steps,
    simulatedMs: kernel.nowMs,
    lives: gateway.lives,
    readings: sent.length,
    acknowledged: sent.filter(({ messages }) => messages.some(({ acknowledged }) => acknowledged)).length,
    summaries: receipts.reduce((sum, { arrivals }) => sum + arrivals, 0),
    events,
  };
}
