import type { Outgoing, SimulatedClient } from "./client.js";
import type { WallClock } from "./clocks.js";
import type { SimulatedDisk } from "./disk.js";
import type { Gateway } from "./gateway.js";
import type { Kernel } from "./kernel.js";
import type { Network } from "./network.js";
import type { Receipts } from "./receipts.js";
import type { Scenario } from "./scenario.js";
import type { Sensor } from "./sensor.js";
import type { SimulatedUpstream } from "./upstream.js";

/** Everything of one simulation that checks may look at. */
export interface Simulated {
  readonly scenario: Scenario;
  readonly kernel: Kernel;
  readonly wall: WallClock;
  readonly disk: SimulatedDisk;
  readonly local: Network;
  readonly remote: Network;
  readonly upstreams: readonly SimulatedUpstream[];
  readonly gateway: Gateway;
  readonly sensors: readonly Sensor[];
  readonly hostile: SimulatedClient;
  /** What the hostile client sent to topics that a profile claims. */
  readonly rubbish: Outgoing[];
  readonly receipts: readonly Receipts[];
}
