import { shapeGroup } from "../../src/aggregate/group.js";
import type { GroupDefinition } from "../../src/model/group.js";
import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import type { Dice } from "./dice.js";
import { NUMERIC, type ProfileSpec } from "./profiles.js";

/**
 * The groups of a simulation. Sums tell the readings of one device apart, not those of several; so each reading says
 * who sent it and its number in a text, and groups count the texts.
 */
export interface GroupSpec {
  readonly name: string;
  /** YAML, one for each version of the config. */
  readonly texts: readonly string[];
}

export function makeGroups(profiles: readonly ProfileSpec[], dice: Dice): GroupSpec[] {
  if (dice.chance(0.4)) return [];
  const lateMs = Math.max(...profiles.map(({ latenessMs }) => latenessMs));
  return Array.from({ length: dice.whole(1, 2) }, (_, i) => {
    const members = dice.pick([
      "{}",
      "{ profiles: [p0] }",
      "{ devices: [d0, d1, d2] }",
      '{ devices: ["d?"] }',
    ]);
    const whole = makeWindow("whole", dice.pick(["tumbling: 1m", "tumbling: 10m"]), lateMs, dice);
    const more = [1, 2].map((version) => {
      const bounds = dice.pick([
        "tumbling: 7m",
        "hopping: { size: 5m, slide: 1m }",
        "tumbling: 1d, zone: UTC",
      ]);
      return makeWindow(`more${version}`, bounds, lateMs, dice);
    });
    const versions = [[whole], [whole, more[0]], [whole, more[1]]];
    const text = (windows: readonly (string | undefined)[]) =>
      `{ name: g${i}, members: ${members}, windows: [${windows.join(", ")}] }`;
    return { name: `g${i}`, texts: versions.map(text) };
  });
}

function makeWindow(name: string, bounds: string, lateMs: number, dice: Dice): string {
  const fields = `id: [counts], v: [${dice.some(NUMERIC, 0.3).join(", ")}], s: [count, mode]`;
  const lateness = `allowedLateness: ${(lateMs * dice.pick([1, 2])) / 1_000}s`;
  const holes = dice.chance(0.3) ? `, empty: emit, fill: ${dice.pick(["null", "previous", "0"])}` : "";
  const early = dice.chance(0.3) ? ", early: 40s" : "";
  return `{ name: ${name}, ${bounds}, ${lateness}${holes}${early}, fields: { ${fields} } }`;
}

/** In this every reading of a member is, unless it was too late. */
export const WHOLE = "whole";

export function isOfGroup({ profile }: Summary): boolean {
  return profile.startsWith("group@");
}

/**
 * What a group is as one device, with the windows of all its versions. By its name. Its fields are those of all versions
 * together, and windows ask for them by their places among these.
 */
export function groupProfiles(
  versions: readonly (readonly GroupDefinition[])[],
  profiles: readonly EngineProfile[],
): Map<string, EngineProfile> {
  const found = new Map<string, EngineProfile>();
  for (const definition of versions.flat()) {
    const known = found.get(definition.name);
    const { profile } = shapeGroup(definition, profiles);
    const before = known?.fields ?? [];
    const added = profile.fields.filter(({ name }) => !before.some((field) => field.name === name));
    const fields = [...before, ...added];
    const placeOf = (field: number) => fields.findIndex(({ name }) => name === profile.fields[field]!.name);
    const windows = profile.windows.map((window) => ({
      ...window,
      aggregates: window.aggregates.map((asked) => ({ ...asked, field: placeOf(asked.field) })),
    }));
    found.set(definition.name, { ...profile, fields, windows: [...(known?.windows ?? []), ...windows] });
  }
  return found;
}

/** How often each reading is in a group's summary, by what it says of itself; undefined where there are too many to tell. */
export function countsOf({ fields, filled }: Summary): ReadonlyMap<string, number> | undefined {
  const { id } = fields;
  if (id === undefined || filled?.includes("id")) return new Map();
  if (id.counts === null) return undefined;
  return new Map(Object.entries(id.counts as Readonly<Record<string, number>>));
}
