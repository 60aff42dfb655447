/** What every connection to an MQTT broker has, as a source or as a target. */
import { duration } from "../schema/types.js";
import { withRule, z } from "../schema/zod.js";
import { type ConfigContext, filePath, mqttUrl, secret } from "./types.js";

/** The keys of a connection. Put `connectionRule` around the object that has them. */
export function connectionKeys(context: ConfigContext) {
  return {
    url: mqttUrl().describe("The broker."),
    username: z.string().min(1).exactOptional().describe("User name."),
    password: secret(context).exactOptional().describe("Password. Better not in this file."),
    clientId: z
      .string()
      .min(1)
      .max(128)
      .exactOptional()
      .describe(
        "Client id, which the broker keeps the session under. Default: from the gateway's id and the name.",
      ),
    keepalive: duration({ minMs: 1_000, maxMs: 65_535_000 })
      .describe("Silence after which the connection is probed.")
      .prefault("30s"),
    connectTimeout: duration({ minMs: 100, maxMs: 600_000 })
      .describe("How long an attempt to connect may take, from looking up the name to the broker's answer.")
      .prefault("20s"),
    reconnectMax: duration({ minMs: 10, maxMs: 3_600_000 })
      .describe(
        "Longest wait between two attempts to connect; they begin at a second and double, at random. So the agent is back within this and `connectTimeout`.",
      )
      .prefault("30s"),
    tls: clientTls(context).exactOptional().describe("Certificates, for an `mqtts` URL."),
  };
}

export function connectionRule<S extends z.ZodType>(schema: S): S {
  return withRule(schema, ({ url, tls, username, password }, report) => {
    if (tls !== undefined && typeof url === "string" && url.startsWith("mqtt:")) {
      const message = "the connection is not encrypted, so tls has no effect";
      report({ code: "bad-value", message, hint: "write mqtts:// in the url", path: ["tls"], at: "key" });
    }
    if (password !== undefined && username === undefined) {
      const message = "MQTT takes no password without a user name";
      report({ code: "missing-key", message, hint: "add the key username", path: ["password"], at: "key" });
    }
  });
}

function clientTls(context: ConfigContext) {
  const schema = z.strictObject({
    ca: filePath(context, { readable: true })
      .exactOptional()
      .describe(
        "Authorities that the broker's certificate is checked against, PEM. Default: the well-known ones.",
      ),
    cert: filePath(context, { readable: true }).exactOptional().describe("Client certificate, PEM."),
    key: filePath(context, { readable: true }).exactOptional().describe("Its private key, PEM."),
  });
  return withRule(schema, ({ cert, key }, report) => {
    if ((cert === undefined) === (key === undefined)) return;
    const [there, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    const message = `tls.${there} needs tls.${missing} beside it`;
    const hint = `add ${missing}: PATH, or remove ${there}`;
    report({ code: "missing-key", message, hint, path: [there], at: "key" });
  });
}
