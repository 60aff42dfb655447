import { readFileSync } from "node:fs";

/** The pages for people who write profiles, and what in them can be tried. Paths are from the repository's folder. */
export const PAGES = [
  "src/engine/WINDOWS.md",
  "src/engine/TIME.md",
  "src/aggregate/AGGREGATES.md",
  "src/aggregate/EXACTNESS.md",
];

export function pageText(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** The window tables in a page, each line where it is there. */
export function tablesIn(page: string): string {
  let isInside = false;
  const lines = page.split("\n").map((line) => {
    const isFence = line.startsWith("```");
    if (isFence) isInside = line === "```table";
    return isInside && !isFence ? line : "";
  });
  // The first line is the page's heading.
  return ["day 2026-01-14", ...lines.slice(1)].join("\n");
}

/** Blocks of a language in a page. */
export function blocksIn(page: string, language: string): { readonly line: number; readonly text: string }[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map((match) => ({
    line: page.slice(0, match.index).split("\n").length + 1,
    text: match[1]!,
  }));
}

/** Targets of the links in a page, without those to other sites. */
export function linksIn(page: string): string[] {
  return [...page.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!).filter((to) => !to.includes("://"));
}
