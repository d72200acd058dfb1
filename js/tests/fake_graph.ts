/**
 * A kernel with a small attribution graph: tokens "a" and " <b>", a feature 5 of layer 0 at both, feature 9 of layer 1 at the second,
 * its layer's error, and a logit.
 */

import type { FromKernel, Json } from "../src/kernel/types";
import type { GraphJson, Scores } from "../src/widgets/graph/wire";
import { cardAnswer, type Sent, spec } from "./fake";

export const STATE = {
  selected: null,
  pinned: [],
  groups: {},
  labels: {},
  history: [],
  threshold: 1,
  feature: null,
  layer: null,
  editable: true,
  theme: "light",
  error: null,
  revision: 0,
};

export const IDS = ["E_1_0", "E_2_1", "0_5_0", "0_5_1", "1_9_1", "1_-1_1", "3_7_1"];
/** Rows, weights. */
const LINKS: [number, number, number][] = [
  [0, 2, 1],
  [1, 3, 2],
  [2, 4, -3],
  [3, 4, 1],
  [4, 6, 4],
  [5, 6, -1],
];
const SHARES = [1, 1, -0.75, 0.25, 0.8, -0.2];

export const SCORES: Scores = { replacement: 0.9, completeness: 0.8, why: "" };

export const graphJson = (extra: Partial<GraphJson> = {}): GraphJson => ({
  slug: "a-graph",
  tokens: ["a", " <b>"],
  bands: ["Emb", "L0", "L1", "Lgt"],
  ids: IDS,
  labels: ["", "", "five", "five", "", "", 'Output " x" (p=0.9)'],
  says: ["a", " <b>", "feature 5 of layer 0", "feature 5 of layer 0", "<img src=x>", "error of layer 1", " x"],
  types: ["embedding", "embedding", ...Array(3).fill("cross layer transcoder"), "mlp reconstruction error", "logit"],
  scores: SCORES,
  no_influence: null,
  notes: [],
  provenance: [["graph", "a-graph"]],
  ...extra,
});

/** The graph, with other numbers of nodes by name. */
export function graphAnswer(id: string, json: GraphJson, others: Record<string, number[]> = {}): FromKernel {
  const of = (name: string, values: number[]) => Float32Array.from(others[name] ?? values);
  const nan = Number.NaN;
  const whole = (name: string, dtype: "u8" | "u32" | "i32", values: number[]) => {
    const kinds = { u8: Uint8Array, u32: Uint32Array, i32: Int32Array };
    return spec(name, dtype, kinds[dtype].from(others[name] ?? values));
  };
  return {
    t: "res",
    id,
    ok: true,
    r: json as unknown as Json,
    arrays: [
      whole("kind", "u8", [2, 2, 0, 0, 0, 1, 3]),
      whole("position", "i32", [0, 1, 0, 1, 1, 1, 1]),
      whole("band", "u32", [0, 0, 1, 1, 2, 2, 3]),
      spec("x", "f32", of("x", [0.5, 2, 0.5, 2, 1.5, 2.5, 2])),
      whole("same", "u32", [0, 1, 2, 2, 4, 5, 6]),
      whole("layer", "i32", [-1, -1, 0, 0, 1, 1, 3]),
      whole("opens", "i32", [-1, -1, 5, 5, 9, -1, -1]),
      whole("carded", "u8", [0, 0, 1, 1, 0, 0, 0]),
      whole("automatic", "u8", [0, 0, 0, 0, 1, 0, 0]),
      spec("cumulative", "f32", of("cumulative", [0.9, 0.95, 0.5, 0.7, 0.2, 0.8, nan])),
      spec("activation", "f32", of("activation", [nan, nan, 3, 2, 1, nan, nan])),
      spec("probability", "f32", of("probability", [nan, nan, nan, nan, nan, nan, 0.9])),
      spec("error_share", "f32", of("error_share", [0, 0, 0, 0, 0, 0, 0.2])),
      whole(
        "source",
        "u32",
        LINKS.map(([a]) => a),
      ),
      whole(
        "target",
        "u32",
        LINKS.map(([, b]) => b),
      ),
      spec("weight", "f32", Float32Array.from(LINKS.map(([, , w]) => w))),
      spec("share", "f32", Float32Array.from(SHARES)),
    ],
  };
}

export const kernelOf =
  (json: GraphJson, others: Record<string, number[]> = {}) =>
  (message: Sent): FromKernel | null => {
    if (message.t !== "req") return null;
    const { id, p } = message;
    if (message.ch === "card") return cardAnswer(id, Number(p?.f));
    if (message.ch === "scores")
      return { t: "res", id, ok: true, r: { ...SCORES, replacement: 0.5 } as unknown as Json, arrays: [] };
    return graphAnswer(id, json, others);
  };

export const answering = kernelOf(graphJson());
