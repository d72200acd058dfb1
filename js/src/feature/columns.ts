/** Whole columns of features, as an answer brings them along: the activation of each on every token. */

import { floats, ints } from "../kernel/arrays";
import type { NumericArray } from "../kernel/types";

export function columnsOf(arrays: Record<string, NumericArray>, n: number): Map<number, Float32Array> {
  const features = ints(arrays, "col_feat");
  const ptr = ints(arrays, "col_ptr");
  const tokens = ints(arrays, "col_tok");
  const values = floats(arrays, "col_act");
  const found = new Map<number, Float32Array>();
  features.forEach((feature, k) => {
    const column = new Float32Array(n);
    for (let i = ptr[k] ?? 0; i < (ptr[k + 1] ?? 0); i++) column[tokens[i] ?? 0] = values[i] ?? 0;
    found.set(feature, column);
  });
  return found;
}
