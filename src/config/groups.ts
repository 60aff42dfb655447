/** Groups of devices, as the config has them. Whether profiles go with them is checked where both are known. */
import type { GroupDefinition } from "../model/group.js";
import { LIMITS } from "../model/limits.js";
import { formatDuration } from "../model/time.js";
import { ladder } from "../schema/ladder.js";
import { duration, name, timeZone } from "../schema/types.js";
import {
  aggregatesSchema,
  boundedKind,
  checkCoarsen,
  checkEarly,
  checkFill,
  checkKind,
  checkPlacement,
  emptySchema,
  fillRule,
  fillSchema,
  hoppingSchema,
  offsetSchema,
} from "../schema/window.js";
import { type Problem, type Unchecked, withRefused, withRule, z } from "../schema/zod.js";

const KINDS = ["tumbling", "hopping", "global"] as const;
const HINT = `give one of ${KINDS.join(", ")}, or ask for it in a window of the device profile`;

function refusal(message: string): Problem {
  return { code: "bad-window", message, hint: HINT };
}

/** What windows of profiles can have and these cannot. */
const REFUSED: Readonly<Record<string, Problem>> = {
  session: refusal("the bounds of session windows follow from the readings of one device"),
  count: refusal("the bounds of count windows follow from the readings of one device"),
  state: refusal("the bounds of state windows follow from the readings of one device"),
  sliding: refusal("the bounds of sliding windows follow from the readings of one device"),
  partials: {
    code: "bad-window",
    message: '"partials" does not go with windows of groups',
    hint: "ask for it in windows of the members' profiles; weir merge --by all merges those",
  },
};

const windowSchema = withRefused(
  withRule(
    z.strictObject({
      name: name(32).meta({
        description: "Unique in the group; part of every summary's id.",
        examples: ["1m"],
      }),
      tumbling: duration({ minMs: 1 })
        .optional()
        .meta({ description: "Size of windows that follow one another." }),
      hopping: hoppingSchema.optional().meta({
        description: "Windows that overlap: a reading counts in each of `size / slide` of them.",
        examples: [{ size: "1h", slide: "10m" }],
      }),
      global: z.literal(true).optional().meta({
        description: "One window over everything; closes when its definition changes.",
      }),
      zone: timeZone()
        .optional()
        .meta({ description: "For tumbling windows of whole days: they are local days of this zone." }),
      offset: offsetSchema,
      allowedLateness: duration().prefault("0s").meta({
        description:
          "How long after a window was due a reading of a member still changes it; each change is a new revision.",
      }),
      early: duration({ minMs: 1 }).optional().meta({
        description:
          "Says what a window has so far every time all active members have passed another multiple of it; each is a revision. What every member has is read for that.",
      }),
      empty: emptySchema,
      fill: fillSchema,
      coarsen: ladder().or(z.literal("never")).optional().meta({
        description:
          "Sizes of the coarser windows into which unsent summaries are merged when the log is full, or `never`. Default: `store.coarsen`.",
      }),
      fields: aggregatesSchema(z.string().min(1).max(64)).meta({
        description:
          "Aggregates by field, as in a profile's windows. Fields of members are the same one by their name, and must be of one unit, one resolution where they have quantiles or histograms, and both numbers or of one type. `*` stands for all fields that are not listed. Aggregates that follow the values of a device in order (timeAverage, delta, increase …) are refused.",
        examples: [{ temperature: ["count", "mean", "min", "max"] }],
      }),
    }),
    (window, report) => {
      if (!checkKind(window, KINDS, report)) return;
      checkFill(window, report);
      checkEarly(window, report);
      checkCoarsen(window, report);
      checkPlacement(window, report);
      checkCount(window, report);
    },
  ),
  REFUSED,
);

/** So many windows are open at a time that the oldest would never be complete. */
function checkCount(window: Unchecked, report: (problem: Problem) => void): void {
  const { size, slide } = (window.hopping ?? {}) as { readonly size?: unknown; readonly slide?: unknown };
  const [sizeMs, slideMs] = [Number(window.tumbling ?? size), Number(window.tumbling ?? slide)];
  const open = (sizeMs + Number(window.allowedLateness)) / slideMs;
  // Half of them is left for members that are behind.
  const openMax = LIMITS.groupWindowsMax / 2;
  // Of a size or slide that is wrong its schema says so.
  if (!(open > openMax) || open === Number.POSITIVE_INFINITY) return;
  const message = `${Math.ceil(open)} windows would be open at a time; ${openMax} may be`;
  const hint = remedy(
    { sizeMs, slideMs, slideMinMs: Math.ceil((sizeMs + Number(window.allowedLateness)) / openMax) },
    openMax,
  );
  report({ code: "bad-window", message, path: ["allowedLateness"], hint });
}

function remedy(
  window: { readonly sizeMs: number; readonly slideMs: number; readonly slideMinMs: number },
  openMax: number,
): string {
  const { sizeMs, slideMs, slideMinMs } = window;
  const latenessMax = openMax * slideMs - sizeMs;
  const remedies: string[] = [];
  if (slideMs < sizeMs && slideMinMs <= sizeMs) {
    remedies.push(`a slide of at least ${formatDuration(slideMinMs)}`);
  }
  if (latenessMax >= 0) remedies.push(`an allowedLateness of at most ${formatDuration(latenessMax)}`);
  return remedies.length === 0
    ? "give a longer slide and a shorter allowedLateness"
    : `give ${remedies.join(", or ")}`;
}

const membersSchema = z
  .strictObject({
    profiles: z.array(name()).min(1).optional().meta({ description: "Ids of device profiles." }),
    tags: z
      .array(name())
      .min(1)
      .optional()
      .meta({ description: "Tags, of which the device's profile has one at least." }),
    devices: z
      .array(z.string().min(1).max(LIMITS.deviceNameCharactersMax))
      .min(1)
      .optional()
      .meta({
        description:
          "Names of devices; `*` stands for any characters, `?` for one. Where a profile's `identity` joins captures of the topic into the name, as in `hall-3/boiler`, `hall-3/*` is the hall's.",
        examples: [["boiler-1", "hall-3/*"]],
      }),
  })
  .meta({
    description:
      "Which devices are in it: those for which every condition holds that is given. All devices when none is.",
  });

export function groups() {
  return z
    .array(
      withRule(
        z.strictObject({
          name: name().meta({
            description:
              "Unique; part of every summary's id, where it stands as the device of the profile `group`. Beside groups no device profile can have that id.",
            examples: ["hall-3"],
          }),
          members: membersSchema.prefault({}),
          windows: z
            .array(windowSchema)
            .min(1)
            .max(LIMITS.profileWindowsMax)
            .meta({ description: "What to summarise of all members together." }),
        }),
        ({ windows }, report) => {
          const names = (Array.isArray(windows) ? (windows as Unchecked[]) : []).map((each) => each?.name);
          for (const [index, each] of names.entries()) {
            if (typeof each !== "string" || names.indexOf(each) === index) continue;
            const message = `windows[${names.indexOf(each)}] has the name "${each}" already`;
            const path = ["windows", index, "name"];
            report({
              code: "duplicate-name",
              message,
              path,
              hint: "rename one: the name is part of its summaries' ids",
            });
          }
        },
      ),
    )
    .max(LIMITS.groupsMax)
    .meta({ description: "Devices whose readings are summarised together, beside the summary of each." })
    .default([]);
}

/** A group as written, with durations in milliseconds. */
type GroupDocument = z.output<ReturnType<typeof groups>>[number];

export function groupDefinition({ name: group, members, windows }: GroupDocument): GroupDefinition {
  return {
    name: group,
    members,
    windows: windows.map((window) => ({
      name: window.name,
      kind: boundedKind(window),
      allowedLatenessMs: window.allowedLateness,
      earlyMs: window.early,
      fill: fillRule(window),
      coarsenMs: window.coarsen === "never" ? [] : window.coarsen,
      fields: window.fields,
    })),
  };
}
