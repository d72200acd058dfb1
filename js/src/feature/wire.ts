/** The kernel's answers of one feature as views read them (their twin is src/saewidgets/widgets/feature/). Nothing is computed here. */

import { floats, ints } from "../kernel/arrays";
import type { NumericArray, Reply } from "../kernel/types";
import { uncounted } from "../tokens/flags";
import type { Named, Said } from "./said";

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
  /** The count in words where it is estimated, as mean and share are then; null where they are exact. */
  about: string | null;
  mean: number;
  share: number;
}

/** How often and how strongly a feature fires. */
export interface Numbers {
  f: number;
  activation_name: string;
  signed: boolean;
  counted: number;
  /** Null where a file does not say it. */
  count: number | null;
  density: number | null;
  /** What the density is a share of, in words. */
  density_of: string;
  /** Why there are no activations; null where there are. */
  silent: string | null;
  max: number | null;
  min: number | null;
  mean: number | null;
  histogram: { low: number; high: number } | null;
  /** What to know of bars that are estimates; null where they are exact. */
  histogram_of: string | null;
}

/** Active tokens per bin, and the sum of their activations (all 0: not known). */
export interface HistogramData {
  low: number;
  high: number;
  counts: Uint32Array;
  sums: Float32Array;
  /** By how much each can be off, at most; empty where they are exact. */
  bound: Uint32Array;
  sumsBound: Float32Array;
}

export interface FeatureJson extends Numbers {
  label: string | null;
  /** What else is said of it, best first. */
  said: Said[];
  can_label: boolean;
  order: { position: number | null; total: number; previous: number | null; next: number | null };
  complete: boolean;
  kept: number;
  /** Whether all numbers and examples are those of another tool's file. */
  stated: boolean;
  logits: Logits | null;
  logits_missing: string | null;
  tokens: TokenRow[];
  /** What they were counted from, where they are estimated. */
  tokens_of: string | null;
  alignment: { i: number; v: number; share: number }[];
  alignment_label: string;
  neurons: { i: number; r: number; cos: number }[];
  neurons_label: string;
  neurons_missing: string | null;
  correlated: (Named & { f: number; r: number; together: number | null })[];
  correlated_label: string;
  /** The part of the corpus that these are of; null: all of it. */
  correlated_of: string | null;
  correlated_missing: string | null;
  neighbours: (Named & { f: number; cos: number })[];
  columns: { name: string; values: string[] }[];
  notes: string[];
  provenance: [string, string][];
}

export interface FeatureAnswer {
  json: FeatureJson;
  /** Null for a feature that never fires. */
  histogram: HistogramData | null;
  logitCounts: Uint32Array | null;
}

export function featureAnswer(reply: Reply<FeatureJson>): FeatureAnswer {
  const { r, arrays } = reply;
  return { json: r, histogram: histogramOf(reply), logitCounts: r.logits && ints(arrays, "logit_counts") };
}

export function histogramOf({ r, arrays }: Reply<Numbers>): HistogramData | null {
  return (
    r.histogram && {
      ...r.histogram,
      counts: ints(arrays, "hist_counts"),
      sums: floats(arrays, "hist_sums"),
      bound: ints(arrays, "hist_bound"),
      sumsBound: floats(arrays, "hist_sums_bound"),
    }
  );
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
