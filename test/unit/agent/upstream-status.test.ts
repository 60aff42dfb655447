import { describe, expect, it, onTestFinished } from "vitest";
import { StatusReporter } from "../../../src/agent/upstream-status.js";
import { rig } from "../../helpers/forwarder-rig.js";

/** A reporter to one target that is in reach, and everything that it can tell of. */
function reporting() {
  const outlet = rig();
  const world = {
    waiting: 0,
    received: 0,
    log: { coarsened: 0, dropped: 0 },
    losses: { length: 0 },
    upkeep: { usage: { setAside: 0 } },
    failing: undefined as string | undefined,
  };
  const reporter = new StatusReporter({
    timers: outlet.clock,
    store: world,
    waiting: () => world.waiting,
    status: () => ({
      devices: 2,
      received: world.received,
      accepted: world.received,
      waiting: world.waiting,
      rejected: {},
    }),
    outlets: () => [outlet],
  });
  reporter.attach(outlet);
  outlet.forwarder.start();
  onTestFinished(reporter.start());
  onTestFinished(() => outlet.forwarder.stop());
  return { ...outlet, world, statuses: outlet.target.statuses };
}

describe("the status upstream", () => {
  it("carries what did not go upstream as it was, what waits, and what the store has lost", () => {
    const { statuses, world, target } = reporting();
    Object.assign(world, { waiting: 3, received: 9, losses: { length: 1 }, failing: "disk full" });
    world.log.coarsened = 4;
    world.log.dropped = 5;
    target.comeBack();
    expect(statuses.at(-1)).toEqual({
      devices: 2,
      received: 9,
      accepted: 9,
      waiting: 3,
      rejected: {},
      lag: 0,
      summaries: { coarsened: 4, dropped: 5, lost: 0, setAside: 0 },
      store: { losses: 1, setAside: 0, failing: "disk full" },
    });
  });

  it.each<[string, (world: ReturnType<typeof reporting>["world"]) => void]>([
    ["dropped summaries", ({ log }) => log.dropped++],
    ["coarsened windows", ({ log }) => log.coarsened++],
    ["waiting readings", (world) => world.waiting++],
    ["a lost state", ({ losses }) => losses.length++],
    ["a database set aside", ({ upkeep }) => upkeep.usage.setAside++],
    [
      "a store that fails",
      (world) => {
        world.failing = "disk full";
      },
    ],
  ])("tells of %s within five seconds, once", (_what, happen) => {
    const { statuses, clock, world } = reporting();
    expect(statuses).toHaveLength(1);
    clock.advance(7_000);
    happen(world);
    clock.advance(5_000);
    expect(statuses).toHaveLength(2);
    clock.advance(30_000);
    expect(statuses).toHaveLength(2);
  });

  it("tells of a summary that was set aside for this target", async () => {
    const { statuses, clock, log, target, schedule } = reporting();
    target.refuses = () => true;
    log.append("{}");
    schedule.due();
    await clock.run(5_000);
    expect(statuses.at(-1)).toMatchObject({ summaries: { setAside: 1 } });
  });

  it("does not send more than one in five seconds however fast things change, and the totals once a minute", () => {
    const { statuses, clock, world } = reporting();
    for (let second = 0; second < 60; second++) {
      world.log.dropped++;
      clock.advance(1_000);
    }
    expect(statuses).toHaveLength(1 + 12);
    world.received++;
    clock.advance(59_000);
    const before = statuses.length;
    clock.advance(5_000);
    expect(statuses).toHaveLength(before + 1);
    expect(statuses.at(-1)).toMatchObject({ received: 1 });
  });
});
