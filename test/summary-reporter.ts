import { writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/**
 * Closes a run with what a reader of a log needs: every skipped test by name and, where it gave one, its reason, and
 * one line with the numbers. `WEIR_TEST_RESULT` names a file that gets the numbers instead of the last line, for
 * scripts/test, which adds its own.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    const broken = modules.filter(
      (module) => module.state() === "failed" && failedTests(module) === 0,
    ).length;
    const skipped = tests.filter((test) => test.result().state === "skipped");
    if (skipped.length > 0) {
      console.log(`\nSkipped:\n${skipped.map((test) => `  ${describeSkipped(test)}`).join("\n")}`);
    }
    const failed = count("failed") + broken + errors.length;
    const file = process.env.WEIR_TEST_RESULT;
    if (file !== undefined) writeFileSync(file, `${count("passed")} ${failed} ${skipped.length}\n`);
    else console.log(`\n${count("passed")} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}

/** A file that could not even be loaded has no failed test to be counted. */
function failedTests(module: TestModule): number {
  return [...module.children.allTests("failed")].length;
}

function describeSkipped(test: TestCase): string {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  const name = `${test.module.relativeModuleId}: ${test.fullName}`;
  return note === undefined ? name : `${name} (${note})`;
}
