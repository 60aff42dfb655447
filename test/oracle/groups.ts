import { shapeGroup } from "../../src/aggregate/group.js";
import { type GroupDefinition, takesDevice, takesProfile } from "../../src/model/group.js";
import type { EngineProfile } from "../../src/model/profile.js";
import { distinctReadings, type OracleReading, oracle } from "./oracle.js";

/** A reading, with the profile whose fields its values follow. */
export type MemberReading = OracleReading & { readonly of: EngineProfile };

/**
 * What the windows of a group must say: the members' readings, each device's without its duplicates, as if one device
 * had sent them all. Final bodies by `group/window/start`.
 */
export function groupOracle(
  group: GroupDefinition,
  profiles: readonly EngineProfile[],
  readings: readonly MemberReading[],
): Map<string, string> {
  const { profile } = shapeGroup(group, profiles);
  const gathered = readings
    .filter(({ of, device }) => takesProfile(group.members, of) && takesDevice(group.members, device))
    .flatMap((reading) =>
      distinctReadings(reading.of, [reading]).map(({ timeMs, values }) => ({ ...reading, timeMs, values })),
    );
  const distinct = new Map(
    gathered.map((each) => [
      JSON.stringify([each.of.id, each.device, each.timeMs, each.values.map(String)]),
      each,
    ]),
  );
  const asOne = [...distinct.values()].map(({ of, timeMs, values }, index) => ({
    // One of a kind each, so that equal readings of two devices both count.
    device: `${group.name}`,
    timeMs,
    values: [
      ...profile.fields.map(({ name }) => {
        const place = of.fields.findIndex((field) => field.name === name);
        return place < 0 ? Number.NaN : values[place]!;
      }),
      index,
    ],
  }));
  const counted = {
    name: "",
    type: "float",
    unit: undefined,
    range: undefined,
    plausible: undefined,
  } as const;
  const numbered = { ...counted, values: undefined, compute: undefined };
  return oracle({ ...profile, fields: [...profile.fields, numbered] }, asOne);
}
