import { GROUP_PROFILE, GROUP_PROFILE_VERSION, type GroupDefinition, takesProfile } from "../model/group.js";
import { nearest } from "../model/nearest.js";
import { type EngineProfile, type Field, type FieldType, meaningOf } from "../model/profile.js";
import type { FieldAggregates, WindowDefinition } from "../model/window.js";
import { accumulatedOf } from "./accumulated.js";
import { type Aggregate, accumulatorsOf, suits } from "./aggregate.js";
import { findAggregate, nearestAggregate } from "./catalog.js";
import { isOrdered } from "./cells.js";
import { hash53 } from "./hash53.js";

/**
 * What a group means to the profiles whose devices it may take: which fields its windows look at, found by name, and
 * whether these are the same thing everywhere. What is merged over devices must be of one unit and one type, and come
 * from accumulators that know no order: of two devices, neither value follows the other.
 */
export interface GroupShape {
  /** Why the group cannot be; none where it can. */
  readonly problems: readonly GroupProblem[];
  /** As if the group were one device. */
  readonly profile: EngineProfile;
  /** By profile id, the windows that gather what a device of it gives to the group. */
  readonly parts: ReadonlyMap<string, readonly WindowDefinition[]>;
}

export interface GroupProblem {
  /** Below the group's definition. */
  readonly path: readonly (string | number)[];
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** The name of the window that gathers a device's part; no profile can have it. */
export function partName(group: string, window: string): string {
  return `${GROUP_PROFILE}/${group}/${window}`;
}

/** @param profiles those in force */
export function shapeGroup(definition: GroupDefinition, profiles: readonly EngineProfile[]): GroupShape {
  const problems: GroupProblem[] = [];
  // In an order that is always the same: states are laid out by it.
  const members = profiles
    .filter((profile) => takesProfile(definition.members, profile))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  if (members.length === 0) problems.push(noMembers(definition, profiles));
  for (const [index, { fields }] of definition.windows.entries()) {
    const path = ["windows", index, "fields"];
    if (members.length > 0) problems.push(...fieldProblems(fields, members, path));
  }
  const of = new Map(members.map((profile) => [profile, askedOf(definition, profile)]));
  const fields = sharedFields(definition, of);
  for (const [name, { path, using }] of fields) problems.push(...differences(name, path, using));
  const profile = profileOf(definition, fields);
  const shape = { problems, profile, parts: partsOf(profile, definition, of) };
  if (problems.length > 0 || shape.parts.size > 0) return shape;
  const message = `no field of a member is asked for in the group "${definition.name}"`;
  const hint = `give a window fields such as { "*": [count, mean] }`;
  return { ...shape, problems: [{ path: ["windows"], code: "no-members", message, hint }] };
}

function noMembers({ name, members }: GroupDefinition, profiles: readonly EngineProfile[]): GroupProblem {
  const ids = profiles.map(({ id }) => id);
  const tags = [...new Set(profiles.flatMap((profile) => profile.tags ?? []))];
  const strange = members.profiles?.find((id) => !ids.includes(id));
  if (strange !== undefined) {
    const guess = nearest(strange, ids);
    const all = ids.length === 0 ? "there is none that can be used" : `profiles are ${ids.join(", ")}`;
    const hint = guess === undefined ? all : `did you mean "${guess}"?`;
    const message = `there is no profile "${strange}"`;
    return { path: ["members", "profiles"], code: "unknown-profile", message, hint };
  }
  const hint = tags.length === 0 ? "no profile has tags" : `tags of the profiles are ${tags.join(", ")}`;
  const message = `no profile gives members to the group "${name}"`;
  return { path: ["members"], code: "no-members", message, hint };
}

/** Problems of what windows ask for, whoever has the fields. */
function fieldProblems(
  fields: Readonly<Record<string, readonly string[]>>,
  members: readonly EngineProfile[],
  at: readonly (string | number)[],
): GroupProblem[] {
  const all = new Map(members.flatMap((profile) => profile.fields.map((field) => [field.name, field])));
  return Object.entries(fields).flatMap(([name, requested]): GroupProblem[] => {
    const path = [...at, name];
    if (name !== "*" && !all.has(name)) {
      const guess = nearest(name, all.keys());
      const hint =
        guess === undefined ? `they have ${[...all.keys()].join(", ")}` : `did you mean "${guess}"?`;
      const message = `no profile of the group has a field ${name}`;
      return [{ path, code: "unknown-field", message, hint }];
    }
    const owners = members.flatMap((profile) =>
      profile.fields.filter((field) => field.name === name).map((field) => ({ profile, field })),
    );
    return requested.flatMap((aggregate, index): GroupProblem[] => {
      const problem = aggregateProblem(aggregate, requested.indexOf(aggregate) < index, owners);
      return problem === undefined ? [] : [{ path: [...path, index], ...problem }];
    });
  });
}

interface Owner {
  readonly profile: EngineProfile;
  readonly field: Field;
}

function aggregateProblem(
  name: string,
  again: boolean,
  owners: readonly Owner[],
): Omit<GroupProblem, "path"> | undefined {
  const aggregate = findAggregate(name);
  const code = "bad-aggregate";
  if (aggregate === undefined) {
    const guess = nearestAggregate(name);
    const hint = guess === undefined ? "the reference of profiles lists them" : `did you mean "${guess}"?`;
    return { code: "unknown-aggregate", message: `there is no aggregate ${name}`, hint };
  }
  if (again) return { code: "duplicate-name", message: `${name} is listed twice`, hint: "remove one" };
  if (hasOrder(aggregate)) {
    const message = `${name} follows the values of one device in order, and a group has no such order`;
    const hint = `ask for ${name} in a window of the device profile, and let the receiver add up what it needs`;
    return { code, message, hint };
  }
  if (aggregate.requires === "period") {
    const message = `${name} goes by the period of one device, and a group has none`;
    return { code, message, hint: `ask for ${name} in a window of the device profile` };
  }
  for (const { profile, field } of owners) {
    const { other, fields } = aggregate;
    if (!suits(fields, field.type)) {
      const message = `${name} is not for fields of type ${field.type}, as ${field.name} of ${profile.id} is`;
      return { code, message, hint: "ask for another aggregate, or leave the profile out" };
    }
    if (other !== undefined && !goesWith(profile, field, other)) {
      const message = `${name} needs two fields of numbers, and ${profile.id} has no such ${other} beside ${field.name}`;
      return { code, message, hint: "name another field, or leave the profile out" };
    }
  }
  return undefined;
}

function goesWith({ fields }: EngineProfile, field: Field, other: string): boolean {
  return other !== field.name && fields.some(({ name, type }) => name === other && suits("numbers", type));
}

/** Anything will do: whether an aggregate has an order does not depend on the field. */
const SOME_FIELD = accumulatedOf(
  {
    fields: [],
    time: { maxPastMs: 0, maxFutureMs: 0, outOfOrdernessMs: 0, idleTimeoutMs: 0, periodMs: 1 },
  },
  {
    name: "",
    type: "int",
    unit: undefined,
    range: undefined,
    plausible: undefined,
    values: undefined,
    compute: undefined,
  },
);

function hasOrder(aggregate: Aggregate): boolean {
  return aggregate.other === undefined && aggregate.needs(SOME_FIELD).some(isOrdered);
}

/** What a group asks of a profile's fields: for each window the aggregates, by place of the field. */
type Asked = readonly (readonly FieldAggregates[])[];

function askedOf({ windows }: GroupDefinition, profile: EngineProfile): Asked {
  return windows.map(({ fields }) =>
    profile.fields.flatMap((field, index): FieldAggregates[] => {
      const names = fields[field.name] ?? (fields["*"] ?? []).filter((name) => suited(name, profile, field));
      const known = names.filter((name) => findAggregate(name) !== undefined);
      return known.length === 0 ? [] : [{ field: index, names: known }];
    }),
  );
}

/** `*` gives each field what it can have. */
function suited(name: string, profile: EngineProfile, field: Field): boolean {
  const aggregate = findAggregate(name);
  if (aggregate === undefined || !suits(aggregate.fields, field.type)) return false;
  return aggregate.other === undefined || goesWith(profile, field, aggregate.other);
}

interface Shared {
  readonly path: readonly (string | number)[];
  readonly using: (Owner & { readonly aggregates: readonly Aggregate[] })[];
}

/** By name, who has the fields that are looked at, in the order of the first profile that has each. */
function sharedFields(
  { windows }: GroupDefinition,
  of: ReadonlyMap<EngineProfile, Asked>,
): Map<string, Shared> {
  const shared = new Map<string, Shared>();
  for (const [profile, asked] of of) {
    for (const field of profile.fields) {
      const names = asked.flatMap((window) =>
        window.flatMap((each) => (profile.fields[each.field] === field ? each.names : [])),
      );
      const looked = asked
        .flat()
        .some((each) => each.names.some((name) => findAggregate(name)!.other === field.name));
      if (names.length === 0 && !looked) continue;
      const window = Math.max(
        0,
        windows.findIndex(({ fields }) => fields[field.name] !== undefined),
      );
      const key = windows[window]?.fields[field.name] === undefined ? "*" : field.name;
      const known = shared.get(field.name) ?? { path: ["windows", window, "fields", key], using: [] };
      const aggregates = [...new Set(names)].map((name) => findAggregate(name)!);
      known.using.push({ profile, field, aggregates });
      shared.set(field.name, known);
    }
  }
  return shared;
}

/** Where a field is not the same thing in two profiles: every profile against the first. */
function differences(name: string, path: Shared["path"], using: Shared["using"]): GroupProblem[] {
  const [first, ...rest] = using;
  return rest.flatMap((other): GroupProblem[] => {
    const [a, b] = [first!, other].map(({ profile }) => `profile ${profile.id}`) as [string, string];
    if (first!.field.unit !== other.field.unit) {
      const [was, is] = [first!, other].map(({ field }) => field.unit ?? "no unit");
      const message = `${name} is in ${is} in ${b}, and in ${was} in ${a}`;
      const hint = `convert one of them with "as", or name the profiles of the group in members`;
      return [{ path, code: "unit-mismatch", message, hint }];
    }
    const hint = "make them the same, or name the profiles of the group in members";
    const [was, is] = [first!, other].map(({ field }) => typeOf(field));
    if (was !== is) {
      const message = `${name} is ${is} in ${b}, and ${was} in ${a}`;
      return [{ path, code: "type-mismatch", message, hint }];
    }
    const [mine, its] = [kindsOf(first!), kindsOf(other)];
    if ([...mine].every(([accumulator, kind]) => !its.has(accumulator) || its.get(accumulator) === kind))
      return [];
    const message = `${name} has another resolution in ${b} than in ${a}, or is compared with another kind of field`;
    return [{ path, code: "resolution-mismatch", message, hint }];
  });
}

const NUMBERS: readonly FieldType[] = ["float", "int", "decimal"];

function typeOf({ type, values }: Field): string {
  if (type === "enum") return `one of ${values?.join(", ")}`;
  return NUMBERS.includes(type) ? "a number" : `of type ${type}`;
}

/** By accumulator, what its states must have in common to be merged. */
function kindsOf({ profile, field, aggregates }: Shared["using"][number]): Map<string, string | undefined> {
  const usable = aggregates.filter(({ other }) => other === undefined || goesWith(profile, field, other));
  const accumulators = accumulatorsOf(usable, accumulatedOf(profile, field));
  return new Map(accumulators.map(({ name, kind }) => [name, kind]));
}

/** The group as one device: its fields are those of the first profile that has each. */
function profileOf({ windows }: GroupDefinition, shared: ReadonlyMap<string, Shared>): EngineProfile {
  const fields = [...shared.values()].map(({ using }) => ({ ...using[0]!.field, compute: undefined }));
  return {
    id: GROUP_PROFILE,
    version: GROUP_PROFILE_VERSION,
    hash: "",
    fields,
    time: { maxPastMs: 0, maxFutureMs: 0, outOfOrdernessMs: 0, idleTimeoutMs: Number.POSITIVE_INFINITY },
    duplicates: { by: "time", conflicting: "keep" },
    clean: [],
    windows: windows.map(
      ({ name, kind, allowedLatenessMs, earlyMs, fill, coarsenMs, fields: requested }) => ({
        name,
        kind,
        allowedLatenessMs,
        earlyMs,
        fill,
        coarsenMs,
        aggregates: fields.flatMap((field, index): FieldAggregates[] => {
          const { using } = shared.get(field.name)!;
          const names = requested[field.name] ?? starred(requested["*"] ?? [], using);
          return names.length === 0 ? [] : [{ field: index, names }];
        }),
      }),
    ),
  };
}

/** What `*` gives to a field: what suits it in every profile, so that no result leaves a member out. */
function starred(names: readonly string[], using: Shared["using"]): readonly string[] {
  return names.filter((name) => using.every(({ profile, field }) => suited(name, profile, field)));
}

function partsOf(
  group: EngineProfile,
  { name, members, windows }: GroupDefinition,
  of: ReadonlyMap<EngineProfile, Asked>,
): ReadonlyMap<string, readonly WindowDefinition[]> {
  const parts = new Map<string, readonly WindowDefinition[]>();
  const meanings = group.windows.map((window, index) => {
    const parts = [...of].map(([profile, asked]) => [profile.id, whatIsGathered(profile, asked[index]!)]);
    return inShort([members, parts, whatIsSaid(group, window)]);
  });
  for (const [{ id }, asked] of of) {
    const own = windows.flatMap(({ name: window, kind, allowedLatenessMs }, index): WindowDefinition[] => {
      const aggregates = asked[index]!;
      if (aggregates.length === 0) return [];
      const forGroup = meanings[index];
      return [{ name: partName(name, window), kind, allowedLatenessMs, aggregates, forGroup }];
    });
    if (own.length > 0) parts.set(id, own);
  }
  return parts;
}

/**
 * By a member's part in a window of the group. When this changes for one profile, the parts of all members end, because the
 * group's window does: a part that went on would gather for a window that has been said.
 */
function whatIsGathered(profile: EngineProfile, asked: readonly FieldAggregates[]): unknown {
  return asked.map(({ field: place, names }) => {
    const field = profile.fields[place]!;
    const aggregates = names.map((name) => findAggregate(name)!);
    return [meaningOf(field), names, [...kindsOf({ profile, field, aggregates })]];
  });
}

/** By a window of the group. */
function whatIsSaid({ fields }: EngineProfile, { aggregates, earlyMs, fill }: WindowDefinition): unknown {
  return [aggregates.map(({ field, names }) => [meaningOf(fields[field]!), names]), earlyMs, fill];
}

function inShort(meaning: unknown): string {
  return hash53(JSON.stringify(meaning)).toString(36);
}
