/**
 * The schema `device-profile/1`: what a person may write in a profile. Types, validation, the reference documentation
 * and the JSON Schema come from here. A profile describes a type of device: no addresses, ports or secrets.
 *
 * Rules that concern several sections are in `references.ts` and run with the schema, so that one run reports all.
 */

import { LIMITS } from "../model/limits.js";
import { REJECT_REASONS } from "../model/reasons.js";
import { duration, name, version } from "../schema/types.js";
import { withRule, z } from "../schema/zod.js";
import { compileCondition } from "./expression.js";
import { checkReferences } from "./references.js";
import { decodeSchema } from "./schema-decode.js";
import { fieldSchema } from "./schema-fields.js";
import { fieldName, parsedText, paths, profileZone } from "./schema-parts.js";
import { windowSchema } from "./schema-windows.js";
import { compileTimeFormat, TIME_FORMATS } from "./time-format.js";
import { parseTopicPattern } from "./topic-pattern.js";

const text = z.string().min(1).max(256);

const topicPattern = parsedText("bad-topic", parseTopicPattern);

const deviceSchema = z
  .strictObject({
    vendor: text.optional().meta({ description: "Who makes it." }),
    model: text.optional().meta({ description: "Its name or model number." }),
    kind: text.optional().meta({ description: "What it is, such as `air-quality` or `meter`." }),
    notes: z
      .string()
      .max(2048)
      .optional()
      .meta({ description: "How to set the device up for this profile." }),
  })
  .meta({ description: "What the profile is for; for people only." });

const matchSchema = z
  .strictObject({
    mqtt: z
      .strictObject({
        topics: z
          .array(topicPattern)
          .min(1)
          .max(64)
          .meta({
            description:
              "Topics of the device. `{name}` captures one level, `{name...}` the rest; `+` and `#` as in MQTT. Of several profiles for a topic the one with the most specific pattern has it, of equal ones one with a `where`, then the first by id.",
            examples: [["tele/{device}/SENSOR"]],
          }),
        where: parsedText("bad-expression", compileCondition)
          .optional()
          .meta({
            description:
              "A condition on each decoded record (`msg`) and the `topic`. Records of which it is false are passed over; a payload of which it is false altogether is left to other profiles.",
            examples: ["has(msg.SCD40)", 'msg.method == "NotifyStatus"'],
          }),
        status: z
          .strictObject({
            topic: topicPattern.meta({
              description: "Where the device says so itself, or its last will does.",
            }),
            online: z.string().max(64).meta({ description: "The payload that means that it is there." }),
            offline: z.string().max(64).meta({ description: "The payload that means that it has gone." }),
          })
          .optional()
          .meta({ description: "The device's own word on whether it is there." }),
      })
      .optional()
      .meta({ description: "Which MQTT messages are the device's." }),
  })
  .meta({
    description: "Which messages are the device's. Files and serial ports name their profile in the config.",
  });

const identitySchema = z
  .strictObject({
    from: paths(
      "Where the device's name is in the payload, or `{name}` for what the topic captured; or several, joined.",
    ),
    join: z.string().max(8).default("-").meta({ description: "Between the parts of the name." }),
  })
  .meta({
    description: [
      "The device's name. Without this section it is what the topic captures as `{device}`, or what the config says.",
      `A name has at most ${LIMITS.deviceNameCharactersMax} characters, no control characters, no \`+\` and no \`#\`, and is`,
      "not `?`, under which readings of no known device are counted; otherwise the reading is `unidentified`.",
    ].join(" "),
  });

const timeSchema = z
  .strictObject({
    from: paths(
      "Where the event time is; or several places, joined. Without it the time of arrival counts.",
    ).optional(),
    join: z.string().max(8).default(" ").meta({ description: "Between the parts of the time." }),
    format: parsedText("bad-time-format", (format) => compileTimeFormat(format, "UTC"))
      .optional()
      .meta({
        description: `One of ${Object.keys(TIME_FORMATS).join(", ")}, or a pattern such as "%d.%m.%Y %H:%M:%S".`,
        examples: ["iso", "epoch-s", "%Y-%m-%d %H:%M:%S"],
      }),
    zone: profileZone(
      "Zone of times without one: `gateway`, `UTC` or an IANA name. Of a time that occurs twice, when clocks are set back, the first is meant; one that is skipped, when they are set forward, is read as if they had not been.",
    ).default("gateway"),
    maxPast: duration({ never: true })
      .prefault("never")
      .meta({ description: "Readings further behind their arrival are rejected as past." }),
    maxFuture: duration({ never: true })
      .prefault("1m")
      .meta({ description: "Readings further ahead of their arrival are rejected as future." }),
    outOfOrderness: duration().optional().meta({
      description:
        "How far the device's watermark trails its latest reading: how late a reading may be and still come in time. Default 5s, and 0s where the time of arrival counts.",
    }),
    period: duration({ minMs: 1 }).optional().meta({
      description:
        "Time between two readings of a device that works; what `completeness` is measured against.",
    }),
    idleTimeout: duration({ never: true, minMs: 1 }).prefault("5m").meta({
      description: "Silence after which the device's time is carried on by the clock, so that windows close.",
    }),
    else: z.enum(["reject", "arrival"]).default("reject").meta({
      description:
        "What becomes of a reading without a readable time: rejected as invalidTime, or the time of arrival.",
    }),
  })
  .superRefine((time, context) => {
    if ((time.from === undefined) === (time.format === undefined)) return;
    const [there, absent] = time.from === undefined ? ["format", "from"] : ["from", "format"];
    context.addIssue({
      code: "custom",
      message: `"${there}" needs "${absent}"`,
      path: [there!],
      params: { code: "missing-key", hint: `add ${absent}, or remove ${there}`, at: "key" },
    });
  });

const duplicatesSchema = z
  .discriminatedUnion("by", [
    z.strictObject({
      by: z.literal("time").meta({ description: "Readings with the same event time and the same values." }),
      conflicting: z.enum(["keep", "first"]).default("keep").meta({
        description: "Of readings with the same time and other values: keep them all, or the first only.",
      }),
    }),
    z.strictObject({
      by: z.literal("key").meta({ description: "Readings with the same key, such as a frame counter." }),
      from: paths(
        "Where the key is; or several places, joined. Where it is missing the event time stands for it.",
      ),
      join: z.string().max(8).default("-").meta({ description: "Between the parts of the key." }),
      ttl: duration({ minMs: 1 }).meta({
        description: "How long a key counts as seen, by arrival from its first sighting.",
      }),
    }),
  ])
  .meta({
    description: "Which readings are the same one again. Default: by time, keeping conflicting ones.",
  });

const cleanSchema = z.strictObject({
  on: z.union([fieldName(), z.array(fieldName()).min(1)]).meta({ description: "The field or fields." }),
  outside: z.enum(["range", "plausible"]).meta({ description: "Which bounds of the field." }),
  do: z.enum(["drop", "null", "clamp", "flag"]).meta({
    description:
      "drop: reject the reading. null (in quotes): remove the value. clamp: move it to the bound. flag: keep and count it.",
  }),
});

const scalar = z.union([z.number(), z.boolean(), z.string(), z.null()]);

const expectedReading = z.strictObject({
  device: z.string().optional().meta({ description: "Its name." }),
  time: z
    .string()
    .optional()
    .meta({ description: "Its event time, RFC 3339 or local in the profile's zone; or `arrival`." }),
  fields: z.record(fieldName(), scalar).optional().meta({
    description:
      "Values by field, before cleaning; null for a value that is missing. Fields not named are not compared.",
  }),
  key: z.string().optional().meta({ description: "Its duplicate key." }),
  reject: z
    .enum(REJECT_REASONS)
    .optional()
    .meta({ description: "Why it is rejected, instead of the others." }),
});

const testSchema = z.strictObject({
  name: text.optional().meta({ description: "What the test shows." }),
  topic: z.string().optional().meta({ description: "Topic of the message; it must match the profile." }),
  device: z
    .string()
    .optional()
    .meta({ description: "Name that a file or serial port gives, where there is no topic." }),
  payload: z.string().meta({ description: "The payload as text." }),
  arrival: z
    .string()
    .optional()
    .meta({ description: "When it arrives, RFC 3339. Default 2026-01-14T12:00:00Z." }),
  expect: z.union([expectedReading, z.array(expectedReading), z.literal("ignored")]).meta({
    description: "The reading, or the list of readings, or `ignored` where the profile declines the payload.",
  }),
});

/** A profile as written, with defaults filled in and durations in milliseconds. */
export const profileSchema = withRule(
  z
    .strictObject({
      schema: z.literal("device-profile/1").meta({ description: "The version of this format." }),
      id: name().meta({ description: "The profile's name; the same as its file's." }),
      version: version().meta({ description: "Version of the profile, three numbers." }),
      tags: z
        .array(name())
        .max(32)
        .default([])
        .meta({
          description: "Names by which the gateway's config may take its devices into groups.",
          examples: [["climate", "hall-3"]],
        }),
      device: deviceSchema.optional(),
      match: matchSchema.optional(),
      decode: decodeSchema,
      identity: identitySchema.optional(),
      time: timeSchema
        .prefault({})
        .meta({ description: "When readings were taken, and how the device keeps time." }),
      fields: z.record(fieldName(), fieldSchema).meta({
        description: "What a reading holds, by name, in the order in which summaries list it.",
      }),
      duplicates: duplicatesSchema.prefault({ by: "time" }),
      clean: z.array(cleanSchema).max(LIMITS.profileFieldsMax).default([]).meta({
        description:
          "What to do with values out of bounds. Of rules for the same field and bounds the first counts; `range` is looked at before `plausible`, whatever their order here.",
      }),
      windows: z.array(windowSchema).min(1).max(LIMITS.profileWindowsMax).meta({
        description: "What to summarise.",
      }),
      tests: z.array(testSchema).max(256).default([]).meta({
        description: "Payloads and the readings they must give; run by `weir check`.",
      }),
    })
    .meta({
      title: "Weir device profile",
      description: "A type of device: how its messages become readings and summaries.",
    }),
  checkReferences,
);

export type ProfileDocument = z.output<typeof profileSchema>;
export type WindowDocument = ProfileDocument["windows"][number];
export type TestDocument = ProfileDocument["tests"][number];
