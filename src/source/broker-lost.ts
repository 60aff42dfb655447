/** aedes's, as it sends CONNACK 1. */
const WRONG_VERSION = /unacceptable protocol version/;

/** aedes's errors have no codes; those worth counting apart. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/keep ?alive timeout/i, "keepalive"],
  [/connect did not arrive/i, "no-connect"],
  [/drain timeout/i, "slow-subscriber"],
  [/too many levels/i, "topic-levels"],
  [/not UTF-8/, "topic-encoding"],
  [/maxInflightInbound|await their PUBREL|queue limit/i, "inflight"],
  [/\$SYS/, "reserved-topic"],
  [/ECONNRESET|EPIPE|ETIMEDOUT|closed/, "reset"],
];

/** Whether the client speaks a version of MQTT that the broker does not. */
export function isWrongVersion(error: Error): boolean {
  return WRONG_VERSION.test(error.message);
}

/** Why the connection of a client was lost, as one word for counters. */
export function reasonOf(error: Error): string {
  return REASONS.find(([pattern]) => pattern.test(error.message))?.[1] ?? "protocol";
}
