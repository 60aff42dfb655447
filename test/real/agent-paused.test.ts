/** An agent that is stopped by a signal, as by a debugger, a frozen container or a machine that swaps. */
import { expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { Load } from "../helpers/mqtt-load.js";
import {
  closing,
  expectNumbered,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
} from "../helpers/numbered-readings.js";
import { moment } from "../helpers/seeded.js";
import { freePort, until } from "../helpers/tools.js";

const READINGS = 200;
const INFLIGHT = 20;
/** Twice as long as after which a device is idle. */
const PAUSE_MS = 6_000;

it("an agent that stood still does not take that for the silence of devices: what lay in the sockets is not late", async () => {
  const port = await freePort();
  const profile = NUMBERED_PROFILE.replace("idleTimeout: 1h", "idleTimeout: 3s").replaceAll(
    "allowedLateness: 10s",
    "allowedLateness: 0s",
  );
  const agent = await AgentProcess.prepare({
    config: `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
    profiles: { numbered: profile },
  });
  const messages = [
    ...Array.from({ length: READINGS }, (_, i) => ({ topic: "n/d", payload: numbered("d", i) })),
    { topic: "n/d", payload: closing("d", READINGS) },
  ];
  const load = new Load([{ port, clientId: "d", messages, qos: 1, inflightMax: INFLIGHT, firstMax: 0 }]);
  await agent.start();
  load.start();
  // In the middle of a window.
  load.allow(30);
  await until(() => load.acknowledged === 30, { what: "the first are acknowledged" });
  await agent.pause();
  load.allow(READINGS);
  await moment(PAUSE_MS);
  agent.signal("SIGCONT");
  await until(() => load.acknowledged === messages.length, { what: "all are acknowledged" });
  const { byDevice } = await agent.status();
  expect(byDevice).toMatchObject([{ accepted: READINGS + 1, partlyLate: 0, rejected: {} }]);
  const summaries = (await agent.summaries()).map((line) => JSON.parse(line) as Summary);
  for (const name of ["5s", "20s"]) {
    const final = summaries.filter(({ final, window }) => final && window.name === name);
    expectNumbered(
      final.filter((summary) => !isClosing(summary, READINGS)),
      ["d"],
      READINGS,
    );
  }
});
