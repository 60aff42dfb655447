import { expect } from "vitest";
import type { Engine } from "../../src/engine/engine.js";
import type { Block } from "../../src/model/block.js";
import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import { decodeBlock, encodeBlock } from "../../src/store/journal-codec.js";
import { KEYS } from "../../src/store/keys.js";
import { ClockScene } from "./clock-scene.js";
import { newEngine, restored } from "./engine.js";

/** A device that sends under a clock, and what comes of it. */
export class ClockGateway {
  readonly scene: ClockScene;
  readonly summaries: Summary[] = [];
  readonly blocks: Block[] = [];
  engine: Engine;
  readonly #profile: EngineProfile;

  constructor(of: EngineProfile) {
    this.#profile = of;
    this.scene = new ClockScene(of);
    this.engine = newEngine(of);
  }

  commit(): void {
    const block = this.scene.block();
    // As the journal gives it back.
    const stored = decodeBlock(
      encodeBlock(block, { state: 1, logHead: 0 }),
      KEYS.journal(block.sequence),
    ).block;
    this.blocks.push(stored);
    this.summaries.push(...this.engine.apply(stored));
  }

  /** Reads `count` times, one after the other. */
  send(count: number, everyMs: number, timed = false): void {
    for (let i = 0; i < count; i++) {
      this.scene.read("d", timed);
      this.scene.wait(everyMs);
      this.commit();
    }
  }

  /** The process dies and recovers from records; the journal overlaps them. */
  restart(): void {
    const before = this.engine.counts();
    this.engine = restored(this.engine, this.#profile);
    for (const block of this.blocks.slice(-3)) expect(this.engine.apply(block)).toEqual([]);
    expect(this.engine.counts()).toEqual(before);
  }

  end(): readonly Summary[] {
    this.summaries.push(...this.engine.flush());
    return this.summaries;
  }

  get counts() {
    return this.engine.counts()[0]!;
  }
}
