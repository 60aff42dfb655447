import { shapeGroup } from "../aggregate/group.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { type GroupDefinition, takesDevice } from "../model/group.js";
import type { EngineProfile } from "../model/profile.js";
import type { WindowDefinition } from "../model/window.js";
import { type BoundedPlan, type Plan, planProfile } from "./plan.js";
import type { SliceRoom } from "./slice.js";

/** A group as its definition and the profiles make it, before it has members. */
export interface Shaped {
  readonly definition: GroupDefinition;
  readonly plan: Plan;
  /** See `GroupShape.parts`. */
  readonly parts: ReadonlyMap<string, readonly WindowDefinition[]>;
}

interface Prepared {
  readonly definitions: readonly GroupDefinition[];
  readonly shaped: readonly Shaped[];
}

/**
 * What groups there are to be, and what the profiles make of them. While devices change over the definitions of before
 * are known too: the groups that there are go by them.
 */
export class GroupShapes {
  readonly #room: SliceRoom;
  #prepared: Prepared = { definitions: [], shaped: [] };
  #before: Prepared | undefined;

  constructor(room: SliceRoom) {
    this.#room = room;
  }

  /** As they were given, also those that cannot be with the present profiles. */
  get definitions(): readonly GroupDefinition[] {
    return this.#prepared.definitions;
  }

  /** Those before a change that is under way. */
  get definitionsBefore(): readonly GroupDefinition[] {
    return this.#present.definitions;
  }

  get shaped(): readonly Shaped[] {
    return this.#prepared.shaped;
  }

  get #present(): Prepared {
    return this.#before ?? this.#prepared;
  }

  /** Takes definitions and profiles to work with from now on. A group that cannot be with these profiles is left out. */
  prepare(definitions: readonly GroupDefinition[], profiles: readonly EngineProfile[]): void {
    this.#before = this.#prepared;
    const shaped = definitions.flatMap((definition): Shaped[] => {
      const { problems, profile, parts } = shapeGroup(definition, profiles);
      return problems.length > 0 ? [] : [{ definition, plan: planProfile(profile, this.#room), parts }];
    });
    this.#prepared = { definitions, shaped };
  }

  /** Forgets what was before. */
  settle(): void {
    this.#before = undefined;
  }

  /** The windows that a device has for its groups. */
  partsFor(profileId: string, device: string): readonly WindowDefinition[] {
    return partsIn(this.#prepared, profileId, device);
  }

  /** Those that it had before a change that is under way. */
  partsBefore(profileId: string, device: string): readonly WindowDefinition[] {
    return partsIn(this.#present, profileId, device);
  }

  /** What windows of a group go on as; undefined where their definition ends. */
  heirOf({ name }: GroupDefinition, { signature }: BoundedPlan): BoundedPlan | undefined {
    const to = this.shaped.find(({ definition }) => definition.name === name);
    return to?.plan.windows.find((plan) => plan.signature === signature);
  }
}

function partsIn({ shaped }: Prepared, profileId: string, device: string): readonly WindowDefinition[] {
  if (device === UNKNOWN_DEVICE) return [];
  return shaped.flatMap(({ definition, parts }) => {
    const own = parts.get(profileId);
    return own !== undefined && takesDevice(definition.members, device) ? own : [];
  });
}
