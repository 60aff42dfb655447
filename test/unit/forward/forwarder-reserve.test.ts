import { describe, expect, it } from "vitest";
import type { Cursor } from "../../../src/model/summary-log.js";
import { append, rig, upTo } from "../../helpers/forwarder-rig.js";
import { MemoryCursors } from "../../helpers/memory-log.js";

/** Holds saves while the test says so, as a store does that cannot be written. */
class HeldCursors extends MemoryCursors {
  holding = false;
  private held: (() => void)[] = [];

  override async save(target: string, cursor: Cursor): Promise<void> {
    if (this.holding) await new Promise<void>((resolve) => this.held.push(resolve));
    return await super.save(target, cursor);
  }

  release(): void {
    this.holding = false;
    for (const resolve of this.held.splice(0)) resolve();
  }
}

describe("what a forwarder reserves", () => {
  it("is durable before anything of it is handed over", async () => {
    const { clock, log, cursors, target, schedule, forwarder } = rig();
    const deliver = target.deliver.bind(target);
    const reservedAt: [number, number][] = [];
    target.deliver = (entries) => {
      reservedAt.push([entries.at(-1)!.position, cursors.cursors.at(-1)!.reserved]);
      return deliver(entries);
    };
    forwarder.start();
    for (let n = 0; n < 30; n++) {
      append(log, 1 + (n % 13));
      schedule.due();
      await clock.run(10);
    }
    expect(reservedAt.length).toBeGreaterThan(20);
    for (const [last, reserved] of reservedAt) expect(last).toBeLessThanOrEqual(reserved);
  });

  it("costs no save of its own while small deliveries succeed", async () => {
    const { clock, log, cursors, schedule, forwarder } = rig();
    forwarder.start();
    for (let n = 0; n < 50; n++) {
      append(log, 2);
      schedule.due();
      await clock.run(10);
    }
    // One for the first sight of the target, one before the first delivery, and one after each.
    expect(cursors.cursors.length).toBe(52);
  });

  it("is read again once it is reserved, because the log may have merged it before", async () => {
    const { clock, log, schedule, forwarder, target } = rig();
    append(log, 5);
    const read = log.read.bind(log);
    let reads = 0;
    log.read = async (after, bounds) => {
      const entries = await read(after, bounds);
      reads++;
      return reads === 1 ? entries.map(({ position }) => ({ position, json: "from before" })) : entries;
    };
    forwarder.start();
    schedule.due();
    await clock.run(10);
    expect(target.received.map(({ position }) => position)).toEqual(upTo(5));
    expect(target.received.some(({ json }) => json === "from before")).toBe(false);
  });

  it("shrinks after a failure to what was handed over, which goes first and alone when the target is back", async () => {
    const { clock, log, cursors, target, schedule, forwarder } = rig();
    append(log, 3);
    forwarder.start();
    schedule.due();
    await clock.run(10);
    target.away = true;
    append(log, 2);
    schedule.due();
    await clock.run(10_000);
    expect(cursors.cursors.at(-1)).toEqual({ confirmed: 3, reserved: 5 });
    append(log, 50);
    schedule.due();
    await clock.run(600_000);
    expect(cursors.cursors.at(-1)).toEqual({ confirmed: 3, reserved: 5 });
    expect(new Set(target.batches.slice(1))).toEqual(new Set([2]));
    target.comeBack();
    await clock.run(10);
    expect(target.batches.slice(-6)).toEqual([2, 10, 10, 10, 10, 10]);
  });

  it("stays in doubt over a crash, and shrinks to nothing at an orderly end", async () => {
    const { clock, log, cursors, target, schedule, forwarder } = rig();
    append(log, 3);
    forwarder.start();
    schedule.due();
    await clock.run(10);
    const crashed = new MemoryCursors();
    await crashed.save("fake", cursors.cursors.at(-1)!);
    const next = rig({ log, cursors: crashed });
    append(log, 20);
    next.target.away = true;
    next.forwarder.start();
    next.schedule.due();
    await next.clock.run(10_000);
    // The first life may have handed over what it had reserved.
    expect(crashed.cursors.at(-1)).toEqual({ confirmed: 3, reserved: 13 });
    const stopping = forwarder.stop();
    await clock.run(10);
    await stopping;
    expect(target.received.length).toBe(3);
    expect(cursors.cursors.at(-1)).toEqual({ confirmed: 3, reserved: 3 });
  });

  it("is given back from the moment on in which that is begun, however long it takes to write", async () => {
    const cursors = new HeldCursors();
    const { clock, log, target, schedule, forwarder, positions } = rig({ cursors });
    append(log, 3);
    forwarder.start();
    schedule.due();
    await clock.run(10);
    expect(cursors.cursors.at(-1)).toEqual({ confirmed: 3, reserved: 13 });
    target.away = true;
    append(log, 2);
    schedule.due();
    await clock.run(10);
    cursors.holding = true;
    append(log, 5);
    schedule.due();
    await clock.run(30_000);
    target.comeBack();
    await clock.run(30_000);
    // From 6 on the log may have merged them by now, and tells only when the save is through.
    expect(positions()).toEqual(upTo(5));
    cursors.release();
    await clock.run(60_000);
    expect(positions()).toEqual(upTo(10));
  });
});
