import type { EventDefinition, Observer } from "../../src/model/log-event.js";

/** Keeps every event, for tests that something was said. */
export class Recorder implements Observer {
  readonly events: { readonly name: string; readonly level: string; readonly fields: object }[] = [];

  emit<Fields extends object>(event: EventDefinition<Fields>, fields: Fields): void {
    this.events.push({ name: event.name, level: event.level, fields });
  }

  named(name: string): readonly object[] {
    return this.events.filter((event) => event.name === name).map((event) => event.fields);
  }
}
