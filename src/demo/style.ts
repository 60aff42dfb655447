/** Ways to set text apart; each leaves the width as it is. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  name(text: string): string;
}

const PLAIN: Style = {
  bold: (text) => text,
  dim: (text) => text,
  good: (text) => text,
  warn: (text) => text,
  name: (text) => text,
};

/** The terminal's own palette, so that it suits light and dark backgrounds. */
const COLOUR: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  good: sgr(32, 39),
  warn: sgr(33, 39),
  name: sgr(36, 39),
};

function sgr(on: number, off: number): (text: string) => string {
  return (text) => (text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`);
}

/** Colour only on a terminal, and not for who does not want it (https://no-color.org). */
export function chooseStyle(isTerminal: boolean, env: NodeJS.ProcessEnv): Style {
  const refused = (env.NO_COLOR ?? "") !== "" || env.TERM === "dumb";
  return isTerminal && !refused ? COLOUR : PLAIN;
}
