/**
 * The service under a real systemd: installed by scripts/install as on a gateway, with the example config, then
 * killed, hung, reloaded and stopped.
 */
import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import { bootContainer, CONTAINER_TOOLS, type Container, prepareRoot } from "../helpers/container.js";
import { describeWithTools, findTool, until } from "../helpers/tools.js";

const BOOT_TIMEOUT_MS = 180_000;

describeWithTools(CONTAINER_TOOLS, "the service under systemd", () => {
  let container: Container | undefined;
  let missing = "";

  beforeAll(async () => {
    if (process.getuid?.() !== 0) {
      missing = "needs root";
      return;
    }
    try {
      container = await boot(await prepareRoot());
    } catch (error) {
      missing = error instanceof Error ? error.message : String(error);
    }
  }, BOOT_TIMEOUT_MS);
  afterAll(() => container?.stop());

  const inside = (context: TestContext): Container => container ?? context.skip(missing);
  const property = async (from: Container, name: string): Promise<string> =>
    (await from.run("systemctl", "show", "weir", "--value", "-p", name)).stdout.trim();
  const restarted = (from: Container, times: number): Promise<void> =>
    until(
      async () =>
        Number(await property(from, "NRestarts")) >= times &&
        (await property(from, "ActiveState")) === "active",
      { what: `systemd has restarted the service ${times} times` },
    );

  it("is installed and ready with the example config, as a user without rights", async (context) => {
    const on = inside(context);
    const installed = await on.run("/repository/scripts/install", "--no-build", "--start");
    expect(installed, installed.stderr).toMatchObject({ code: 0 });
    // `systemctl restart` of a Type=notify service returns when READY=1 has come.
    expect(await property(on, "ActiveState")).toBe("active");
    expect(await property(on, "StatusText")).not.toBe("");
    const process = (await on.run("ps", "-o", "user=", "-p", await property(on, "MainPID"))).stdout.trim();
    expect(process).toBe("weir");
    const state = await on.run("stat", "-c", "%U %a", "/var/lib/weir");
    expect(state.stdout.trim()).toBe("weir 750");
    expect((await on.run("weir", "check", "-c", "/etc/weir/weir.yaml")).code).toBe(0);
  });

  it("reads its config again on reload, in the same process", async (context) => {
    const on = inside(context);
    const before = await property(on, "MainPID");
    expect((await on.run("systemctl", "reload", "weir")).code).toBe(0);
    await until(async () => (await journal(on)).includes("reload"), { what: "the reload is in the journal" });
    expect(await property(on, "MainPID")).toBe(before);
    await until(async () => (await property(on, "ActiveState")) === "active", { what: "it is active again" });
  });

  it("comes back after a kill -9", async (context) => {
    const on = inside(context);
    await on.run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "weir");
    await restarted(on, 1);
  });

  it("is restarted by the watchdog when its event loop hangs", async (context) => {
    const on = inside(context);
    await on.write(
      "/etc/systemd/system/weir.service.d/test.conf",
      "[Service]\nWatchdogSec=2s\nRestartSec=0\n",
    );
    await on.run("systemctl", "daemon-reload");
    await on.run("systemctl", "restart", "weir");
    await on.run("systemctl", "kill", "-s", "STOP", "--kill-who=main", "weir");
    await until(async () => /watchdog timeout/i.test(await journal(on)), { what: "the watchdog barks" });
    await restarted(on, 1);
  });

  it("pings: it outlives the watchdog's limit several times when nothing is wrong", async (context) => {
    const on = inside(context);
    const since = await property(on, "NRestarts");
    const pinged = async (): Promise<number> => Number(await property(on, "WatchdogTimestampMonotonic"));
    const first = await pinged();
    await until(async () => (await pinged()) > first + 6_000_000, {
      what: "pings have come for three limits",
    });
    expect(await property(on, "NRestarts")).toBe(since);
  });

  it("stops cleanly and in time when asked", async (context) => {
    const on = inside(context);
    const startMs = performance.now();
    expect((await on.run("systemctl", "stop", "weir")).code).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(6_000);
    expect(await property(on, "Result")).toBe("success");
    expect(await property(on, "ExecMainStatus")).toBe("0");
    expect(await journal(on)).not.toMatch(/SIGSYS|status=31/);
  });

  it("can be looked into by root while it is stopped, and starts again", async (context) => {
    const on = inside(context);
    expect(await on.run("weir", "log", "-c", "/etc/weir/weir.yaml")).toMatchObject({ code: 0, stderr: "" });
    expect((await on.run("find", "/var/lib/weir", "!", "-user", "weir")).stdout).toBe("");
    expect((await on.run("systemctl", "start", "weir")).code).toBe(0);
    expect((await on.run("weir", "log", "-c", "/etc/weir/weir.yaml")).code).toBe(0);
  });

  it("is gone after --uninstall, and its config is not", async (context) => {
    const on = inside(context);
    expect((await on.run("/repository/scripts/install", "--uninstall")).code).toBe(0);
    expect(await property(on, "LoadState")).toBe("not-found");
    expect((await on.run("test", "-e", "/etc/weir/weir.yaml")).code).toBe(0);
  });

  const journal = async (from: Container): Promise<string> =>
    (await from.run("journalctl", "--no-pager", "-u", "weir")).stdout;
});

/** Boots with this Node.js, its npm and this repository inside. */
function boot(root: string): Promise<Container> {
  const npm = realpathSync(findTool("npm")!);
  return bootContainer({
    root,
    binds: [
      [process.execPath, "/usr/bin/node"],
      [resolve(dirname(npm), ".."), "/usr/lib/node_modules/npm"],
      [process.cwd(), "/repository"],
    ],
    links: [["/usr/bin/npm", "/usr/lib/node_modules/npm/bin/npm-cli.js"]],
  });
}
