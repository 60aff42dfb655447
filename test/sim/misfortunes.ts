import type { Timer } from "../../src/model/clock.js";
import { EPOCH_MS } from "./clocks.js";
import type { Dice } from "./dice.js";
import type { Misfortune } from "./scenario.js";
import type { Simulated } from "./simulated.js";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** What goes wrong while devices send, each at random times at the scenario's rate, until all heals. */
export class Misfortunes {
  readonly #on: Simulated;
  readonly #dice: Dice;
  #over = false;
  #clockMended: Timer | undefined;
  #hostileSent = 0;

  constructor(on: Simulated, dice: Dice) {
    this.#on = on;
    this.#dice = dice;
  }

  begin(): void {
    const { scenario } = this.#on;
    if (scenario.clock === "unset") this.#unsetClock((ms) => this.#on.wall.set(ms));
    for (const [kind, meanMs] of Object.entries(scenario.every)) {
      if (meanMs < Number.POSITIVE_INFINITY) this.#repeat(meanMs, () => this.#happen(kind as Misfortune));
    }
  }

  end(): void {
    this.#over = true;
    this.#clockMended?.cancel();
    const { disk, local, remote, wall, kernel, gateway } = this.#on;
    disk.full = false;
    disk.faults = { ...disk.faults, slow: 0, tornWrites: 0, failedSyncs: 0 };
    for (const network of [local, remote]) {
      network.away = false;
      network.faults = { ...network.faults, breaks: 0 };
    }
    this.#unmute();
    wall.set(EPOCH_MS + kernel.nowMs);
    gateway.start();
  }

  #repeat(meanMs: number, what: () => void): void {
    const next = () => {
      this.#on.kernel.after(this.#dice.wait(meanMs), () => {
        if (this.#over) return;
        what();
        next();
      });
    };
    next();
  }

  #for(meanMs: number, begin: () => void, end: () => void): void {
    begin();
    this.#on.kernel.after(this.#dice.wait(meanMs), () => {
      if (!this.#over) end();
    });
  }

  #happen(kind: Misfortune): void {
    const { gateway, disk, remote, scenario } = this.#on;
    const dice = this.#dice;
    switch (kind) {
      case "crash":
        gateway.crash();
        // A machine without a clock battery comes up in 1970 when the power was cut.
        if (scenario.clock === "unset" && dice.chance(0.5))
          this.#unsetClock((ms) => this.#on.wall.reboot(ms));
        // Misfortunes come in groups: the next one while it starts.
        if (dice.chance(0.3))
          this.#on.kernel.after(1_000 + dice.wait(100), () => this.#over || gateway.crash());
        return;
      case "restart":
        gateway.restart();
        return;
      case "reload":
        gateway.reload();
        return;
      case "diskFull":
        this.#for(
          HOUR_MS / 6,
          () => (disk.full = true),
          () => (disk.full = false),
        );
        return;
      case "upstreamAway":
        this.#for(
          scenario.horizonMs / 6,
          () => (remote.away = true),
          () => (remote.away = false),
        );
        return;
      case "upstreamMute":
        this.#for(
          HOUR_MS / 20,
          () => dice.pick(this.#on.upstreams).mute(),
          () => this.#unmute(),
        );
        return;
      case "clockStep":
        this.#stepClock();
        return;
      case "rot":
        disk.rot();
        return;
      case "hostile":
        this.#sendHostile();
        return;
    }
  }

  #unmute(): void {
    for (const upstream of this.#on.upstreams) upstream.unmute();
  }

  #unsetClock(set: (wallMs: number) => void): void {
    const { wall, kernel, scenario } = this.#on;
    set(SECOND_MS * this.#dice.whole(0, 100));
    this.#clockMended?.cancel();
    this.#clockMended = kernel.after(this.#dice.wait(scenario.horizonMs / 8), () =>
      wall.set(EPOCH_MS + kernel.nowMs),
    );
  }

  #stepClock(): void {
    const { scenario, wall } = this.#on;
    if (scenario.clock !== "stepped") return;
    const size = this.#dice.pick([5 * SECOND_MS, 2 * HOUR_MS, 50 * YEAR_MS]);
    this.#for(
      scenario.horizonMs / 10,
      () => wall.step(this.#dice.chance(0.5) ? size : -size),
      () => wall.set(wall.trueMs),
    );
  }

  /** Somebody else's rubbish: it is counted, acknowledged, and harms nobody. */
  #sendHostile(): void {
    const { scenario, hostile, rubbish } = this.#on;
    const dice = this.#dice;
    const { id } = dice.pick(scenario.profiles);
    const device = dice.pick(["d0", `x${this.#hostileSent++ % 150}`, "\u{1f980}", "a b"]);
    const claimed = dice.chance(0.8);
    const message = {
      topic: claimed ? `${id}/${device}` : dice.pick([`${id}/d0/more`, "elsewhere"]),
      payload: Buffer.from(dice.pick(RUBBISH)),
      qos: dice.pick([1, 2] as const),
      sent: false,
      acknowledged: false,
      messageId: 0,
    };
    if (claimed) rubbish.push(message);
    hostile.publish(message);
  }
}

const RUBBISH = [
  "",
  "null",
  "[1,2",
  '{"t":"now","v":"?"}',
  '{"t":1e400,"v":"NaN"}',
  `{"t":${EPOCH_MS},"v":null}`,
  `{"s":"${"x".repeat(5_000)}"}`,
  "{".repeat(900),
  '{"__proto__":{"v":1},"t":0}',
];
