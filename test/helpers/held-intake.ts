import type { Delivery, Intake } from "../../src/model/delivery.js";
import { until } from "./tools.js";

/** Stands in for the way to the store: nothing is committed until the test says so. */
export class HeldIntake {
  readonly deliveries: Delivery[] = [];
  /** Those that wait for their commit, oldest first. */
  readonly waiting: Delivery[] = [];
  /** Commits at once, as for topics that no profile claims. */
  atOnce = false;

  readonly take: Intake = (delivery) => {
    this.deliveries.push(delivery);
    // As the pipeline does it: kept and called as a plain function.
    const { committed } = delivery;
    if (this.atOnce) committed();
    else this.waiting.push(delivery);
  };

  /** Commits what has come, or the first `count` of it. */
  commit(count = this.waiting.length): void {
    for (const { committed } of this.waiting.splice(0, count)) committed();
  }

  payloads(): string[] {
    return this.deliveries.map(({ payload }) => Buffer.from(payload).toString());
  }

  async seen(count: number): Promise<void> {
    await until(() => this.deliveries.length >= count, {
      what: `${count} deliveries have come (${this.deliveries.length} so far)`,
    });
  }
}
