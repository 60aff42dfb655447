/** The library face of Weir: what other programs may import. */
export { WeirError } from "./model/errors.js";
export type { Summary } from "./model/summary.js";
