/** What the kernel tells of an attribution (its twin is src/saewidgets/widgets/attribution/payload.py). */

import type { Named } from "../../feature/said";
import { floats } from "../../kernel/arrays";
import type { Json, Reply } from "../../kernel/types";

export interface AttributionJson {
  key: string;
  n: number;
  texts: [number, number][];
  str: string[];
  metric: string;
  said: string[];
  values: number[];
  /** Over the texts; no spread of one. */
  mean: number;
  std: number | null;
  held: string[];
  linearised: string[];
  steps: number;
  sae: string;
  saes: { name: string; error_share: number | null; n: number }[];
  error_share: number | null;
  /** Dictionaries whose features can be a cause of this one's: the nearest first. */
  earlier: string[];
  notes: string[];
  provenance: [string, string][];
}

/** What is attributed, and how: the traits of those names. */
export interface Question extends Record<string, Json> {
  prompt: Json;
  sae: Json;
  path: Json;
}

/** The texts, and what each token is worth. */
export interface Found {
  /** What was asked for it: whatever else is asked of it is of this question, also when the next is on its way. */
  question: Question;
  json: AttributionJson;
  flags: ArrayLike<number>;
  str: string[];
  /** The features' sum, the error, the bias, the embedding: by token. */
  features: Float32Array;
  error: Float32Array;
  bias: Float32Array;
  embedding: Float32Array;
}

export function foundOf({ r, arrays }: Reply<AttributionJson>, question: Question): Found {
  return {
    question,
    json: r,
    str: r.str,
    flags: arrays.flags ?? [],
    features: floats(arrays, "features"),
    error: floats(arrays, "error"),
    bias: floats(arrays, "bias"),
    embedding: floats(arrays, "embedding"),
  };
}

export interface RankRow extends Named {
  f: number;
  value: number;
  act: number;
  positions: number;
  at: number;
  text: number;
  position: number;
  std: number | null;
  texts: number;
  effect: number | null;
  density: number | null;
}

/** What the features of a dictionary are worth, over the tokens of the ranking. */
export interface LayerJson {
  name: string;
  positive: number;
  negative: number;
  n: number;
  error_share: number | null;
}

export interface RankJson {
  key: string;
  rows: RankRow[];
  total: number;
  positive: number;
  negative: number;
  layers: LayerJson[];
  n_tokens: number;
  basis: "all" | "selected";
}

export interface ColourJson extends Named {
  key: string;
  f: number;
}

/** A next token: its probability, and another (null where there is none). */
export interface Next {
  id: number;
  str: string;
  before: number;
  after: number | null;
  /** Whether its string means this token, so that it can be a target. */
  typed: boolean;
}

export interface PredictionsJson {
  /** Whose reconstruction stands in the model's place. */
  sae: string;
  texts: { prompt: string; next: Next[] }[];
}

export interface CheckRow extends Named {
  f: number;
  top: boolean;
  act: number;
  value: number;
  effect: number;
}

export interface CheckJson {
  key: string;
  rows: CheckRow[];
  total: number;
  correlations: { measure: string; among: string; n: number; pearson: number | null; spearman: number | null }[];
}

export interface WithoutJson {
  key: string;
  removed: number[];
  /** Those of them that were not active. */
  silent: number[];
  /** `at`: the token of the text after which the next ones come. */
  texts: { at: number; before: number; after: number; next: Next[] }[];
}

/** A feature that is explained in place of the prediction. */
export interface Step {
  sae: string;
  feature: number;
  text: number;
  position: number;
  [key: string]: string | number;
}

/** Where a token stands: its text, and its position in it. */
export function placeOf(json: AttributionJson, token: number): { text: number; position: number } {
  const text = json.texts.findIndex(([start, end]) => token >= start && token < end);
  return { text, position: token - (json.texts[text]?.[0] ?? 0) };
}
