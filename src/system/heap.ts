import { setFlagsFromString } from "node:v8";

/**
 * How far the heap may grow beyond what is alive in it before it is collected. V8 waits for several times as much, for
 * which a gateway has no memory, and which looks like a leak. The price is a few per cent of the processor's time.
 */
const GROWTH_PERCENT = 20;

/** To be called once, as the process starts. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
