/**
 * Units by their SenML names: RFC 8428 and the IANA registry it opened, the secondary units of RFC 8798, and a few
 * that displays and older devices need. Every unit knows its dimension's base unit and the way there as a fraction,
 * so that a conversion by a factor such as 1/100 divides and gives 1019.6784, not 1019.6784000000001.
 */

export interface Unit {
  readonly name: string;
  readonly description: string;
  /** Name of the unit that values of this dimension are converted through. */
  readonly base: string;
  /** value in `base` = (value - zero) · numerator / denominator */
  readonly numerator: number;
  readonly denominator: number;
  readonly zero: number;
}

/** `to = from · scale + offset` */
export interface Conversion {
  readonly scale: number;
  readonly offset: number;
}

/** RFC 8428 section 12.1 and the primary units that RFC 8798 and later registrations added; each its own base. */
const PRIMARY = `
m metre|kg kilogram|s second|A ampere|K kelvin|cd candela|mol mole|Hz hertz|rad radian|sr steradian|N newton
Pa pascal|J joule|W watt|C coulomb|V volt|F farad|Ohm ohm|S siemens|Wb weber|T tesla|H henry
Cel degree Celsius|lm lumen|lx lux|Bq becquerel|Gy gray|Sv sievert|kat katal|m2 square metre|m3 cubic metre
m/s metre per second|m/s2 metre per square second|m3/s cubic metre per second|W/m2 watt per square metre
cd/m2 candela per square metre|bit bit|bit/s bit per second|lat degrees latitude|lon degrees longitude
pH pH value|dB decibel|dBW decibel relative to 1 W|Bspl bel (sound pressure level)|count 1 (counter value)
/ 1 (ratio)|%RH percentage relative humidity|%EL percentage remaining battery energy|EL seconds of battery left
1/s 1 per second (event rate)|beat/min heart rate in beats per minute|beats 1 (cumulative heart beats)
S/m siemens per metre|B byte|VA volt-ampere|VAs volt-ampere second|var volt-ampere reactive
vars volt-ampere-reactive second|J/m joule per metre|kg/m3 kilogram per cubic metre|NTU turbidity unit`;

/** Units that are a linear function of a base: `name base numerator denominator description`. */
const DERIVED = `
g kg 1 1000 gram|l m3 1 1000 litre|l/s m3/s 1 1000 litre per second|% / 1 100 percent|1/min 1/s 1 60 1 per minute
ms s 1 1000 millisecond|min s 60 1 minute|h s 3600 1 hour|MHz Hz 1000000 1 megahertz|kW W 1000 1 kilowatt
kVA VA 1000 1 kilovolt-ampere|kvar var 1000 1 kilovar|Ah C 3600 1 ampere-hour|Wh J 3600 1 watt-hour
kWh J 3600000 1 kilowatt-hour|varh vars 3600 1 var-hour|kvarh vars 3600000 1 kilovar-hour
VAh VAs 3600 1 volt-ampere-hour|kVAh VAs 3600000 1 kilovolt-ampere-hour|Wh/km J/m 36 10 watt-hour per kilometre
KiB B 1024 1 kibibyte|GB B 1000000000 1 gigabyte|Mbit/s bit/s 1000000 1 megabit per second
B/s bit/s 8 1 byte per second|MB/s bit/s 8000000 1 megabyte per second|mV V 1 1000 millivolt|mA A 1 1000 milliampere
ug/m3 kg/m3 1 1000000000 microgram per cubic metre|mm/h m/s 1 3600000 millimetre per hour|m/h m/s 1 3600 metre per hour
ppm / 1 1000000 parts per million|ppb / 1 1000000000 parts per billion|ppt / 1 1000000000000 parts per trillion
/100 / 1 100 percent|/1000 / 1 1000 per mille|hPa Pa 100 1 hectopascal|mm m 1 1000 millimetre|cm m 1 100 centimetre
km m 1000 1 kilometre|km/h m/s 10 36 kilometre per hour|mg/l kg/m3 1 1000 milligram per litre
ug/l kg/m3 1 1000000 microgram per litre|g/l kg/m3 1 1 gram per litre
d s 86400 1 day|us s 1 1000000 microsecond|kHz Hz 1000 1 kilohertz|GHz Hz 1000000000 1 gigahertz
uA A 1 1000000 microampere|mW W 1 1000 milliwatt|MW W 1000000 1 megawatt|kV V 1000 1 kilovolt
MWh J 3600000000 1 megawatt-hour|mAh C 36 10 milliampere-hour|kOhm Ohm 1000 1 kiloohm
kPa Pa 1000 1 kilopascal|MPa Pa 1000000 1 megapascal|mbar Pa 100 1 millibar|bar Pa 100000 1 bar
psi Pa 6894.757293168 1 pound per square inch|mmHg Pa 133.322387415 1 millimetre of mercury
inHg Pa 3386.389 1 inch of mercury|in m 254 10000 inch|ft m 3048 10000 foot|mi m 1609344 1000 mile
mph m/s 44704 100000 mile per hour|kn m/s 1852 3600 knot|cm3 m3 1 1000000 cubic centimetre|ml m3 1 1000000 millilitre
m3/h m3/s 1 3600 cubic metre per hour|l/min m3/s 1 60000 litre per minute|l/h m3/s 1 3600000 litre per hour
mg kg 1 1000000 milligram|ug kg 1 1000000000 microgram|t kg 1000 1 tonne|lb kg 45359237 100000000 pound
mg/m3 kg/m3 1 1000000 milligram per cubic metre|uS/cm S/m 1 10000 microsiemens per centimetre
mS/cm S/m 1 10 millisiemens per centimetre|kB B 1000 1 kilobyte|MB B 1000000 1 megabyte|MiB B 1048576 1 mebibyte
kbit/s bit/s 1000 1 kilobit per second|uSv/h Sv/s 1 3600000000 microsievert per hour|Sv/s Sv/s 1 1 sievert per second
rpm 1/s 1 60 revolutions per minute`;

const TABLE: ReadonlyMap<string, Unit> = new Map(
  [...primaryUnits(), ...derivedUnits(), ...shiftedUnits()].map((unit) => [unit.name, unit]),
);

/** Every known unit name, for messages and reference documentation. */
export function unitNames(): readonly string[] {
  return [...TABLE.keys()];
}

export function findUnit(name: string): Unit | undefined {
  return TABLE.get(name);
}

/** The names of the units of the same dimension, itself among them. */
export function unitsLike(name: string): readonly string[] {
  const base = TABLE.get(name)?.base;
  return [...TABLE.values()].filter((unit) => unit.base === base).map((unit) => unit.name);
}

/** @returns the linear function from one unit to the other; undefined when unknown or of another dimension */
export function convert(from: string, to: string): Conversion | undefined {
  const way = fraction(from, to);
  if (way === undefined) return undefined;
  const scale = way.numerator / way.denominator;
  return { scale, offset: way.toZero - way.fromZero * scale };
}

/** The same as a function that rounds as little as it can. */
export function converter(from: string, to: string): ((value: number) => number) | undefined {
  const way = fraction(from, to);
  if (way === undefined) return undefined;
  const { numerator, denominator, fromZero, toZero } = way;
  if (fromZero === 0 && toZero === 0) {
    if (denominator === 1) return (value) => value * numerator;
    if (numerator === 1) return (value) => value / denominator;
    return (value) => (value * numerator) / denominator;
  }
  return (value) => ((value - fromZero) * numerator) / denominator + toZero;
}

interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
  readonly fromZero: number;
  readonly toZero: number;
}

function fraction(from: string, to: string): Fraction | undefined {
  const source = TABLE.get(from);
  const target = TABLE.get(to);
  if (source === undefined || target === undefined || source.base !== target.base) return undefined;
  const numerator = source.numerator * target.denominator;
  const denominator = source.denominator * target.numerator;
  const divisor = commonDivisor(numerator, denominator);
  return {
    numerator: numerator / divisor,
    denominator: denominator / divisor,
    fromZero: source.zero,
    toZero: target.zero,
  };
}

function commonDivisor(a: number, b: number): number {
  if (!Number.isInteger(a) || !Number.isInteger(b)) return a === b ? a : 1;
  return b === 0 ? a : commonDivisor(b, a % b);
}

function* entries(table: string): Generator<string> {
  for (const line of table.trim().split("\n")) yield* line.split("|");
}

function* primaryUnits(): Generator<Unit> {
  for (const entry of entries(PRIMARY)) {
    const name = entry.slice(0, entry.indexOf(" "));
    const description = entry.slice(name.length + 1);
    yield { name, description, base: name, numerator: 1, denominator: 1, zero: 0 };
  }
}

function* derivedUnits(): Generator<Unit> {
  for (const entry of entries(DERIVED)) {
    const [name, base, numerator, denominator, ...words] = entry.split(" ");
    yield {
      name: name!,
      description: words.join(" "),
      base: base!,
      numerator: Number(numerator),
      denominator: Number(denominator),
      zero: 0,
    };
  }
}

/** Units whose zero is elsewhere, and the one whose factor is no fraction. They replace a primary entry. */
function shiftedUnits(): readonly Unit[] {
  return [
    { name: "K", description: "kelvin", base: "Cel", numerator: 1, denominator: 1, zero: 273.15 },
    { name: "degF", description: "degree Fahrenheit", base: "Cel", numerator: 5, denominator: 9, zero: 32 },
    { name: "dBm", description: "decibel milliwatt", base: "dBW", numerator: 1, denominator: 1, zero: 30 },
    {
      name: "deg",
      description: "degree (angle)",
      base: "rad",
      numerator: Math.PI,
      denominator: 180,
      zero: 0,
    },
  ];
}
