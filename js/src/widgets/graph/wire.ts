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

/** Numbers of nodes, by row, as they are on the wire; NaN is what is not known. */
interface OfNodes {
  kind: NumericArray;
  position: NumericArray;
  band: NumericArray;
  x: Float32Array;
  /** The first row of the same feature. */
  same: NumericArray;
  layer: NumericArray;
  /** The feature that others may open; -1: none. */
  opens: NumericArray;
  carded: NumericArray;
  /** Whether nobody wrote what is said of it. */
  automatic: NumericArray;
  cumulative: Float32Array;
  activation: Float32Array;
  probability: Float32Array;
  error_share: Float32Array;
}

interface OfLinks {
  source: Uint32Array;
  target: Uint32Array;
  weight: Float32Array;
  /** Weight by the sum of |weight| of all links into the target. */
  share: Float32Array;
}

export interface Graph extends OfNodes, OfLinks {
  json: GraphJson;
  n: number;
  rows: Map<string, number>;
  /** Rows in the order in which they stand within a column and band. */
  order: Uint32Array;
  /** Links into each node, and out of it; the strongest first. */
  into: number[][];
  outOf: number[][];
}

const LINKS = ["source", "target", "weight", "share"];

export function graphOf({ r, arrays }: Reply<GraphJson>): Graph {
  const n = r.ids.length;
  const x = floats(arrays, "x");
  const source = ints(arrays, "source");
  const target = ints(arrays, "target");
  const weight = floats(arrays, "weight");
  for (const [name, { length }] of Object.entries(arrays))
    if (length !== (LINKS.includes(name) ? source.length : n))
      throw new RangeError(`${name} is not of every node or link.`);
  const strongest = Array.from(weight.keys()).sort((a, b) => size(weight, b) - size(weight, a));
  const into: number[][] = Array.from({ length: n }, () => []);
  const outOf: number[][] = Array.from({ length: n }, () => []);
  for (const link of strongest) {
    into[target[link] ?? 0]?.push(link);
    outOf[source[link] ?? 0]?.push(link);
  }
  return {
    ...(arrays as unknown as OfNodes & OfLinks),
    json: r,
    n,
    rows: new Map(r.ids.map((id, row) => [id, row])),
    order: Uint32Array.from(x.keys()).sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0)),
    into,
    outOf,
  };
}

function size(weight: Float32Array, link: number): number {
  return Math.abs(weight[link] ?? 0);
}
