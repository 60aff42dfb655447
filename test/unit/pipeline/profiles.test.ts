import { describe, expect, it } from "vitest";
import type { ReadingGroup } from "../../../src/model/block.js";
import { newGroup } from "../../../src/model/block.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import type { Profile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { ChangingGateway, profileOf, type Setting } from "../../helpers/changing.js";

const NOON = Date.UTC(2026, 0, 14, 12);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

function source(id: string, windows: string): Profile {
  return profileOf(`schema: device-profile/1
id: ${id}
version: 1.0.0
device: { kind: thermometer }
decode: { format: json }
identity: { from: /d }
time: { from: /t, format: epoch-ms, outOfOrderness: 0s, idleTimeout: never }
fields: { x: { from: /x } }
windows:
${windows}
`);
}

const minute = '  - { name: 1m, tumbling: 1m, allowedLateness: 10m, fields: { "*": [count, mean, p50] } }\n';
const five = '  - { name: 5m, tumbling: 5m, allowedLateness: 10m, fields: { "*": [count, mean] } }\n';
const ten = '  - { name: 5m, tumbling: 10m, fields: { "*": [max, delta] } }\n';

const [a1, a2, a3] = [source("a", minute + five), source("a", minute + ten), source("a", ten)];
const [b1, b2] = [source("b", minute), source("b", five)];
const group: GroupDefinition = {
  name: "few",
  members: { profiles: ["b"], devices: ["b1", "b2"] },
  windows: [
    {
      name: "1m",
      kind: { type: "tumbling", sizeMs: MINUTE, offsetMs: 0 },
      allowedLatenessMs: 2 * MINUTE,
      fields: { x: ["count", "max"] },
    },
  ],
};
const other = { ...group, members: { devices: ["a1", "b2", "b3"] } };

function setting(profiles: readonly Profile[], groups: readonly GroupDefinition[] = []): Setting {
  return { profiles, groups };
}

const DEVICES = 6;

/** A reading of each device, some of them late. */
function readings({ profiles }: Setting, round: number, devices = DEVICES): ReadingGroup[] {
  return profiles.flatMap(({ id, hash }) =>
    Array.from({ length: devices }, (_, i) => {
      const of = newGroup(hash, `${id}${i}`, false);
      const timeMs = NOON + round * 20 * SECOND - (i % 3) * 30 * SECOND;
      of.arrivals.push(NOON + round * 20 * SECOND);
      of.times.push(timeMs);
      of.values.push([i + round]);
      of.deliveries.push(0);
      return of;
    }),
  );
}

function at(of: ReadingGroup, timeMs: number): ReadingGroup {
  return { ...of, arrivals: [timeMs], times: [timeMs] };
}

function block(groups: readonly ReadingGroup[]) {
  return { processingMs: 0, clockTrusted: true, tick: true, groups };
}

/** So many readings of each device under each setting in turn. @param dies in which batch of a change, and whether it is in */
async function lived(
  settings: readonly Setting[],
  bytesMax: number | undefined,
  dies?: { readonly change: number; readonly batch: number; readonly diesAfter: boolean },
): Promise<{ readonly gateway: ChangingGateway; readonly hasDied: boolean }> {
  // Where memory is little, few windows at a time: a group has more to close too.
  const gateway = new ChangingGateway(bytesMax === undefined ? {} : { bytesMax, shareMax: 2 });
  let hasDied = false;
  for (const [i, each] of settings.entries()) {
    if (i === 0) await gateway.start(each);
    else {
      if (dies?.change === i) {
        gateway.disk.batchesLeft = dies.batch;
        gateway.disk.diesAfter = dies.diesAfter;
      }
      if (!(await gateway.change(each))) {
        hasDied = true;
        await gateway.start(each);
      }
      gateway.disk.revive();
    }
    for (let round = 0; round < 8; round++) await gateway.apply(block(readings(each, i * 8 + round)));
  }
  return { gateway, hasDied };
}

/** All that was said, device by device, and what would be said now. */
async function outcome(gateway: ChangingGateway) {
  const said = await gateway.log();
  const bySeries = (one: Summary, two: Summary) =>
    one.device < two.device ? -1 : one.device > two.device ? 1 : 0;
  const counts = gateway.engine.counts().sort((one, two) => (one.device < two.device ? -1 : 1));
  return { said: said.sort(bySeries), counts, left: gateway.engine.flush().sort(bySeries) };
}

const scenarios: Readonly<Record<string, readonly Setting[]>> = {
  "to other windows": [setting([a1, b1]), setting([a2, b1]), setting([a3, b2])],
  "out of force": [setting([a1, b1]), setting([b1])],
  "back into force, as it was or otherwise": [
    setting([a1, b1]),
    setting([b1]),
    setting([a1, b1]),
    setting([b1]),
    setting([a2, b1]),
  ],
  "of groups and their members": [
    setting([a1, b1], [group]),
    setting([a2, b2], [group]),
    setting([a2, b1], [other]),
    setting([a3, b1]),
  ],
};

describe("a change of profiles", () => {
  it.each(Object.entries(scenarios))(
    "comes to the same with little memory, and when the process dies in any batch of it: %s",
    async (_, settings) => {
      const expected = await outcome((await lived(settings, undefined)).gateway);
      expect(await outcome((await lived(settings, 0)).gateway)).toEqual(expected);
      for (let change = 1; change < settings.length; change++) {
        for (const diesAfter of [false, true]) {
          for (let batch = 1; ; batch++) {
            const { gateway, hasDied } = await lived(settings, batch % 2 === 0 ? 0 : 9_000, {
              change,
              batch,
              diesAfter,
            });
            expect(await outcome(gateway), `batch ${batch} of change ${change}`).toEqual(expected);
            if (!hasDied) {
              expect(batch).toBeGreaterThan(2);
              break;
            }
          }
        }
      }
    },
  );

  it.each([
    ["", [setting([a1, b1]), setting([a2, b1]), setting([a1, b2])]],
    [
      " and groups",
      [
        setting([a1, b1], [group]),
        setting([a1, b2], [other]),
        setting([a2, b1], [group, { ...other, name: "2" }]),
      ],
    ],
  ])(
    "is finished first when the process dies in it and comes up with other profiles%s again",
    async (_, settings) => {
      const straight = new ChangingGateway();
      await straight.start(settings[0]!);
      for (let round = 0; round < 8; round++) await straight.apply(block(readings(settings[0]!, round)));
      for (const each of settings.slice(1)) await straight.change(each);
      const expected = await outcome(straight);
      for (let batch = 4; batch < 8; batch++) {
        const gateway = new ChangingGateway({ bytesMax: 0, shareMax: 1 });
        await gateway.start(settings[0]!);
        for (let round = 0; round < 8; round++) await gateway.apply(block(readings(settings[0]!, round)));
        gateway.disk.batchesLeft = batch;
        expect(await gateway.change(settings[1]!)).toBe(false);
        expect(await gateway.start(settings[2]!)).toBe(true);
        expect(await outcome(gateway)).toEqual(expected);
      }
    },
  );

  it("keeps within the bound of memory but for the device whose turn it is, though all of them have windows to close", async () => {
    const [bytesMax, devices] = [200_000, 2_000];
    const gateway = new ChangingGateway({ bytesMax });
    await gateway.start(setting([a1]));
    for (let from = 0; from < devices; from += 20) {
      const some = readings(setting([a1]), 0, devices).slice(from, from + 20);
      await gateway.apply(block(some));
    }
    const { bytes, devicesSpilled } = gateway.engine.residency.stats();
    expect(devicesSpilled).toBeGreaterThan(devices * 0.9);
    gateway.bytesPeak = 0;
    gateway.devicesPeak = 0;
    gateway.batches = 0;
    await gateway.change(setting([a3]));
    expect(gateway.bytesPeak).toBeLessThan(bytesMax + bytes / (devices - devicesSpilled) + 1_000);
    expect(gateway.devicesPeak).toBeLessThan(devices * 0.1);
    expect(gateway.batches).toBeGreaterThan(5);
    expect((await gateway.log()).filter(({ reconfigured }) => reconfigured)).toHaveLength(2 * devices);
    // And within what one batch may hold where memory is without end.
    const roomy = new ChangingGateway();
    await roomy.start(setting([a1]));
    await roomy.apply(block(readings(setting([a1]), 0, devices)));
    roomy.batches = 0;
    await roomy.change(setting([a3]));
    expect(roomy.batches).toBeGreaterThan(3);
  });

  it("closes what members of a group and the group have open in portions, with few of them in memory", async () => {
    const [devices, seconds, shareMax] = [30, 100, 20];
    const second = '  - { name: 1s, tumbling: 1s, allowedLateness: 10m, fields: { "*": [count] } }\n';
    const [before, after] = [source("a", second), source("a", ten)];
    const kind = { type: "tumbling", sizeMs: SECOND, offsetMs: 0 } as const;
    const windows = ["1s", "late"].map((name) => ({
      name,
      kind,
      allowedLatenessMs: 10 * MINUTE,
      fields: { x: ["count"] },
    }));
    const all: GroupDefinition = { name: "all", members: {}, windows };
    const gateway = new ChangingGateway({ bytesMax: 100_000, shareMax });
    await gateway.start(setting([before], [all]));
    for (let i = 0; i < seconds; i++) {
      const of = setting([before]);
      await gateway.apply(block(readings(of, 0, devices).map((each) => at(each, NOON + i * SECOND))));
    }
    const first = gateway.engine.groups.counts();
    expect(first).toMatchObject([{ members: devices, openWindows: 2 * seconds }]);
    gateway.summariesPeak = 0;
    gateway.batches = 0;
    await gateway.change(setting([after], [{ ...all, windows: windows.slice(0, 1) }]));
    // What a device has left and what the next one begins with, in a batch.
    expect(gateway.summariesPeak).toBeLessThanOrEqual(2 * shareMax);
    expect(gateway.batches).toBeGreaterThan((devices * seconds) / (2 * shareMax));
    const closed = async () => (await gateway.log()).filter(({ reconfigured }) => reconfigured);
    // Of the group's two windows one goes on.
    expect(await closed()).toHaveLength(devices * seconds + seconds);
    expect(gateway.engine.groups.counts()).toMatchObject([{ members: devices, openWindows: seconds }]);
    await gateway.change(setting([after]));
    expect(gateway.summariesPeak).toBeLessThanOrEqual(2 * shareMax);
    const ofGroup = (await closed()).filter(({ members }) => members !== undefined);
    expect(ofGroup).toHaveLength(2 * seconds);
    expect(new Set(ofGroup.map(({ members }) => members?.count))).toEqual(new Set([devices]));
    // They have handed over what they had, so they may go.
    expect(gateway.engine.residency.stats().devicesSpilled).toBeGreaterThan(0);
  });
});
