import type { FieldValue } from "../model/reading.js";

/**
 * A hash of a value by its content, the same on every machine and for ever: the upper 53 bits, as many as a double holds,
 * of a 64-bit hash. Numbers by the bits of the double (-0 as 0), texts by their UTF-16 units, first their number, then
 * four at a time. Each step is the finaliser of SplitMix64, in halves of 32 bits.
 *
 * Source: G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, with the
 * constants of D. Stafford's mix 13.
 */
export function hash53(value: FieldValue): number {
  if (typeof value === "number") {
    bits.setFloat64(0, value + 0);
    mix(bits.getUint32(0), bits.getUint32(4));
  } else hashText(value);
  return state[HIGH]! * 0x200000 + (state[LOW]! >>> 11);
}

const bits = new DataView(new ArrayBuffer(8));

/** What comes out of a step; here, so that nothing has to be allocated. */
const state = new Uint32Array(2);
const HIGH = 0;
const LOW = 1;

function hashText(text: string): void {
  const unit = (i: number) => (i < text.length ? text.charCodeAt(i) : 0);
  mix(0, text.length);
  for (let i = 0; i < text.length; i += 4) {
    const high = (unit(i) << 16) | unit(i + 1);
    const low = (unit(i + 2) << 16) | unit(i + 3);
    mix(state[HIGH]! ^ high, state[LOW]! ^ low);
  }
}

function mix(givenHigh: number, givenLow: number): void {
  const sum = (givenLow >>> 0) + 0x7f4a7c15;
  let low = sum >>> 0;
  let high = ((givenHigh >>> 0) + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) >>> 0;
  low = (low ^ ((high << 2) | (low >>> 30))) >>> 0;
  high ^= high >>> 30;
  multiply(high, low, 0xbf58476d, 0x1ce4e5b9);
  high = state[HIGH]!;
  low = state[LOW]!;
  low = (low ^ ((high << 5) | (low >>> 27))) >>> 0;
  high ^= high >>> 27;
  multiply(high, low, 0x94d049bb, 0x133111eb);
  high = state[HIGH]!;
  low = state[LOW]!;
  state[LOW] = low ^ ((high << 1) | (low >>> 31));
  state[HIGH] = high ^ (high >>> 31);
}

/** The lower 64 bits of the product. */
function multiply(high: number, low: number, byHigh: number, byLow: number): void {
  const a = low & 0xffff;
  const b = low >>> 16;
  const c = byLow & 0xffff;
  const d = byLow >>> 16;
  const ac = a * c;
  const bc = b * c + (ac >>> 16);
  const ad = a * d + (bc & 0xffff);
  const carry = b * d + (bc >>> 16) + (ad >>> 16);
  state[HIGH] = carry + Math.imul(high, byLow) + Math.imul(low, byHigh);
  state[LOW] = (ad << 16) | (ac & 0xffff);
}
