/** The kernel's answers as the view reads them (their twin is src/saewidgets/widgets/blindtest/{asked,payload}.py). Nothing is judged here. */

import { floats } from "../../kernel/arrays";
import type { Reply } from "../../kernel/types";

/** Of each text: it fires, it does not, or nobody said yet. */
export type Answer = boolean | null;

export interface Said {
  text: string;
  kind: "label" | "explanation" | "automatic";
  source: string;
}

export interface Earlier {
  at: string;
  score: number;
  n: number;
  kind: Said["kind"] | "nothing";
  description: string;
}

export interface ResultJson {
  answers: boolean[];
  fires: boolean[];
  largest: number[];
  scale: number;
  activation_name: string;
  score: number;
  chance: number;
  tpr: number;
  tnr: number;
  active: number;
  silent: number;
  true_positives: number;
  true_negatives: number;
  low: number;
  high: number;
  measure: string;
  kind: Earlier["kind"];
  description: string;
  source: string;
  note: string | null;
  earlier: Earlier[];
}

export interface TestJson {
  f: number;
  /** How many features there are. */
  features: number;
  seed: number;
  window: number;
  /** What can be shown of the feature; the first speaks for it. */
  said: Said[];
  /** Tokens of each text, and all of them one after another. */
  n: number[];
  str: string[];
  /** Why there are no texts. */
  why: string | null;
  notes: string[];
  result: ResultJson | null;
  provenance: [string, string][];
}

/** A text of the test; its activations are not there before everything is answered. */
export interface TextData {
  str: string[];
  act: Float32Array | null;
}

export interface Test {
  json: TestJson;
  texts: TextData[];
}

/** The texts of an answer; throws where arrays and strings are not of one length. */
export function testOf({ r, arrays }: Reply<TestJson>): Test {
  const act = r.result && floats(arrays, "act");
  const total = r.n.reduce((sum, n) => sum + n, 0);
  if (total !== r.str.length || (act && act.length !== total))
    throw new RangeError("The kernel's answer has tokens and activations of different numbers.");
  let from = 0;
  const texts = r.n.map((n) => {
    const to = from + n;
    const text = { str: r.str.slice(from, to), act: act?.subarray(from, to) ?? null };
    from = to;
    return text;
  });
  return { json: r, texts };
}
