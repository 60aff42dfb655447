/** Loaded before a program that is measured from its first to its last instruction; speaks on the last line. */
process.once("exit", () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const figures = { cpuMs: (userCPUTime + systemCPUTime) / 1_000, residentPeakBytes: maxRSS * 1_024 };
  process.stderr.write(`figures ${JSON.stringify(figures)}\n`);
});
