/** The definition of a window changes again and again under load, and the agent is killed around the change. */
import { expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { Load } from "../helpers/mqtt-load.js";
import {
  closing,
  expectAccounted,
  expectNumbered,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
  READINGS_MAX,
} from "../helpers/numbered-readings.js";
import { moment, seeded } from "../helpers/seeded.js";
import { freePort } from "../helpers/tools.js";
import { Summaries } from "../helpers/upstream.js";

/** For a slow machine with other work to do. */
const TIMEOUT_MS = 180_000;

const DEVICES = Array.from({ length: 10 }, (_, i) => `dev-${i}`);
const CHANGES = 7;
const DEFINITIONS = [
  NUMBERED_PROFILE,
  NUMBERED_PROFILE.replace("name: 5s, tumbling: 5s", "name: 5s, tumbling: 3s"),
];

it("counts every reading once in each window, whatever definition was in force and whenever it crashed", {
  timeout: TIMEOUT_MS,
}, async () => {
  const random = seeded("changes of definition and kills");
  const port = await freePort();
  const agent = await AgentProcess.prepare({
    config: [
      "commit: { maxDelay: 10ms }",
      "sources:",
      `  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
    ].join("\n"),
    profiles: { numbered: NUMBERED_PROFILE },
  });
  const load = new Load(
    DEVICES.map((device) => {
      const readings = Array.from({ length: READINGS_MAX }, (_, i) => numbered(device, i));
      const sent = [...random.disordered(readings, 40), closing(device, READINGS_MAX)];
      const messages = sent.map((payload) => ({ topic: `n/${device}`, payload }));
      return { port, clientId: device, qos: 1 as const, inflightMax: 3, messages };
    }),
  );
  await agent.start();
  load.start();
  for (let change = 1; change <= CHANGES; change++) {
    await load.progress(1 + random.below(400));
    await agent.writeProfile("numbered", DEFINITIONS[change % 2]!);
    agent.signal("SIGHUP");
    if (random.below(4) === 0) await agent.logged("reloaded");
    else await moment(random.below(40));
    await agent.kill();
    await agent.start();
  }
  await load.finished();
  const log = new Summaries();
  for (const line of await agent.summaries()) log.add(line);
  expect(log.contradictions).toEqual([]);
  const latest = log.latest().filter((summary) => !isClosing(summary, READINGS_MAX));
  expect(latest.filter(({ final }) => !final)).toEqual([]);
  const named = (name: string): Summary[] => latest.filter(({ window }) => window.name === name);
  expectNumbered(named("5s"), DEVICES, READINGS_MAX);
  expectNumbered(named("20s"), DEVICES, READINGS_MAX);
  expect(named("20s").filter(({ reconfigured }) => reconfigured)).toEqual([]);
  expect(named("5s").filter(({ reconfigured }) => reconfigured).length).toBeGreaterThan(CHANGES);
  const { byDevice } = await agent.status();
  expectAccounted(byDevice);
  expect(new Set(byDevice.map(({ accepted }) => accepted))).toEqual(new Set([READINGS_MAX + 1]));
});
