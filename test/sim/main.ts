/**
 * `scripts/sim`: simulations by seed, on all cores. A failure is cut down to a short beginning and told with the
 * command that repeats it.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { CANARIES } from "./canaries.js";
import { Tally } from "./report.js";
import { failureOf, shrink } from "./shrink.js";
import { type Outcome, SimulationFailure, type SimulationOptions, simulate } from "./simulation.js";

const USAGE = `Usage: scripts/sim [--seed N | --seeds A..B] [--hours H] [--steps N] [--jobs N] [--canary NAME]

  --seed N       one simulation, with what was told by the agent
  --seeds A..B   many of them; default 1..100
  --hours H      simulated time in which devices send and things go wrong; default 4
  --steps N      everything heals after so many steps
  --jobs N       processes at the same time; default: one per core
  --canary NAME  with a fault planted: ${Object.keys(CANARIES).join("; ")}
`;

const FAILURES_MAX = 5;

interface Task {
  readonly from: number;
  readonly to: number;
  readonly every: number;
  readonly options: Omit<SimulationOptions, "seed">;
}

type News = { readonly outcome: Outcome } | { readonly failure: string };

async function work(task: Task, tell: (news: News) => void): Promise<void> {
  for (let seed = task.from; seed <= task.to; seed += task.every) {
    const options = { ...task.options, seed };
    try {
      tell({ outcome: await simulate(options) });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      tell({ failure: await told(error, options) });
    }
  }
}

async function told(failure: SimulationFailure, options: SimulationOptions): Promise<string> {
  const again = await failureOf(options);
  if (again?.message !== failure.message) {
    return `seed ${options.seed} failed once with: ${failure.message}\nand then with: ${again?.message ?? "nothing"}`;
  }
  const shortest = await shrink(failure, options);
  const hours = options.horizonMs / 3_600_000;
  const planted = options.canary === undefined ? "" : ` --canary "${options.canary}"`;
  return [
    failure.message,
    `shortest beginning found: ${shortest.message}`,
    `repeat it: scripts/sim --seed ${options.seed} --hours ${hours} --steps ${shortest.stepsMax}${planted}`,
  ].join("\n");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1..100" },
      hours: { type: "string", default: "4" },
      steps: { type: "string" },
      jobs: { type: "string", default: String(availableParallelism()) },
      canary: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [from, to] = (values.seed === undefined ? values.seeds.split("..") : [values.seed, values.seed]).map(
    Number,
  );
  const horizonMs = Number(values.hours) * 3_600_000;
  const jobs = values.seed === undefined ? Number(values.jobs) : 1;
  const unknown = values.canary !== undefined && CANARIES[values.canary] === undefined;
  if (values.help === true || unknown || !(from! <= to!) || !(horizonMs > 0) || !(jobs >= 1)) {
    process.stdout.write(USAGE);
    return values.help === true ? 0 : 2;
  }
  const options = {
    horizonMs,
    ...(values.steps === undefined ? {} : { stepsMax: Number(values.steps) }),
    ...(values.canary === undefined ? {} : { canary: values.canary }),
  };
  const tally = new Tally();
  const failures: string[] = [];
  const tell = (news: News) => {
    if ("outcome" in news) tally.add(news.outcome);
    else failures.push(news.failure);
    if ("failure" in news) process.stderr.write(`${news.failure}\n\n`);
    if (values.seed !== undefined && "outcome" in news) {
      process.stdout.write(`${JSON.stringify(news.outcome, null, 2)}\n`);
    }
  };
  const tasks = Array.from({ length: jobs }, (_, i): Task => {
    return { from: from! + i, to: to!, every: jobs, options };
  });
  await Promise.all(tasks.map((task) => (jobs === 1 ? work(task, tell) : inChild(task, tell, failures))));
  process.stdout.write(`simulator: ${tally.line()}, ${failures.length} failed\n`);
  return failures.length === 0 ? 0 : 1;
}

async function inChild(task: Task, tell: (news: News) => void, failures: readonly string[]): Promise<void> {
  const child = fork(import.meta.filename, ["--worker"]);
  child.send(task);
  child.on("message", (news) => {
    tell(news as News);
    if (failures.length >= FAILURES_MAX) child.kill();
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0 && failures.length === 0) throw new Error(`a simulating process ended with ${code}`);
}

if (process.argv[2] === "--worker") {
  process.once("message", (task) => {
    work(task as Task, (news) => process.send!(news)).then(
      () => process.disconnect(),
      (error: unknown) => {
        console.error(error);
        process.exitCode = 1;
        process.disconnect();
      },
    );
  });
} else process.exitCode = await main();
