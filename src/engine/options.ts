import type { Block, ReadingGroup } from "../model/block.js";
import type { Summary } from "../model/summary.js";
import type { LostState } from "./redefinition.js";
import type { ResidencyOptions } from "./residency.js";

export interface EngineOptions {
  readonly gateway: string;
  /** More devices than this are refused, each reading counted as `overLimit`. */
  readonly devicesMax: number;
  /** Emit final revisions only, for those who read to the end anyway. */
  readonly finalOnly?: boolean;
  /** What states before this one have lost. */
  readonly losses?: readonly LostState[];
  /** Emit summaries with the state that merging them needs; it costs about as much as the rest of a firing. */
  readonly mergeable?: boolean;
  /** How much of what devices and groups have to close for another definition is closed at a time (share.ts); as usual unless given. */
  readonly shareMax?: number;
  /** How much of the state may be in memory; all of it unless given. */
  readonly residency?: ResidencyOptions;
}

/** How far a block was applied. */
export interface Cut {
  /** What was applied, which is what a journal has to repeat: all of it, or a block with less in it and no tick. */
  readonly begun: Block;
  /** What has to come in another block, with the tick, if there was to be one. */
  readonly left: readonly ReadingGroup[];
}

/** What became of a block. */
export interface Part extends Cut {
  /** What it caused, in the order in which it fired. */
  readonly summaries: Summary[];
}
