import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { isLoopback } from "../model/loopback.js";
import type { BrokerTls } from "./broker-listener.js";
import type { PersistenceLimits } from "./broker-persistence.js";

export interface BrokerSourceOptions {
  readonly name: string;
  /** Address to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly tls?: BrokerTls;
  /** File of `name:scrypt$…` lines. */
  readonly usersFile?: string;
  /** Lets clients without a name in; only where the listener is bound to the loopback. */
  readonly anonymous?: boolean;
  readonly packetBytesMax?: number;
  readonly connectionsMax?: number;
  readonly topicLevelsMax?: number;
  /** Publishes of one connection that wait for their commit or, with QoS 2, for their PUBREL. */
  readonly inflightMax?: number;
  /** Payload bytes of all connections that wait for their commit. */
  readonly waitingBytesMax?: number;
  readonly clientIdBytesMax?: number;
  readonly subscriptionsPerClientMax?: number;
  /** Time for TLS handshake and CONNECT. */
  readonly connectTimeoutMs?: number;
  /** Longest keepalive a client may ask for; without it any, and none. */
  readonly keepaliveMaxMs?: number;
  /** Time for a subscriber to take what it is sent; it holds back the publishers that long. */
  readonly drainTimeoutMs?: number;
  readonly memory?: Partial<PersistenceLimits>;
}

export const BROKER_DEFAULTS = {
  packetBytesMax: 262_144,
  connectionsMax: 1_000,
  topicLevelsMax: 32,
  inflightMax: 1_000,
  waitingBytesMax: LIMITS.commitBytesMax as number,
  clientIdBytesMax: 256,
  subscriptionsPerClientMax: 100,
  connectTimeoutMs: 30_000,
  drainTimeoutMs: 10_000,
} satisfies Partial<BrokerSourceOptions>;

/** With every default filled in. */
export type BrokerSettings = BrokerSourceOptions &
  Required<Pick<BrokerSourceOptions, keyof typeof BROKER_DEFAULTS>>;

export const MEMORY_DEFAULTS: PersistenceLimits = {
  retainedMax: 10_000,
  retainedBytesMax: 8_388_608,
  sessionsMax: 2_000,
  queuedPerSessionMax: 1_000,
  queuedBytesMax: 8_388_608,
  halfDonePerSessionMax: 1_000,
};

/** @throws WeirError `broker-open` when anybody could connect from the network, `broker-closed` when nobody could */
export function checkAccess({ host, anonymous = false, usersFile, tls }: BrokerSourceOptions): void {
  if (anonymous && !isLoopback(host)) {
    throw new WeirError("broker-open", `anonymous clients are only allowed on the loopback, not on ${host}`, {
      hint: 'listen on 127.0.0.1, or give "users" and leave "anonymous" out',
    });
  }
  if (!anonymous && usersFile === undefined && tls?.ca === undefined) {
    throw new WeirError("broker-closed", "nobody could log in to the broker", {
      hint: 'give "users", or a "ca" for client certificates, or listen on 127.0.0.1 with "anonymous: true"',
    });
  }
}
