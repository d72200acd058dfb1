/** The kernel's answers as the panels read them (their twin is src/saewidgets/widgets/dashboard/{asked,payload}.py). Nothing is computed here. */

import { floats, ints } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";
import { uncounted } from "../../tokens/flags";

export interface TokenValue {
  t: string;
  id: number;
  v: number;
}

export interface Logits {
  label: string;
  low: number;
  high: number;
  mean: number;
  std: number;
  skew: number;
  kurtosis: number;
  top: TokenValue[];
  bottom: TokenValue[];
}

export interface TokenRow {
  t: string;
  id: number;
  count: number;
  mean: number;
  share: number;
}

export interface FeatureJson {
  f: number;
  label: string | null;
  can_label: boolean;
  order: { position: number | null; total: number; previous: number | null; next: number | null };
  activation_name: string;
  signed: boolean;
  counted: number;
  count: number;
  density: number;
  max: number | null;
  min: number | null;
  mean: number | null;
  complete: boolean;
  kept: number;
  histogram: { low: number; high: number } | null;
  logits: Logits | null;
  logits_missing: string | null;
  tokens: TokenRow[];
  alignment: { i: number; v: number; share: number }[];
  alignment_label: string;
  neurons: { i: number; r: number; cos: number }[];
  neurons_label: string;
  neurons_missing: string | null;
  correlated: { f: number; r: number; together: number | null; label: string | null }[];
  correlated_missing: string | null;
  neighbours: { f: number; cos: number; label: string | null }[];
  columns: { name: string; values: string[] }[];
  notes: string[];
  provenance: [string, string][];
}

export interface FeatureAnswer {
  json: FeatureJson;
  /** Active tokens per bin, and the sum of their activations; null for a feature that never fires (sums all 0: not known). */
  histogram: { low: number; high: number; counts: Uint32Array; sums: Float32Array } | null;
  logitCounts: Uint32Array | null;
}

export function featureAnswer({ r, arrays }: Reply<FeatureJson>): FeatureAnswer {
  return {
    json: r,
    histogram: r.histogram && {
      ...r.histogram,
      counts: ints(arrays, "hist_counts"),
      sums: floats(arrays, "hist_sums"),
    },
    logitCounts: r.logits && ints(arrays, "logit_counts"),
  };
}

export interface ExampleJson {
  id: number;
  a: number | null;
  start: number;
  n: number;
  b: number;
  doc: string;
  at: number;
  more: number;
  meta: [string, string][];
  cut: [boolean, boolean];
}

export interface GroupJson {
  key: string;
  title: string;
  detail: string;
  /** Whether an example's `more` counts all such snippets of the group; else there are at least so many. */
  exact: boolean;
  examples: ExampleJson[];
}

export interface ExamplesJson {
  f: number;
  groups: GroupJson[];
  str: string[];
  scale: number;
  note: string | null;
}

export interface TextJson {
  f: number;
  n: number;
  str: string[];
  notes: string[];
}

/** Tokens with the feature's activation on each, whichever question they answer. */
export interface TokenData {
  str: string[];
  act: Float32Array;
  flags: NumericArray;
}

export interface ExamplesAnswer extends TokenData {
  json: ExamplesJson;
  /** What was asked, so that effects are asked of the same windows. */
  view: string;
  window: number;
}

export interface TextAnswer extends TokenData {
  json: TextJson;
  text: string;
}

/** The tokens of an answer; throws where arrays and strings are not of one length. */
export function tokenData({ r, arrays }: Reply<{ str: string[] }>): TokenData {
  const act = floats(arrays, "act");
  const { flags } = arrays;
  if (!flags || flags.length !== act.length || r.str.length !== act.length)
    throw new RangeError("The kernel's answer has tokens, activations and flags of different numbers.");
  return { str: r.str, act, flags };
}

/** Whether a token's activation means nothing. */
export function excluded(data: TokenData, token: number): boolean {
  return uncounted(data.flags[token]);
}
