import { SimulationFailure, type SimulationOptions, simulate } from "./simulation.js";

export interface Shortest {
  readonly message: string;
  readonly stepsMax: number;
}

/**
 * The shortest beginning of a failing run that still fails when everything heals behind it, found by halving; not
 * every longer one need fail, so it is a short one rather than the shortest for certain.
 */
export async function shrink(failure: SimulationFailure, options: SimulationOptions): Promise<Shortest> {
  let shortest = failure;
  let low = 0;
  let high = Math.min(failure.step, options.stepsMax ?? Number.POSITIVE_INFINITY);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const failed = await failureOf({ ...options, stepsMax: middle });
    if (failed === undefined) low = middle + 1;
    else {
      high = middle;
      shortest = failed;
    }
  }
  return { message: shortest.message, stepsMax: high };
}

/** How a run fails; undefined when it does not. */
export async function failureOf(options: SimulationOptions): Promise<SimulationFailure | undefined> {
  try {
    await simulate(options);
    return undefined;
  } catch (error) {
    if (error instanceof SimulationFailure) return error;
    throw error;
  }
}
