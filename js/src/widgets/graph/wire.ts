/** An attribution graph as the kernel sends it (its twin is src/saewidgets/widgets/graph/payload.py). Nothing is computed here. */

import { floats, ints } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";

/** What a node is, by its number. */
export const FEATURE = 0;
export const ERROR = 1;
export const TOKEN = 2;
export const LOGIT = 3;

export interface Scores {
  replacement: number | null;
  completeness: number | null;
  /** Why there is none of one or both. */
  why: string;
}

export interface GraphJson {
  slug: string;
  tokens: string[];
  /** "Emb", "L0", ..., "Lgt". */
  bands: string[];
  ids: string[];
  labels: string[];
  /** What a node is called that has no label. */
  says: string[];
  types: string[];
  scores: Scores;
  /** Why there is no influence to prune by; null where there is. */
  no_influence: string | null;
  notes: string[];
  provenance: [string, string][];
}

/** Numbers of nodes, by row, and of links. */
export interface Graph {
  json: GraphJson;
  n: number;
  rows: Map<string, number>;
  kind: NumericArray;
  position: NumericArray;
  band: NumericArray;
  /** Rows in the order in which they stand within a column and band. */
  order: Uint32Array;
  /** The first row of the same feature. */
  same: NumericArray;
  layer: NumericArray;
  /** The feature that others may open; -1: none. */
  opens: NumericArray;
  carded: NumericArray;
  cumulative: Float32Array;
  activation: Float32Array;
  probability: Float32Array;
  errorShare: Float32Array;
  source: Uint32Array;
  target: Uint32Array;
  weight: Float32Array;
  /** Weight by the sum of |weight| of all links into the target. */
  share: Float32Array;
  /** Links into each node, and out of it; the strongest first. */
  into: number[][];
  outOf: number[][];
}

export function graphOf({ r, arrays }: Reply<GraphJson>): Graph {
  const n = r.ids.length;
  const whole = (name: string): NumericArray => {
    const found = arrays[name];
    if (!found || found.length !== n) throw new TypeError(`The kernel's answer lacks ${name} of every node.`);
    return found;
  };
  const x = floats(arrays, "x");
  const source = ints(arrays, "source");
  const target = ints(arrays, "target");
  const weight = floats(arrays, "weight");
  const strongest = Array.from(weight.keys()).sort((a, b) => size(weight, b) - size(weight, a));
  const into: number[][] = Array.from({ length: n }, () => []);
  const outOf: number[][] = Array.from({ length: n }, () => []);
  for (const link of strongest) {
    into[target[link] ?? 0]?.push(link);
    outOf[source[link] ?? 0]?.push(link);
  }
  return {
    json: r,
    n,
    rows: new Map(r.ids.map((id, row) => [id, row])),
    kind: whole("kind"),
    position: whole("position"),
    band: whole("band"),
    order: Uint32Array.from(x.keys()).sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0)),
    same: whole("same"),
    layer: whole("layer"),
    opens: whole("opens"),
    carded: whole("carded"),
    cumulative: floats(arrays, "cumulative"),
    activation: floats(arrays, "activation"),
    probability: floats(arrays, "probability"),
    errorShare: floats(arrays, "error_share"),
    source,
    target,
    weight,
    share: floats(arrays, "share"),
    into,
    outOf,
  };
}

function size(weight: Float32Array, link: number): number {
  return Math.abs(weight[link] ?? 0);
}
