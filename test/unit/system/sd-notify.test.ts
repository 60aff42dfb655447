import { describe, expect, it } from "vitest";
import type { Observer } from "../../../src/model/log-event.js";
import { createServiceManager, type NotifySend } from "../../../src/system/sd-notify.js";
import { ManualClock, settle } from "../../helpers/manual-clock.js";

const SUPERVISED = { NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "60000000", WATCHDOG_PID: "42" };

function setup(options: { env?: NodeJS.ProcessEnv; send?: NotifySend } = {}) {
  const clock = new ManualClock();
  const sent: string[][] = [];
  const events: string[] = [];
  const observer: Observer = { emit: (event) => void events.push(event.name) };
  const send: NotifySend = (assignments) => {
    sent.push([...assignments]);
    return Promise.resolve();
  };
  const manager = createServiceManager({
    env: options.env ?? SUPERVISED,
    timers: clock,
    observer,
    send: options.send ?? send,
    pid: 42,
  });
  return { clock, sent, events, manager };
}

describe("talking to systemd", () => {
  it("sends nothing and starts no timer where there is no systemd", async () => {
    const { clock, sent, manager } = setup({ env: {} });
    await manager.ready("up");
    manager.watch(() => true);
    expect(clock.timersPending()).toBe(0);
    expect(sent).toEqual([]);
  });

  it("sends messages in order even when the first one is slow", async () => {
    const sent: string[] = [];
    let release = (): void => {};
    const first = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { manager } = setup({
      send: (assignments) => {
        sent.push(assignments[0]!);
        return sent.length === 1 ? first : Promise.resolve();
      },
    });
    const done = Promise.all([manager.reloading(), manager.ready("again"), manager.stopping("bye")]);
    await settle();
    expect(sent).toEqual(["RELOADING=1"]);
    release();
    await done;
    expect(sent).toEqual(["RELOADING=1", "READY=1", "STOPPING=1"]);
  });

  it("pings at a third of the limit, and only while the commits get through", async () => {
    const { clock, sent, manager } = setup();
    let healthy = true;
    manager.watch(() => healthy);
    await clock.run(60_000);
    expect(sent).toEqual([["WATCHDOG=1"], ["WATCHDOG=1"], ["WATCHDOG=1"]]);
    healthy = false;
    await clock.run(600_000);
    expect(sent).toHaveLength(3);
    await manager.close();
    expect(clock.timersPending()).toBe(0);
  });

  it("does not pile up pings behind one that hangs", async () => {
    let calls = 0;
    const { clock, manager } = setup({
      send: () => {
        calls++;
        return new Promise(() => {});
      },
    });
    manager.watch(() => true);
    await clock.run(3_600_000);
    expect(calls).toBe(1);
  });

  it("leaves the watchdog to the process it is meant for", async () => {
    const { clock, manager } = setup({ env: { ...SUPERVISED, WATCHDOG_PID: "41" } });
    manager.watch(() => true);
    expect(clock.timersPending()).toBe(0);
  });

  it("reports a message that could not be sent, and goes on", async () => {
    let calls = 0;
    const { events, manager } = setup({
      send: () => (++calls === 1 ? Promise.reject(new Error("ENOENT")) : Promise.resolve()),
    });
    await manager.ready("up");
    await manager.status("fine");
    expect(events).toEqual(["notify-failed"]);
    expect(calls).toBe(2);
  });

  it("cannot be made to send other assignments by a status with line ends", async () => {
    const { sent, manager } = setup();
    await manager.status("ok\nMAINPID=1\u0000x");
    expect(sent).toEqual([["STATUS=ok MAINPID=1 x"]]);
  });
});
