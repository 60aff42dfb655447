import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { WeirError } from "../model/errors.js";
import { LimitedSocket } from "./limited-socket.js";
import { lookup } from "./lookup.js";
import type { PacketLimit } from "./packet-limit.js";
import type { TlsMaterial } from "./tls-files.js";

/** Where a broker is; carries no secret, so it may be logged. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

const PORTS = { "mqtt:": 1883, "tcp:": 1883, "mqtts:": 8883, "ssl:": 8883, "tls:": 8883 } as const;

/** @throws WeirError `bad-broker-url` */
export function parseBrokerUrl(url: string): Endpoint {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const port = parsed === undefined ? undefined : PORTS[parsed.protocol as keyof typeof PORTS];
  if (parsed === undefined || port === undefined || parsed.hostname === "") {
    throw badUrl("is not the address of an MQTT broker", "write mqtt://host:1883 or mqtts://host:8883");
  }
  if (parsed.username !== "" || parsed.password !== "") {
    // Such a URL would end up in logs with its password.
    throw badUrl("carries credentials", "give them under username and password");
  }
  if (parsed.pathname !== "" && parsed.pathname !== "/") {
    throw badUrl("has a path, which MQTT does not know", "end it after the port");
  }
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: parsed.port === "" ? port : Number(parsed.port),
    tls: port === PORTS["mqtts:"],
  };
}

function badUrl(problem: string, hint: string): WeirError {
  return new WeirError("bad-broker-url", `the url ${problem}`, { hint });
}

/** `host:port`, with brackets around IPv6. */
export function endpointName({ host, port }: Endpoint): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Starts connecting; failures come as `error` and `close` of the stream. */
export function openStream(endpoint: Endpoint, tls: TlsMaterial, limit: PacketLimit): Duplex {
  const { host, port } = endpoint;
  if (!endpoint.tls) return new LimitedSocket(connectTcp({ host, port, lookup, noDelay: true }), limit);
  const servername = isIP(host) === 0 ? { servername: host } : {};
  return new LimitedSocket(connectTls({ host, port, lookup, ...servername, ...tls }), limit);
}
