import { onTestFinished } from "vitest";
import { Kernel } from "./kernel.js";

/** A kernel whose time goes by itself, some ten times as fast as real time, for tests that were written for real things. */
export function pumpedKernel(): Kernel {
  const kernel = new Kernel();
  let over = false;
  const pump = async () => {
    while (!over) {
      await kernel.run(kernel.nowMs + 20);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const pumping = pump();
  onTestFinished(async () => {
    over = true;
    await pumping;
  });
  return kernel;
}
