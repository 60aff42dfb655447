export type LogLevel = "debug" | "info" | "warn" | "error";

/** An event's message, level and counter stand together: the definition is the one home of all three. */
export interface EventDefinition<Fields extends object> {
  /** Stable, in kebab case; also the counter's name. */
  readonly name: string;
  readonly level: LogLevel;
  readonly message: string;
  /** It answers a command of the operator, so it is said at once, every time, however often it repeats. */
  readonly answer?: boolean;
  /** Type carrier; never set. */
  readonly fields?: Fields;
}

/** Where events go: the log and the counters. Never given a secret. */
export interface Observer {
  emit<Fields extends object>(event: EventDefinition<Fields>, fields: Fields): void;
}

export function defineEvent<Fields extends object>(
  name: string,
  level: LogLevel,
  message: string,
  more: Pick<EventDefinition<Fields>, "answer"> = {},
): EventDefinition<Fields> {
  return { name, level, message, ...more };
}
