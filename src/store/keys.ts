/**
 * The key spaces of the one LevelDB. Keys are text, so that `sort order = numeric order` needs fixed-width numbers.
 *
 * | prefix | key | value |
 * |---|---|---|
 * | `c` | target | cursor: position in the log |
 * | `d` | profile NUL device | device record |
 * | `g` | group | group record |
 * | `j` | sequence | journal block |
 * | `l` | position | summary |
 * | `m` | name | format version, mark of the state, definitions of profiles and groups, what these replace, log bookkeeping |
 * | `s` | profile NUL device NUL slice id | slice record |
 */
const NUMBER_DIGITS = 11; // 36^11 > 2^53

function number(value: number): string {
  return value.toString(36).padStart(NUMBER_DIGITS, "0");
}

export const KEYS = {
  journal: (sequence: number) => `j${number(sequence)}`,
  log: (position: number) => `l${number(position)}`,
  cursor: (target: string) => `c${target}`,
  meta: (name: string) => `m${name}`,
  device: (profile: string, device: string) => `d${profile}\0${device}`,
  group: (name: string) => `g${name}`,
  slice: (profile: string, device: string, id: number) => `s${profile}\0${device}\0${number(id)}`,
} as const;

/** Half-open range of a whole key space. */
export function keySpace(prefix: "c" | "d" | "g" | "j" | "l" | "m" | "s"): {
  readonly gte: string;
  readonly lt: string;
} {
  return { gte: prefix, lt: String.fromCharCode(prefix.charCodeAt(0) + 1) };
}

/** The number at the end of a journal, log or slice key. */
export function numberOf(key: string): number {
  return Number.parseInt(key.slice(-NUMBER_DIGITS), 36);
}
