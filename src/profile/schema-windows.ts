import { LIMITS } from "../model/limits.js";
import { ladder } from "../schema/ladder.js";
import { duration, name } from "../schema/types.js";
import {
  aggregatesSchema,
  checkCoarsen,
  checkEarly,
  checkFill,
  checkKind,
  checkPlacement,
  emptySchema,
  fillSchema,
  hoppingSchema,
  offsetSchema,
} from "../schema/window.js";
import { type Problem, type Unchecked, withRule, z } from "../schema/zod.js";
import { fieldName, profileZone } from "./schema-parts.js";

type Report = (problem: Problem) => void;

function checkSliding(window: Unchecked, report: Report): void {
  if (window.early !== undefined && window.sliding !== undefined) {
    const hint = "a sliding window begins to be one with the reading that ends it";
    report({
      code: "bad-window",
      message: '"early" does not go with this window',
      path: ["early"],
      at: "key",
      hint,
    });
  }
}

function checkSession({ session }: Unchecked, report: Report): void {
  const { gap, max } = (session ?? {}) as { readonly gap?: unknown; readonly max?: unknown };
  if (typeof gap !== "number" || typeof max !== "number" || gap <= max) return;
  report({
    code: "bad-window",
    message: "a session cannot be shorter than the gap that ends it",
    path: ["session", "max"],
    at: "value",
    hint: 'give "max" at least the length of "gap", or leave it out',
  });
}

const WINDOW_KINDS = ["tumbling", "hopping", "session", "count", "state", "sliding", "global"] as const;

/** Those whose bounds follow from the readings. */
const BOUNDLESS = ["session", "count", "state", "sliding"] as const;

/** One window of a profile. */
export const windowSchema = withRule(
  z.strictObject({
    name: name(32).meta({
      description: "Unique in the profile; part of every summary's id.",
      examples: ["1m", "day"],
    }),
    tumbling: duration({ minMs: 1 })
      .optional()
      .meta({ description: "Size of windows that follow one another." }),
    hopping: hoppingSchema.optional().meta({
      description:
        "Windows that overlap: a reading counts in each of `size / slide` of them, at most 10,000 in all windows of the profile.",
      examples: [{ size: "1h", slide: "10m" }],
    }),
    session: z
      .strictObject({
        gap: duration({ minMs: 1 }).meta({ description: "A window ends when nothing has come for so long." }),
        max: duration({ never: true, minMs: 1 })
          .prefault("never")
          .meta({ description: "And at the latest when it is so old; the next reading begins another one." }),
      })
      .optional()
      .meta({ description: "Windows of readings that follow close on one another." }),
    count: z
      .strictObject({
        size: z.int().min(1).max(1_000_000).meta({ description: "Readings in a window." }),
        maxAge: duration({ never: true, minMs: 1 }).prefault("never").meta({
          description: "A window ends with fewer of them when it is so old.",
        }),
      })
      .optional()
      .meta({ description: "Windows of so many readings, by event time." }),
    state: z
      .strictObject({
        of: z
          .string()
          .min(1)
          .max(LIMITS.expressionCharactersMax)
          .meta({
            description:
              "A field, or an expression over fields. Readings of which it is absent change nothing.",
            examples: ["mode", "power > 5.0"],
          }),
      })
      .optional()
      .meta({ description: "Windows that last while a value stays the same." }),
    sliding: z
      .strictObject({
        size: duration({ minMs: 1 }).meta({ description: "How far back each window reaches." }),
        emit: z
          .string()
          .min(1)
          .max(LIMITS.expressionCharactersMax)
          .meta({
            description: "A condition on the fields: each reading of which it is true ends a window.",
            examples: ["alarm", "temperature > 60.0"],
          }),
      })
      .optional()
      .meta({ description: "The last so long up to, and with, each reading that fulfils a condition." }),
    zone: profileZone("For tumbling windows of whole days: they are local days of this zone.").optional(),
    offset: offsetSchema,
    global: z
      .literal(true)
      .optional()
      .meta({ description: "One window over everything; closes when a file ends." }),
    allowedLateness: duration().prefault("0s").meta({
      description:
        "How long after a window was due a reading still changes it; each change is a new revision. A device has at most 20,000 tumbling and hopping windows open at a time.",
    }),
    early: duration({ minMs: 1 }).optional().meta({
      description:
        "Says what a window has so far every time the device's watermark has passed another multiple of it; each is a revision. Not for sliding windows, which are said at once.",
    }),
    empty: emptySchema,
    fill: fillSchema,
    coarsen: ladder().or(z.literal("never")).optional().meta({
      description:
        "Sizes of the coarser windows into which unsent summaries are merged when the gateway's log is full, or `never`. Default: `store.coarsen` of the gateway's config.",
    }),
    partials: z.boolean().default(false).meta({
      description:
        "Puts into each summary, as `partials`, the state that its results are computed from, so that `weir merge` can merge summaries of several gateways, or of short windows, exactly. For tumbling, hopping and global windows.",
    }),
    fields: aggregatesSchema(fieldName()).meta({
      description:
        "Aggregates by field. `*` stands for all fields that are not listed: texts and enums get those that apply to them.",
      examples: [{ "*": ["count", "mean", "min", "max"] }],
    }),
  }),
  (window, report) => {
    if (!checkKind(window, WINDOW_KINDS, report)) return;
    if (window.tumbling === undefined && window.coarsen !== undefined) {
      report({
        code: "bad-window",
        message: '"coarsen" does not go with this window',
        path: ["coarsen"],
        at: "key",
        hint: "only tumbling windows are merged into coarser ones",
      });
    }
    if (window.partials === true && BOUNDLESS.some((kind) => window[kind] !== undefined)) {
      report({
        code: "bad-window",
        message: '"partials" does not go with this window',
        path: ["partials"],
        at: "key",
        hint: "windows whose bounds follow from the readings would have other bounds with the readings of others",
      });
    }
    checkFill(window, report);
    checkEarly(window, report);
    checkCoarsen(window, report);
    checkSliding(window, report);
    checkSession(window, report);
    checkPlacement(window, report);
  },
);
