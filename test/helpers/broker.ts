import { onTestFinished } from "vitest";
import { BrokerSource } from "../../src/source/broker.js";
import type { BrokerSourceOptions } from "../../src/source/broker-options.js";
import type { SourceParts } from "../../src/source/parts.js";
import { sourceParts, type TestParts } from "./source-parts.js";

export interface RunningBroker extends TestParts {
  readonly broker: BrokerSource;
  readonly port: number;
}

/** The embedded broker on a free port of the loopback, open to everybody unless the options say otherwise. */
export async function startBroker(
  options: Partial<BrokerSourceOptions> = {},
  given: Partial<SourceParts> = {},
): Promise<RunningBroker> {
  const parts = sourceParts(given);
  const broker = new BrokerSource(
    { name: "local", host: "127.0.0.1", port: 0, anonymous: true, ...options },
    parts,
  );
  onTestFinished(async () => {
    parts.held.atOnce = true;
    parts.held.commit();
    await broker.stop();
  });
  await broker.start();
  return { ...parts, broker, port: broker.port ?? 0 };
}
