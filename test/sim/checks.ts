import type { Agent } from "../../src/agent/agent.js";
import type { AgentStatus } from "../../src/agent/status.js";
import { takesDevice, takesProfile } from "../../src/model/group.js";
import type { Summary } from "../../src/model/summary.js";
import { logBytesWithHeadRoom } from "../../src/pipeline/log-room.js";
import type { Outgoing } from "./client.js";
import { isOfGroup, countsOf as readingsOf, WHOLE } from "./groups.js";
import { keyOf, type Receipts } from "./receipts.js";
import { fineName } from "./received.js";
import type { Sensor } from "./sensor.js";
import type { Simulated } from "./simulated.js";

/** Events after which something may be missing, because it was said to be. */
const DAMAGES = [
  "store-set-aside",
  "store-loss",
  "log-entry-damaged",
  "log-entries-lost",
  "log-entries-back",
  "log-unreadable",
];
const LOSSES = [...DAMAGES, "log-unsent-dropped"];

function lossTold({ gateway }: Simulated): boolean {
  return gateway.told.some(({ name }) => LOSSES.includes(name));
}

/** Nobody may find damage where there is none. */
function checkUndamaged({ gateway, disk }: Simulated): void {
  if (disk.rotted.length > 0) return;
  const damage = gateway.told.find(({ name }) => DAMAGES.includes(name));
  if (damage !== undefined) throw new Error(`${damage.name}: ${JSON.stringify(damage.fields)}`);
}

/** Right after a recovery: every acknowledged reading is there, and the bounds are kept. */
export function checkUp(simulated: Simulated, agent: Agent): void {
  const status = agent.status();
  checkUndamaged(simulated);
  checkBounds(simulated, status);
  if (lossTold(simulated)) return;
  for (const sensor of simulated.sensors) {
    if (!sensor.spec.profile.strict || refusable(simulated)) continue;
    const acknowledged = sensor.sent.filter(({ messages }) => messages.some((m) => m.acknowledged)).length;
    const accepted = countsOf(status, sensor)?.accepted ?? 0;
    if (accepted < acknowledged) {
      throw new Error(
        `${keyOf(sensor)}: ${acknowledged} readings are acknowledged, ${accepted} are there after recovery`,
      );
    }
  }
}

/** Whether there are more devices than allowed, so that any of them may be refused. */
function refusable({ scenario }: Simulated): boolean {
  return scenario.devicesMax < 100 || scenario.every.hostile < Number.POSITIVE_INFINITY;
}

function countsOf(status: AgentStatus, { spec }: Sensor) {
  return status.byDevice.find(({ profile, device }) => profile === spec.profile.id && device === spec.name);
}

const SLACK_BYTES = 100_000;
/** What one block, or all that has gathered before an end or a reload, causes here at worst. */
const BLOCK_BYTES_MAX = 30_000;
/** And what the block of all that came while nothing could be written does. */
const LONG_BLOCK_BYTES_MAX = 60_000;
/** At worst each of a device's readings lies in a slice of its own that lateness keeps. */
const DEVICE_BYTES_MAX = 200_000;

function checkBounds({ scenario, disk, gateway }: Simulated, { store, devices }: AgentStatus): void {
  const waited = gateway.told.some(({ name }) => name === "store-recovered");
  const { logBytesMax, journalBytesMax } = scenario.store;
  if (devices > scenario.devicesMax)
    throw new Error(`${devices} devices, ${scenario.devicesMax} are allowed`);
  const blockBytesMax = waited ? LONG_BLOCK_BYTES_MAX : BLOCK_BYTES_MAX;
  if (store.logBytes > logBytesWithHeadRoom(logBytesMax) + blockBytesMax) {
    throw new Error(`the log has ${store.logBytes} bytes, allowed are ${logBytesMax}`);
  }
  const bytesMax = logBytesMax + 2 * journalBytesMax + devices * DEVICE_BYTES_MAX + SLACK_BYTES;
  if (disk.bytes > bytesMax) throw new Error(`the disk holds ${disk.bytes} bytes, allowed are ${bytesMax}`);
}

/** At the end, when everything has healed. */
export function checkEnd(simulated: Simulated): void {
  const status = simulated.gateway.status()!;
  checkUndamaged(simulated);
  checkBounds(simulated, status);
  checkAccounts(simulated, status);
  for (const receipts of simulated.receipts) {
    const found = checkOnce(receipts, simulated);
    if (lossTold(simulated)) continue;
    checkComplete(simulated, status, receipts, found);
    if (!refusable(simulated)) checkBefore(simulated, receipts, found);
  }
}

/** What was received is what came in: nothing is counted that was not there, nothing confirmed goes uncounted. */
function checkAccounts(simulated: Simulated, status: AgentStatus): void {
  const { gateway, sensors, rubbish } = simulated;
  if (status.received > gateway.takenIn) {
    throw new Error(`${status.received} readings are counted, only ${gateway.takenIn} came in`);
  }
  if (lossTold(simulated)) return;
  const messages = [...rubbish, ...sensors.flatMap(({ sent }) => sent.flatMap((each) => each.messages))];
  const acknowledged = messages.filter((message) => message.acknowledged).length;
  if (status.received < acknowledged) {
    throw new Error(`${acknowledged} readings are acknowledged, only ${status.received} are counted`);
  }
}

/** As `keyOf`. */
function deviceOf({ profile, device }: Summary): string {
  return `${profile.split("@")[0]}/${device}`;
}

/** Kinds of which a reading may be in several windows. */
const OVERLAPPING = ["hopping", "sliding"];

/** Kinds whose windows may be taken back. */
const FOLDED = ["session", "count", "state", "sliding"];

/** Names of readings. */
type Found = ReadonlyMap<string, ReadonlySet<string>>;

/** No reading is in two windows of one definition. @returns the readings by device and window, and by device */
function checkOnce(receipts: Receipts, simulated: Simulated): Found {
  const loss = lossTold(simulated);
  const found = new Map<string, Set<string>>();
  const setOf = (key: string) => {
    const set = found.get(key) ?? new Set<string>();
    found.set(key, set);
    return set;
  };
  for (const { summary, members } of receipts.newest()) {
    // That it was taken back, or is open again and will be said anew, may be among what was lost.
    const unsure = !summary.final && FOLDED.includes(summary.window.kind) && loss;
    if (summary.retracted || unsure) continue;
    const device = deviceOf(summary);
    const overlaps = OVERLAPPING.includes(summary.window.kind);
    // With its store an agent loses the memory of what it has taken in and not acknowledged yet: each time.
    const since = summary.incomplete ? ` ${/\/lost\d*/.exec(summary.id)?.[0] ?? "incomplete"}` : "";
    const inWindow = setOf(`${device} ${fineName(summary)}${since}`);
    for (const { name } of members) {
      if (!overlaps && inWindow.has(name)) {
        throw new Error(`${receipts.target}: reading ${name} is in ${summary.id} and in another window`);
      }
      inWindow.add(name);
      if (!isOfGroup(summary) || fineName(summary) === WHOLE) setOf(device).add(name);
    }
  }
  return found;
}

/** Reasons by which a reading may be refused through no fault of the agent's. */
const REFUSALS = ["late", "future", "past", "overLimit"] as const;

function checkComplete(simulated: Simulated, status: AgentStatus, receipts: Receipts, found: Found): void {
  // Of QoS 0 nothing is lost but by a connection or a process that ends.
  const uneventful = simulated.gateway.lives === 1 && simulated.scenario.local.breaks === 0;
  for (const sensor of simulated.sensors) {
    const key = keyOf(sensor);
    const there = found.get(key) ?? new Set();
    const isSure = ({ acknowledged, sent }: Outgoing) => acknowledged || (sent && uneventful);
    const missing = sensor.sent.filter(
      (sent) => receipts.counts(key, sent) && sent.messages.some(isSure) && !there.has(sent.name),
    );
    if (missing.length === 0) continue;
    const counts = countsOf(status, sensor) ?? countsOf(status, unknownOf(sensor));
    const late = counts?.rejected.late ?? 0;
    if (late > 0 && !sensor.spec.profile.timed) {
      throw new Error(`${key}: ${late} readings are late, although they have their time from their arrival`);
    }
    const rejected = REFUSALS.reduce((sum, reason) => sum + (counts?.rejected[reason] ?? 0), 0);
    // Late for the windows that were emitted, and in time for one that was not.
    const refused = rejected + (counts?.partlyLate ?? 0);
    const excused = sensor.spec.profile.strict && !refusable(simulated) ? 0 : refused;
    if (missing.length > excused) {
      const numbers = missing.map(({ number }) => number).join(" ");
      throw new Error(
        `${receipts.target}: ${key} lacks ${missing.length} acknowledged readings (${numbers}), ${excused} are excused`,
      );
    }
  }
  checkGroups(simulated, status, receipts, found);
  checkFinal(receipts);
}

/** A window begins with the last value before it, where that is known for sure: of the definition that never changes. */
function checkBefore({ sensors }: Simulated, receipts: Receipts, found: Found): void {
  const byDevice = new Map(
    sensors.map((sensor) => {
      const there = found.get(keyOf(sensor)) ?? new Set();
      const kept = sensor.sent.filter(({ name }) => there.has(name));
      return [keyOf(sensor), { profile: sensor.spec.profile, kept }];
    }),
  );
  for (const newest of receipts.newest()) {
    const { summary } = newest;
    const { profile, kept } = byDevice.get(deviceOf(summary)) ?? {};
    if (profile?.strict !== true || !summary.final || newest.members.length === 0) continue;
    const isOfFirst = fineName(summary) === profile.load(0).windows[0]!.name;
    if (isOfFirst && !/\/\d+$/.test(summary.id)) receipts.decoder.checkOrder(newest, kept!, true);
  }
}

/** What a device has in a window of its own is in its groups' windows too, but for what these count as late. */
function checkGroups(simulated: Simulated, status: AgentStatus, receipts: Receipts, found: Found): void {
  const definitions = simulated.gateway.groups[0] ?? [];
  for (const { name, members } of definitions) {
    const opaque = [...receipts.newest()].filter(
      ({ summary }) => summary.device === name && isOfGroup(summary) && readingsOf(summary) === undefined,
    );
    // Which readings those are nobody can tell.
    if (opaque.length > 0) continue;
    const counts = status.groups.find((group) => group.name === name);
    // A device that only the hostile client has spoken for is never silent where the profile says so.
    if (counts?.waitsFor !== undefined && !receipts.knows(counts.waitsFor)) continue;
    const there = found.get(`group/${name}`) ?? new Set();
    const sensors = simulated.sensors.filter(
      ({ spec }) => takesProfile(members, spec.profile) && takesDevice(members, spec.name),
    );
    const missing = sensors.flatMap((sensor) => {
      const key = keyOf(sensor);
      const own = found.get(key) ?? new Set();
      return sensor.sent.filter(
        (sent) => receipts.counts(key, sent) && own.has(sent.name) && !there.has(sent.name),
      );
    });
    const late = counts?.late ?? 0;
    if (missing.length <= late) continue;
    const names = missing.map((sent) => sent.name).join(" ");
    throw new Error(
      `${receipts.target}: group ${name} lacks ${missing.length} readings (${names}), ${late} are late`,
    );
  }
}

/** Where readings of devices beyond the limit are booked. */
function unknownOf(sensor: Sensor): Sensor {
  return { spec: { ...sensor.spec, name: "?" } } as Sensor;
}

/** A window without a reading that was sent to close others has had its last word. */
function checkFinal(receipts: Receipts): void {
  for (const { summary, members } of receipts.newest()) {
    const device = deviceOf(summary);
    if (!receipts.decoder.ends({ summary, members })) continue;
    const closed = receipts.knows(device) && members.every((member) => receipts.counts(device, member));
    if (closed && !summary.final) throw new Error(`${receipts.target}: ${summary.id} was never final`);
  }
}
