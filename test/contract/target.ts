/**
 * What every target owes the forwarder, run against the fake and the real ones: the forwarder's tests use the fake,
 * so the fake must not be better or worse than what it stands for.
 */
import { expect, it } from "vitest";
import { Forwarder } from "../../src/forward/forwarder.js";
import { createSchedule } from "../../src/forward/schedule.js";
import { WeirError } from "../../src/model/errors.js";
import type { LogEntry } from "../../src/model/summary.js";
import type { Target } from "../../src/model/summary-log.js";
import { systemClock, systemTimers } from "../../src/system/clock.js";
import { MemoryCursors, MemoryLog, summaryJson } from "../helpers/memory-log.js";
import { Recorder } from "../helpers/recorder.js";
import { until } from "../helpers/tools.js";

export interface TargetHarness {
  /** A target as a new process would make it, before `start`. */
  create(): Target;
  /** What the receiver has got so far, in order, repetitions included. */
  received(): Promise<readonly string[]>;
  /** What the gateway has said of itself while it was there, in order. Absent where there is no place for it. */
  readonly statuses?: () => readonly Readonly<Record<string, unknown>>[];
  /** Ends the upstream without a word; what it has confirmed, it keeps. */
  takeAway(): Promise<void>;
  bringBack(): Promise<void>;
  /** The upstream stays there and says nothing. Absent where there is no such thing. */
  readonly mute?: () => void;
  readonly unmute?: () => void;
}

const entries = (from: number, to: number): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => ({ position: from + at, json: summaryJson(from + at) }));

const json = (list: readonly LogEntry[]): string[] => list.map((entry) => entry.json);

/**
 * The receiver gets everything, in order but for repetitions. It is given time, as confirmed by the upstream does
 * not yet mean received by whoever listens there.
 */
async function expectReceived(harness: TargetHarness, expected: readonly LogEntry[]): Promise<void> {
  const first = async (): Promise<string[]> => [...new Set(await harness.received())];
  await until(async () => (await first()).length >= expected.length, {
    what: `${expected.length} entries are received`,
  });
  expect(await first()).toEqual(json(expected));
}

/** Delivers until it succeeds, as the forwarder does. */
async function deliverAtLast(target: Target, batch: readonly LogEntry[]): Promise<void> {
  await until(
    () =>
      target.deliver(batch).then(
        () => true,
        (error: unknown) => {
          expect(error).toBeInstanceOf(WeirError);
          expect(error).toMatchObject({ retryable: true });
          return false;
        },
      ),
    { what: "the delivery succeeds" },
  );
}

export function targetContract(open: () => Promise<TargetHarness>): void {
  it("has every entry at the receiver, unchanged and in order, when a delivery resolves", async () => {
    const harness = await open();
    const target = harness.create();
    target.start();
    for (const [from, to] of [
      [1, 1],
      [2, 9],
      [10, 10],
    ] as const) {
      await deliverAtLast(target, entries(from, to));
      await expectReceived(harness, entries(1, to));
    }
    await target.stop();
  });

  it("starts without its upstream, rejects retryably, and delivers when the upstream is there", async () => {
    const harness = await open();
    await harness.takeAway();
    const target = harness.create();
    target.start();
    await expect(target.deliver(entries(1, 3))).rejects.toMatchObject({
      name: "WeirError",
      retryable: true,
    });
    await harness.bringBack();
    await deliverAtLast(target, entries(1, 3));
    await expectReceived(harness, entries(1, 3));
    await target.stop();
  });

  it("neither hangs nor loses when the upstream goes away in the middle, again and again", async () => {
    const harness = await open();
    const target = harness.create();
    target.start();
    const all = entries(1, 600);
    for (let at = 0; at < all.length; at += 200) {
      const batch = all.slice(at, at + 200);
      const first = target
        .deliver(batch)
        .catch((error: unknown) => expect(error).toMatchObject({ retryable: true }));
      await harness.takeAway();
      await first;
      await harness.bringBack();
      await deliverAtLast(target, batch);
    }
    await expectReceived(harness, all);
    await target.stop();
  });

  it("settles a delivery that the stop finds open, so that a restart delivers it from the cursor", async () => {
    const harness = await open();
    const first = harness.create();
    first.start();
    await deliverAtLast(first, entries(1, 5));
    harness.mute?.();
    const open_ = first.deliver(entries(6, 205)).then(
      () => "confirmed",
      (error: unknown) => {
        expect(error).toMatchObject({ name: "WeirError", retryable: true });
        return "not confirmed";
      },
    );
    await first.stop();
    const outcome = await open_;
    harness.unmute?.();
    if (harness.mute !== undefined) expect(outcome).toBe("not confirmed");
    const second = harness.create();
    second.start();
    await deliverAtLast(second, entries(6, 205));
    await expectReceived(harness, entries(1, 205));
    await second.stop();
  });

  it("rejects retryably after the stop, and can be stopped twice or without a start", async () => {
    const harness = await open();
    const target = harness.create();
    target.start();
    await target.stop();
    await expect(target.deliver(entries(1, 1))).rejects.toMatchObject({ retryable: true });
    await target.stop();
    await harness.create().stop();
    expect(await harness.received()).toEqual([]);
  });

  it("says of the gateway what is so at the time: on every connection, and when something has changed", async (context) => {
    const harness = await open();
    const { statuses } = harness;
    const target = harness.create();
    if (statuses === undefined) {
      expect(target.publishStatus).toBeUndefined();
      return context.skip("there is no place for a status");
    }
    let dropped = 1;
    const said = (count: number) =>
      until(() => statuses().at(-1)?.dropped === count, { what: `${count} dropped are told` });
    target.publishStatus?.(() => ({ dropped }));
    target.start();
    await said(1);
    dropped = 2;
    await harness.takeAway();
    dropped = 3;
    await harness.bringBack();
    await said(3);
    expect(statuses().map((status) => status.dropped)).not.toContain(2);
    dropped = 4;
    target.publishStatus?.(() => ({ dropped }));
    await said(4);
    await target.stop();
  });

  it("does not resolve while the upstream says nothing", async (context) => {
    const harness = await open();
    if (harness.mute === undefined || harness.unmute === undefined) {
      return context.skip("this upstream cannot be mute");
    }
    const target = harness.create();
    target.start();
    await deliverAtLast(target, entries(1, 1));
    harness.mute();
    let settled = false;
    const delivery = target.deliver(entries(2, 3)).finally(() => {
      settled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(settled).toBe(false);
    harness.unmute();
    await delivery;
    await expectReceived(harness, entries(1, 3));
    await target.stop();
  });

  it("brings the whole log upstream through outages and restarts of the forwarder, in order", async () => {
    const harness = await open();
    const log = new MemoryLog();
    const cursors = new MemoryCursors();
    const begin = (): Forwarder => {
      const forwarder = new Forwarder({
        target: harness.create(),
        schedule: createSchedule({
          expression: "immediate",
          zone: "UTC",
          log,
          clock: systemClock,
          timers: systemTimers,
        }),
        log,
        cursors,
        clock: systemClock,
        timers: systemTimers,
        random: () => 1,
        observer: new Recorder(),
        backoff: { baseMs: 5, maxMs: 50 },
      });
      forwarder.start();
      return forwarder;
    };
    const append = (count: number): void => {
      for (let n = 0; n < count; n++) log.append(summaryJson(log.head() + 1));
    };

    let forwarder = begin();
    append(150);
    await harness.takeAway();
    append(150);
    await forwarder.stop();
    forwarder = begin();
    append(50);
    await harness.bringBack();
    append(150);
    await until(() => forwarder.status().cursor === 500, { what: "all is confirmed" });
    await forwarder.stop();

    await expectReceived(harness, entries(1, 500));
    expect(log.listening()).toBe(0);
  });
}
