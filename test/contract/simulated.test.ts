import { describe } from "vitest";
import { ProcessTime, WallClock } from "../sim/clocks.js";
import { Dice } from "../sim/dice.js";
import { SimulatedDisk } from "../sim/disk.js";
import { Network } from "../sim/network.js";
import { pumpedKernel } from "../sim/pump.js";
import { SimulatedTarget, SimulatedUpstream } from "../sim/upstream.js";
import { diskContract } from "./disk.js";
import { targetContract } from "./target.js";

describe("the simulator's disk", () => {
  diskContract(async () => {
    const faults = { syncMs: 1, slow: 0, slowMs: 0, tornWrites: 0, failedSyncs: 0 };
    const disk = new SimulatedDisk(pumpedKernel(), new Dice(1), faults);
    return { mount: () => disk.mount() };
  });
});

describe("the simulator's target", () => {
  targetContract(async () => {
    const kernel = pumpedKernel();
    const wall = new WallClock(kernel, 1);
    const faults = { latencyMs: 1, breaks: 0, breaksAfterBytes: 0, silently: 0.5 };
    const network = new Network(kernel, new Dice(1), faults);
    const upstream = new SimulatedUpstream("upstream");
    const received: string[] = [];
    upstream.onReceive = (json) => received.push(json);
    return {
      create: () =>
        new SimulatedTarget({ upstream, network, time: new ProcessTime(kernel, wall), entriesMax: 500 }),
      received: async () => received,
      takeAway: async () => {
        network.away = true;
      },
      bringBack: async () => {
        network.away = false;
      },
      mute: () => upstream.mute(),
      unmute: () => upstream.unmute(),
    };
  });
});
