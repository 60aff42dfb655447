import { MqttClient } from "mqtt";
import { openStream } from "./endpoint.js";
import { PACKET_BYTES_MIN, PacketLimit } from "./packet-limit.js";
import type { SessionOptions } from "./session.js";

/** A question to a broker that is under way. */
export interface Inquiry<T> {
  /** Never rejects; undefined where there is no answer, for whatever reason. */
  readonly answer: Promise<T | undefined>;
  /** Ends the connection; the answer is undefined then. */
  abort(): void;
}

/**
 * Asks a broker for the longest packet that it takes, bytes with the fixed header. MQTT 3.1.1 has no way to say that;
 * in MQTT 5 a broker with a limit has to, in the CONNACK ("Maximum Packet Size", MQTT 5.0, 3.2.2.3.6). So this is a
 * connection of its own that is ended once it is accepted: under the same client id, because access rules may know no
 * other, and therefore only to be made while there is no session. It has no will and touches no topic.
 *
 * A broker without a limit, without MQTT 5 or out of reach says nothing.
 */
export function askStatedLimit(
  options: Pick<
    SessionOptions,
    "endpoint" | "tls" | "clientId" | "username" | "password" | "connectTimeoutMs"
  >,
): Inquiry<number> {
  const { endpoint, tls, clientId, username, password, connectTimeoutMs } = options;
  const limit = new PacketLimit({ bytesMax: PACKET_BYTES_MIN, onTooLarge: () => stream.destroy() });
  const stream = openStream(endpoint, tls, limit);
  const answer = new Promise<number | undefined>((resolve) => {
    const client = new MqttClient(() => stream, {
      clientId,
      clean: true,
      protocolVersion: 5,
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0,
      timerVariant: "native",
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    let stated: number | undefined;
    client.on("connect", ({ properties }) => {
      stated = properties?.maximumPacketSize;
      stream.end(DISCONNECT, () => stream.destroy());
    });
    stream.on("error", () => {});
    client.on("error", () => stream.destroy());
    client.on("close", () => resolve(stated));
  });
  return { answer, abort: () => stream.destroy() };
}

/** With reason code 0, which may be left out (MQTT 5.0, 3.14.2.1). */
const DISCONNECT = Buffer.from([0xe0, 0]);
