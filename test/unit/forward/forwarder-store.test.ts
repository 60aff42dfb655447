import { describe, expect, it } from "vitest";
import type { Cursor } from "../../../src/model/summary-log.js";
import { FakeTarget } from "../../helpers/fake-target.js";
import { append, rig, upTo } from "../../helpers/forwarder-rig.js";
import { MemoryCursors } from "../../helpers/memory-log.js";

/** Cursors on a disk that can be full: a save is then answered only when there is room again. */
class HeldCursors extends MemoryCursors {
  full = false;
  #waiting: (() => void)[] = [];

  override async save(target: string, cursor: Cursor): Promise<void> {
    if (this.full) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await super.save(target, cursor);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  room(): void {
    this.full = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

describe("a forwarder whose cursor cannot be written", () => {
  it("goes on with what is reserved, and saves how far it has got when there is room", async () => {
    const cursors = new HeldCursors();
    const fake = new FakeTarget({ batch: { entriesMax: 2, bytesMax: 1e6 } });
    const { forwarder, log, schedule, positions, clock } = rig({ cursors, fake });
    append(log, 2);
    forwarder.start();
    schedule.due();
    await clock.run(0);
    const { confirmed, reserved } = cursors.cursors.at(-1)!;
    expect(confirmed).toBe(2);
    expect(reserved).toBeGreaterThan(2);
    cursors.full = true;
    append(log, 9);
    schedule.due();
    for (let i = 0; i < 60; i++) await clock.run(1_000);
    expect(cursors.waiting).toBeGreaterThan(0);
    expect(positions()).toEqual(upTo(reserved));
    cursors.room();
    await clock.run(0);
    expect(positions()).toEqual(upTo(11));
    expect(cursors.saves.at(-1)).toBe(11);
    await forwarder.stop();
  });

  it.each([
    { roomy: true, sent: 40 },
    { roomy: false, sent: 2 },
  ])(
    "may send $sent of 40 when its target comes back meanwhile, where roomy is $roomy",
    async ({ roomy, sent }) => {
      const cursors = new HeldCursors();
      const fake = new FakeTarget({ batch: { entriesMax: 2, bytesMax: 1e6 } });
      const { forwarder, log, schedule, positions, clock } = rig({ cursors, fake });
      log.roomy = () => roomy;
      fake.away = true;
      append(log, 40);
      forwarder.start();
      schedule.due();
      await clock.run(10_000);
      expect(cursors.cursors.at(-1)).toEqual({ confirmed: 0, reserved: sent });
      cursors.full = true;
      fake.comeBack();
      for (let i = 0; i < 60; i++) await clock.run(1_000);
      expect(positions()).toEqual(upTo(sent));
      cursors.room();
      await forwarder.stop();
    },
  );

  it("gives back at its end what was not handed over, however roomy the log is", async () => {
    const { forwarder, log, cursors, schedule, target, clock } = rig();
    log.roomy = () => true;
    target.away = true;
    append(log, 40);
    forwarder.start();
    schedule.due();
    await clock.run(10_000);
    expect(cursors.cursors.at(-1)).toEqual({ confirmed: 0, reserved: 40 });
    await forwarder.stop();
    expect(cursors.cursors.at(-1)).toEqual({ confirmed: 0, reserved: 10 });
  });

  it("can be stopped", async () => {
    const cursors = new HeldCursors();
    const { forwarder, log, schedule, positions, clock } = rig({ cursors });
    forwarder.start();
    await clock.run(0);
    append(log, 2);
    schedule.due();
    await clock.run(0);
    cursors.full = true;
    append(log, 2);
    schedule.due();
    await clock.run(2_000);
    expect(positions()).toEqual(upTo(4));
    await forwarder.stop();
    expect(forwarder.status().state).toBe("stopped");
  });
});
