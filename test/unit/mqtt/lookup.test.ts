import { describe, expect, it } from "vitest";
import { lookup, oneAtATime } from "../../../src/mqtt/lookup.js";

type Answer = Parameters<Parameters<typeof oneAtATime>[0]>[2];

/** A name server of which a test decides when it answers. */
function nameServer() {
  const questions: { readonly name: string; readonly answer: Answer }[] = [];
  const ask = oneAtATime((name, _options, answer) => void questions.push({ name, answer }));
  return { questions, ask };
}

describe("looking up names", () => {
  it("does not pile up questions while no name server answers, and gives the answer to all who wait", () => {
    const { questions, ask } = nameServer();
    const answers: unknown[] = [];
    for (let attempt = 0; attempt < 100; attempt++) {
      ask("broker.test", { all: true }, (...answer) => answers.push(answer));
    }
    ask("other.test", { all: true }, (...answer) => answers.push(answer));
    expect(questions.map(({ name }) => name)).toEqual(["broker.test", "other.test"]);
    const addresses = [{ address: "192.0.2.1", family: 4 }];
    questions[0]!.answer(null, addresses);
    expect(answers).toEqual(Array(100).fill([null, addresses, undefined]));
  });

  it("asks again after an answer, which may have been an error", () => {
    const { questions, ask } = nameServer();
    const codes: (string | undefined)[] = [];
    const attempt = () => ask("broker.test", {}, (error) => codes.push(error?.code));
    attempt();
    questions[0]!.answer(Object.assign(new Error(), { code: "EAI_AGAIN" }), "");
    attempt();
    expect(questions.length).toBe(2);
    questions[1]!.answer(null, "192.0.2.1", 4);
    expect(codes).toEqual(["EAI_AGAIN", undefined]);
  });

  it("keeps questions apart that want different answers, and really looks names up", async () => {
    const { questions, ask } = nameServer();
    ask("broker.test", { family: 4 }, () => undefined);
    ask("broker.test", { family: 6 }, () => undefined);
    expect(questions.length).toBe(2);
    const found = await new Promise((resolve, reject) =>
      lookup("localhost", { all: true }, (error, address) => (error ? reject(error) : resolve(address))),
    );
    expect(found).toContainEqual({ address: "127.0.0.1", family: 4 });
  });
});
