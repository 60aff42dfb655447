/** What the load is told, and what it answers. */
export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly qos: 0 | 1;
  /** Publishes of a connection that wait for their PUBACK, at most. */
  readonly window: number;
  /** Publishes per second over all connections; 0 for as many as go. */
  readonly ratePerSecond: number;
  /** Whether devices are each on their own, at times and in windows of their own, rather than all in step. */
  readonly apart: boolean;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface LoadResult {
  /** Readings of the measured phase. */
  readonly messages: number;
  /** Readings of both phases, without the last one of each device. */
  readonly messagesInAll: number;
  readonly elapsedMs: number;
  /** Time from publish to PUBACK; 0 with QoS 0. */
  readonly ackMsP50: number;
  readonly ackMsP99: number;
}
