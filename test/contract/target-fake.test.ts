import { describe } from "vitest";
import { FakeTarget } from "../helpers/fake-target.js";
import { targetContract } from "./target.js";

describe("the fake target", () => {
  targetContract(async () => {
    const made: FakeTarget[] = [];
    let away = false;
    const apply = (change: (target: FakeTarget) => void) => {
      for (const target of made) change(target);
    };
    return {
      create: () => {
        const target = new FakeTarget();
        target.away = away;
        made.push(target);
        return target;
      },
      received: async () => made.flatMap((target) => target.received.map((entry) => entry.json)),
      statuses: () => made.flatMap(({ statuses }) => statuses),
      takeAway: async () => {
        away = true;
        apply((target) => {
          target.away = true;
        });
      },
      bringBack: async () => {
        away = false;
        apply((target) => target.comeBack());
      },
      mute: () =>
        apply((target) => {
          target.holding = true;
        }),
      unmute: () => apply((target) => target.release()),
    };
  });
});
