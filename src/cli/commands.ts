import type { CommandEntry } from "./command.js";

/** Every command, in the order in which help lists them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "Run the agent in the foreground",
    load: async () => (await import("./run.js")).command,
  },
  {
    name: "check",
    summary: "Check config and profiles, and run the tests inside the profiles",
    load: async () => (await import("./check.js")).command,
  },
  {
    name: "replay",
    summary: "Run recorded payloads through a profile and print the summaries",
    load: async () => (await import("./replay.js")).command,
  },
  {
    name: "log",
    summary: "Print the summaries of a running or stopped agent",
    load: async () => (await import("./log.js")).command,
  },
  {
    name: "merge",
    summary: "Merge summaries of several gateways, or of short windows into long ones",
    load: async () => (await import("./merge.js")).command,
  },
  {
    name: "passwd",
    summary: "Make a line for a broker's users file from a password",
    load: async () => (await import("./passwd.js")).command,
  },
  {
    name: "demo",
    summary: "Watch the agent at work with simulated devices",
    load: async () => (await import("./demo.js")).command,
  },
];
