/** From a serial cable through the whole agent to the summaries. */
import { expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { expectAccounted, FIRST_MS, STEP_MS } from "../helpers/numbered-readings.js";
import { startPtyPair } from "../helpers/pty.js";
import { describeWithTools, until } from "../helpers/tools.js";

const PROFILE = `schema: device-profile/1
id: meter
version: 1.0.0
decode: { format: kv, separator: ";" }
time: { from: t, format: epoch-ms, maxFuture: never, outOfOrderness: 0s, idleTimeout: 1h }
fields:
  n: { from: n, type: int }
windows:
  - { name: 10s, tumbling: 10s, fields: { n: [count, sum, min, max] } }
`;
/** Readings in one window. */
const WINDOW = 10_000 / STEP_MS;
const GARBAGE_BYTES = 16_000_000;
/** Far below what keeping a line of that length would take. */
const GROWTH_BYTES_MAX = 48_000_000;

function line(n: number): string {
  return `t=${FIRST_MS + n * STEP_MS};n=${n}\n`;
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => line(from + i)).join("");
}

describeWithTools(["socat"], "a device on a serial port", () => {
  it("is summarised through garbage, a line without end, and a cable pulled and plugged in", async () => {
    const cable = await startPtyPair();
    const agent = await AgentProcess.prepare({
      config: [
        "sources:",
        `  - { name: meter, type: serial, port: ${cable.port}, profile: meter, device: main-meter,`,
        "      framing: { type: line, lineBytesMax: 200 } }",
      ].join("\n"),
      profiles: { meter: PROFILE },
    });
    await agent.start();
    await agent.logged("serial-opened");
    const received = async () => (await agent.status()).received;

    await cable.write(lines(0, 150));
    await until(async () => (await received()) === 150, { what: "the first lines are in" });
    // Noise on the line: no values, no text at all, and half a reading that somebody cut.
    await cable.write("?????;;;===\n");
    await cable.write(Uint8Array.from([0xff, 0xfe, 0x00, 0x80, 0x0a]));
    await cable.write("t=noon;n=1\n");
    await until(async () => (await received()) === 153, { what: "the garbage is counted" });

    const before = agent.peakBytes();
    const noise = new Uint8Array(64_000).fill(0x55);
    for (let sent = 0; sent < GARBAGE_BYTES; sent += noise.length) await cable.write(noise);
    await cable.write(`\n${lines(150, 250)}`);
    await until(async () => (await received()) === 254, { what: "readings come behind the endless line" });
    expect(agent.peakBytes() - before).toBeLessThan(GROWTH_BYTES_MAX);
    expect(agent.events("serial-line-too-large").length).toBe(1);

    await cable.write("t=1768");
    await cable.unplug();
    await agent.logged("serial-waiting");
    expect((await agent.status()).sources).toMatchObject([{ name: "meter", state: "waiting" }]);
    await cable.plug();
    await agent.logged("serial-opened", 2);
    await cable.write(lines(250, 6 * WINDOW + 1));
    await until(async () => (await agent.summaries()).length >= 6, { what: "six windows are closed" });

    const { byDevice } = await agent.status();
    expectAccounted(byDevice);
    expect(byDevice).toMatchObject([
      {
        device: "main-meter",
        received: 6 * WINDOW + 5,
        accepted: 6 * WINDOW + 1,
        rejected: { invalid: 2, invalidTime: 1, tooLarge: 1 },
      },
    ]);
    const summaries = (await agent.summaries()).map((text) => JSON.parse(text) as Summary);
    expect(summaries.map(({ device, fields }) => ({ device, ...fields.n }))).toEqual(
      Array.from({ length: 6 }, (_, window) => ({
        device: "main-meter",
        count: WINDOW,
        sum: WINDOW * WINDOW * window + (WINDOW * (WINDOW - 1)) / 2,
        min: window * WINDOW,
        max: (window + 1) * WINDOW - 1,
      })),
    );
    expect(await agent.end("SIGTERM")).toMatchObject({ code: 0 });
  });
});
