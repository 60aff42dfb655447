/** Where readings come from: `sources` of the gateway's config. */
import { isDeviceName } from "../model/device-name.js";
import { LIMITS } from "../model/limits.js";
import { isLoopback } from "../model/loopback.js";
import { byteSize, count, name } from "../schema/types.js";
import { report, withRule, z } from "../schema/zod.js";
import { connectionKeys, connectionRule } from "./connection.js";
import { type ConfigContext, filePath, listenAddress, topicFilter } from "./types.js";

const sourceName = () => name().describe("Name of the source, unique among them; in messages and counters.");

function brokerTls(context: ConfigContext) {
  return z.strictObject({
    cert: filePath(context, { readable: true }).describe("Certificate chain, PEM."),
    key: filePath(context, { readable: true }).describe("Private key, PEM."),
    ca: filePath(context, { readable: true })
      .exactOptional()
      .describe("Authorities, PEM. When given, a device must show a certificate that one of them signed."),
  });
}

const USERS_HINT = "`weir passwd NAME` makes a line for a user";

function usersProblem(context: ConfigContext, path: string): string | undefined {
  if (context.readFile === undefined || context.validateUsers === undefined) return undefined;
  try {
    return context.validateUsers(context.readFile(path), path);
  } catch {
    // That it cannot be read has been reported.
    return undefined;
  }
}

/** An embedded MQTT broker that devices connect to. */
function brokerSource(context: ConfigContext) {
  const schema = z
    .strictObject({
      name: sourceName(),
      type: z.literal("broker").describe("An embedded MQTT 3.1.1 broker that devices publish to."),
      listen: listenAddress().describe("Address and port to listen on.").prefault("127.0.0.1:1883"),
      tls: brokerTls(context).exactOptional().describe("Speak TLS only."),
      users: filePath(context, { readable: true })
        .superRefine((path, issues) => {
          const problem = usersProblem(context, path);
          if (problem !== undefined)
            report(issues, { code: "bad-users", message: problem, hint: USERS_HINT });
        })
        .exactOptional()
        .describe("File of `name:hash` lines with scrypt hashes; only these users may connect."),
      anonymous: z
        .boolean()
        .exactOptional()
        .describe(
          "Whether devices may connect without a user name; only on a loopback address. Default: where there are neither users nor `tls.ca`.",
        ),
      packetBytesMax: byteSize({ minBytes: 128, maxBytes: 268_435_455 })
        .describe("Longest packet; the connection of a longer one is closed.")
        .prefault("64KiB"),
      connectionsMax: count({ max: 100_000 })
        .describe(
          "Connections at the same time; further ones are refused. Fewer where the process may not have so many files open: `weir run` says so, and `LimitNOFILE=` of the unit helps.",
        )
        .default(500),
      topicLevelsMax: count({ max: 128 }).describe("Levels of a topic.").default(32),
      inflightMax: count({ max: 65_535 })
        .describe("Messages of one connection that wait for their commit; then it is not read.")
        .default(1_000),
      waitingBytesMax: byteSize({ minBytes: 1_024, maxBytes: 268_435_455 })
        .describe(
          "Bytes of messages that wait for their commit, each of which counts 512 more than its payload; then no connection is read.",
        )
        .prefault("4MiB"),
    })
    .describe("An embedded broker. It stays a normal broker for other local clients.");
  return withRule(schema, (value, tell) => {
    const { users, anonymous } = value;
    const listen = value.listen as { readonly host?: unknown } | undefined;
    const tls = value.tls as { readonly ca?: unknown } | undefined;
    if (typeof listen?.host !== "string") return;
    const guarded = users !== undefined || tls?.ca !== undefined;
    if (!isLoopback(listen.host) && (anonymous === true || !guarded)) {
      const message = `anyone who reaches ${listen.host} could publish`;
      const hint = "give a users file, or listen on 127.0.0.1";
      const place = anonymous === true ? ({ path: ["anonymous"] } as const) : ({ at: "key" } as const);
      tell({ code: "broker-open", message, hint, ...place });
    } else if (anonymous === false && !guarded) {
      const hint = "give a users file, or remove the key";
      tell({ code: "broker-closed", message: "nobody could connect", hint, path: ["anonymous"] });
    }
  });
}

/** A client of a broker that devices publish to. */
function mqttSource(context: ConfigContext) {
  const schema = z.strictObject({
    name: sourceName(),
    type: z.literal("mqtt").describe("A client of another MQTT broker, with a persistent session."),
    ...connectionKeys(context),
    topics: z
      .array(topicFilter())
      .min(1)
      .exactOptional()
      .describe("Topic filters to subscribe to. Default: the topics of all profiles."),
    packetBytesMax: byteSize({ minBytes: 128, maxBytes: 268_435_455 })
      .describe("Longest packet; the payload of a longer one is dropped and counted.")
      .prefault("256KiB"),
    inflightMax: count({ max: 65_535 })
      .describe("Messages that wait for their commit; then the broker has to wait.")
      .default(10_000),
    waitingBytesMax: byteSize({ minBytes: 1_024, maxBytes: 268_435_455 })
      .describe(
        "Bytes of messages that wait for their commit, each of which counts 512 more than its payload; then the broker has to wait.",
      )
      .prefault("4MiB"),
  });
  return connectionRule(
    schema.describe("A client of an external broker, which queues while the agent is away."),
  );
}

const USB_ID = /^[0-9A-Fa-f]{4}$/;

function usbId(of: string) {
  return z
    .string()
    .regex(USB_ID, { error: `the ${of} id is four hexadecimal digits in quotes, as lsusb shows it` })
    .transform((text) => text.toLowerCase());
}

const framing = z
  .discriminatedUnion("type", [
    z
      .strictObject({
        type: z.literal("line").describe("A message ends with a delimiter."),
        delimiter: z
          .string()
          .min(1)
          .refine((text) => Buffer.byteLength(text) <= 16, { error: "a delimiter has at most 16 bytes" })
          .describe("Ends a message. In double quotes YAML understands `\\n` and `\\r`.")
          .default("\n"),
        lineBytesMax: byteSize({ maxBytes: LIMITS.payloadBytesMax })
          .describe("Longest message; a longer one is thrown away and counted as `tooLarge`.")
          .prefault(LIMITS.serialLineBytesMax),
        skipFirst: z
          .boolean()
          .describe("Whether to drop what comes before the first delimiter: it may be half a message.")
          .default(false),
      })
      .describe("Messages that end with a delimiter."),
  ])
  .describe("How messages are told apart in the stream of bytes.")
  .prefault({ type: "line" });

/** A device on a serial port. */
function serialSource() {
  const schema = z
    .strictObject({
      name: sourceName(),
      type: z.literal("serial").describe("A device on a serial port."),
      port: z
        .string()
        .min(1)
        .exactOptional()
        .describe("Device file; `/dev/serial/by-id/…` stays the same when cables are swapped.")
        .meta({ examples: ["/dev/serial/by-id/usb-FTDI_FT232R-if00-port0", "/dev/ttyS0"] }),
      usb: z
        .strictObject({
          vendorId: usbId("vendor").describe("Four hexadecimal digits, in quotes."),
          productId: usbId("product").describe("Four hexadecimal digits, in quotes."),
          serialNumber: z
            .string()
            .min(1)
            .exactOptional()
            .describe("Tells several adapters of one type apart."),
        })
        .exactOptional()
        .describe("The USB adapter, wherever it is plugged in."),
      baudRate: count({ min: 50, max: 4_000_000 }).describe("Bits per second.").default(9_600),
      dataBits: z.literal([5, 6, 7, 8]).describe("Bits of a character.").default(8),
      parity: z.enum(["none", "even", "odd"]).describe("Parity bit.").default("none"),
      stopBits: z.literal([1, 1.5, 2]).describe("Stop bits.").default(1),
      flowControl: z
        .enum(["none", "hardware", "software"])
        .describe("How the device is asked to wait: not at all, by RTS and CTS, or by XON and XOFF.")
        .default("none"),
      profile: name(128).describe("Id of the device profile that reads the messages."),
      device: z
        .string()
        .min(1)
        .max(LIMITS.deviceNameCharactersMax)
        .refine(isDeviceName, { error: 'a device is not named "?", nor with "+", "#" or control characters' })
        .exactOptional()
        .describe(
          "Name of the device, where the profile takes none from the message. Default: the source's name.",
        ),
      framing,
    })
    .describe("A device on a serial port. A port that is missing or vanishes is tried again.");
  return withRule(schema, (value, tell) => {
    if (value.port === undefined && value.usb === undefined) {
      const hint = 'port: "/dev/…", or usb: { vendorId, productId }';
      tell({ code: "missing-key", message: "neither port nor usb says which port it is", hint, at: "key" });
    } else if (value.port !== undefined && value.usb !== undefined) {
      const hint = "keep one of them";
      tell({ code: "bad-value", message: "port and usb name two ports", hint, path: ["usb"], at: "key" });
    }
  });
}

export function sources(context: ConfigContext) {
  const options = [brokerSource(context), mqttSource(context), serialSource()] as const;
  return z.array(z.discriminatedUnion("type", options)).min(1).describe("Where readings come from.");
}
