/** Where summaries go: `targets` of the gateway's config. */
import { byteSize, count, name, rate, timeZone } from "../schema/types.js";
import { z } from "../schema/zod.js";
import { connectionKeys, connectionRule } from "./connection.js";
import { type ConfigContext, filePath, schedule, topicTemplate } from "./types.js";

const targetName = () =>
  name().describe("Name of the target, unique among them. Its progress is kept under it.");

/** The keys of every target about when and how much. */
function common(context: ConfigContext) {
  return {
    schedule: schedule(context).describe("When summaries are sent.").default("immediate"),
    timezone: timeZone().exactOptional().describe("Time zone of the schedule. Default: the gateway's."),
    batch: z
      .strictObject({
        entriesMax: count({ max: 100_000 }).describe("Summaries in one delivery.").default(500),
        bytesMax: byteSize({ minBytes: 1_024, maxBytes: 67_108_864 })
          .describe("Bytes in one delivery; a larger summary goes alone.")
          .prefault("1MiB"),
      })
      .describe("How much is sent before waiting for the confirmation.")
      .prefault({}),
    rateMax: rate().exactOptional().describe("Summaries per time. Default: no limit."),
  };
}

function mqttTarget(context: ConfigContext) {
  const schema = z.strictObject({
    name: targetName(),
    type: z.literal("mqtt").describe("Publishes to an MQTT broker, QoS 1."),
    ...connectionKeys(context),
    ...common(context),
    topic: topicTemplate(context, "summary")
      .describe("Topic of a summary, with `{site}`, `{gateway}`, `{profile}`, `{device}` and `{window}`.")
      .default("edge/{site}/{gateway}/d/{device}/{window}"),
    statusTopic: topicTemplate(context, "status")
      .describe("Topic of the retained status, with a last will; with `{site}` and `{gateway}`.")
      .default("edge/{site}/{gateway}/status"),
    inflightMax: count({ max: 65_535 }).describe("Messages sent and not yet acknowledged.").default(100),
    packetBytesMax: byteSize({ minBytes: 128, maxBytes: 268_435_455 })
      .describe(
        "Longest packet that the broker takes (Mosquitto: `max_packet_size`). A summary that makes a longer one is passed over and counted.",
      )
      .prefault("128KiB"),
  });
  return connectionRule(schema.describe("An MQTT broker upstream."));
}

function fileTarget(context: ConfigContext) {
  return z
    .strictObject({
      name: targetName(),
      type: z.literal("file").describe("Appends JSON lines to a file."),
      path: filePath(context).describe(
        "The file. Its folder must exist. It is neither what Weir reads nor what another target writes or moves files to.",
      ),
      rotateBytes: byteSize({ minBytes: 4_096 })
        .describe("Length at which the file is moved to `PATH.1`, `PATH.1` to `PATH.2` and so on.")
        .prefault("16MB"),
      keep: count({ min: 0, max: 10_000 }).describe("Rotated files that stay.").default(4),
      ...common(context),
    })
    .describe("JSON lines in a local file, each delivery synced.");
}

export function targets(context: ConfigContext) {
  return z
    .array(z.discriminatedUnion("type", [mqttTarget(context), fileTarget(context)]))
    .describe("Where summaries go. Without a target they stay in the log of the store.")
    .default([]);
}
