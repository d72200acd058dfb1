/** A kernel of the blind test that the tests play: texts of three words, of which the even ones hold "fires". */

import type { FromKernel, Json } from "../src/kernel/types";
import type { ResultJson, TestJson } from "../src/widgets/blindtest/wire";
import { type Sent, spec } from "./fake";

export const N_FEATURES = 100;
export const DEAD = 13;
export const N = 6;

export const STATE = {
  feature: 17,
  n: N,
  window: 8,
  seed: 0,
  description: 0,
  answers: [],
  live: true,
  theme: "light",
  error: null,
  revision: 0,
};

/** The draw whose test is finished already. */
const FINISHED = 2;

/** Whether the feature fires in a text. */
export const fires = (text: number) => text % 2 === 0;

export function testJson(f: number, seed: number, extra: Partial<TestJson> = {}): TestJson {
  const dead = f === DEAD;
  const texts = Array.from({ length: dead ? 0 : N }, (_, i) => [`text ${i}`, ` of ${f}`, ` and ${seed}`]);
  return {
    f,
    features: N_FEATURES,
    seed,
    window: 8,
    said: [
      { text: "the article", kind: "label", source: "" },
      { text: "words before nouns", kind: "explanation", source: "gpt" },
    ],
    n: texts.map((text) => text.length),
    str: texts.flat(),
    why: dead ? "Feature 13 never fires: choose another feature." : null,
    notes: [],
    result: null,
    provenance: [["model", "tiny"]],
    ...extra,
  };
}

export function resultJson(answers: boolean[], extra: Partial<ResultJson> = {}): ResultJson {
  const right = (wanted: boolean) => answers.filter((answer, i) => fires(i) === wanted && answer === wanted).length;
  const half = N / 2;
  return {
    answers,
    fires: answers.map((_, i) => fires(i)),
    largest: answers.map((_, i) => (fires(i) ? i + 1 : 0)),
    scale: 10,
    activation_name: "activation",
    score: (right(true) + right(false)) / N,
    chance: 0.5,
    tpr: right(true) / half,
    tnr: right(false) / half,
    active: half,
    silent: half,
    true_positives: right(true),
    true_negatives: right(false),
    low: 0.25,
    high: 0.75,
    measure: `blind test by a person, balanced accuracy, n=${N}`,
    kind: "label",
    description: "the article",
    source: "",
    note: null,
    earlier: [{ at: "2026-01-02T03:04:05", score: 0.25, n: 8, kind: "label", description: "an older name" }],
    ...extra,
  };
}

export function testAnswer(id: string, json: TestJson): FromKernel {
  const act = Float32Array.from(json.str, (_, token) => (token % 3 === 1 && fires(Math.floor(token / 3)) ? 5 : 0));
  const arrays = json.result ? [spec("act", "f32", act)] : [];
  return { t: "res", id, ok: true, r: json as unknown as Json, arrays };
}

/** A kernel that answers everything at once. */
export function answering(message: Sent): FromKernel | null {
  if (message.t !== "req" || !message.p) return null;
  const { id, ch, p } = message;
  const f = Number(p.f);
  if (f >= N_FEATURES) {
    const e = { type: "FeatureIndexError", message: `Feature ${f} is outside the index.`, traceback: "" };
    return { t: "res", id, ok: false, e };
  }
  if (ch === "test") {
    const result = p.seed === FINISHED ? resultJson(Array.from({ length: N }, () => true)) : null;
    return testAnswer(id, testJson(f, Number(p.seed), { result }));
  }
  if (ch === "check")
    return testAnswer(id, testJson(f, Number(p.seed), { result: resultJson(p.answers as boolean[]) }));
  return null;
}
