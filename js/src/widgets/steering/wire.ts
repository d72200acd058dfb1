/** What the panel asks and is told (its twins are src/saewidgets/widgets/steering/{asked,payload,results}.py). Nothing is computed here. */

import { SETTINGS as NAMES } from "../../../../src/saewidgets/widgets/constants.json";
import type { Named } from "../../feature/said";
import { floats } from "../../kernel/arrays";
import type { Json, NumericArray, Reply } from "../../kernel/types";
import type { Recipe, Unit } from "./recipe/recipe";

export interface Facts {
  has_chat: boolean;
  /** The dictionary that the index is of. */
  index_sae?: string | null;
  saes: { name: string; n: number; hook: string; kind: string; reconstructs: boolean; activation: string }[];
  context: number;
  thinking: boolean;
  presets: { key: string; name: string; formula: string }[];
  /** A page without a kernel: only what was recorded is answered. */
  offline?: boolean;
}

export const OFFLINE = "Not recorded in this page. Run it live to compute this.";

export interface Message {
  role: string;
  content: string;
}

/** What is continued, and how it is edited: what every question about a text begins with. */
export interface Asked {
  recipe: Recipe;
  /** A text, or the token ids of one, which only Python sets. */
  prompt: string | number[];
  chat: boolean;
  messages: Message[];
}

/** How text is sampled, in the order of constants.json. */
export type Setting = "seed" | "n_tokens" | "temperature" | "top_p" | "top_k" | "repetition_penalty" | "samples";
export const SETTINGS = NAMES as Setting[];
export type Settings = Record<Setting, number>;

/** A run as the history keeps it. */
export interface Remembered extends Asked {
  id: number;
  settings: Settings;
  baseline: string[];
  edited: string[];
  stopped: boolean;
  /** Of the weights that answered: it grows with every refresh. */
  revision?: number;
}

/** Params as JSON: interfaces lack the index signature that `Json` asks for. */
export function json(params: object): Json {
  return params as Json;
}

export interface Item extends Named {
  f: number;
  /** By magnitude. */
  max: number | null;
  signed?: number;
  a?: number;
}

export interface Scaled extends Named {
  f: number;
  max: number | null;
  max_from: string;
  norm: number;
  raw: number | null;
  in_max: number | null;
  in_resid: number | null;
}

export interface RowScale {
  ok: boolean;
  error: string | null;
  error_field: string | null;
  features: Scaled[];
  range: { min: number; max: number; step: number } | null;
  /** The median norm over the prompt behind the unit "resid", and what it is the norm of; null without a prompt. */
  median_norm?: number | null;
  norm_name?: string;
  /** What `max` of its features is called. */
  max_name?: string;
}

export interface Scales {
  rows: RowScale[];
  median_norm: Record<string, number>;
  text: string;
  warnings: string[];
  noop: boolean;
}

export interface PromptJson {
  ids: number[];
  str: string[];
  flags: number[];
  edited: number[];
}

/** Id, string, flags, log-probability, entropy of one token as it is written. */
export type StepToken = [number, string, number, number, number] | null;
export type Part = { prompt: PromptJson; notes: string[] } | { s: number; b: StepToken[]; e: StepToken[] };

export interface TextJson {
  ids: number[];
  str: string[];
  flags: number[];
  ended: boolean;
}

export interface GenerateJson {
  stopped: boolean;
  prompt: PromptJson;
  notes: string[];
  baseline: TextJson[];
  edited: TextJson[];
  diverge: (number | null)[];
  /** How long it took; a page does not say. */
  seconds?: number;
  amounts: string;
  provenance: Record<string, string>;
}

export interface EffectJson {
  str: string[];
  flags: number[];
  n_prompt: number;
  notes: string[];
  loss: { clean: number | null; edited: number | null; frozen: number | null };
  kl_mean: { edited: number | null; frozen: number | null };
  rows: (Named & { feature: number | null; sae: string | null; kind: string; note: string })[];
  side: (Named & { sae: string; f: number; clean: number; edited: number; change: number })[];
  side_note: string;
  lowered: string[][];
  raised: string[][];
}

/** What a sweep measures, in the order of `base`: of the texts, then (without sampling) of the prompt read again. */
export const MEASURES = ["target", "kl", "perplexity", "repetition", "promoted", "activation"] as const;
export type Measure = (typeof MEASURES)[number];

export interface SweepBand {
  low: number;
  high: number;
  direction: "raises" | "suppresses";
}

export interface SweepJson {
  strengths: number[];
  unit: Unit;
  row: number;
  /** What the numbers of each measure are. */
  titles: Record<Measure, string>;
  /** One text a strength and sample; samples have the same dice at every strength. */
  texts: string[][];
  baseline: string[];
  /** Texts a strength; and of how many of them there is a target, by strength. */
  n: number;
  pairs: number[];
  /** What the numbers of the texts, and those of the prompt, are means over, and what their intervals are. */
  about: [string, string];
  verdict: string;
  /** What the edit should do to the target at each strength: 1 raises, -1 suppresses, 0 nothing. */
  directions: number[];
  bands: SweepBand[];
  band_rule: string;
  controls: { kind: string; name: string }[];
  notes: string[];
}

export interface AnswerRow {
  name: string;
  kind: string;
  error: string | null;
  feature: number | null;
  rank: number;
  probability: number;
  logprob: number;
  logit: number;
  top: [string, number][];
}

export interface AnswerJson {
  answer: { ids: number[]; str: string[] };
  first_only: boolean;
  rows: AnswerRow[];
  notes: string[];
}

/** Row `i` of a matrix of floats with `width` columns. */
export function line(arrays: Record<string, NumericArray>, name: string, i: number, width: number): Float32Array {
  return floats(arrays, name).subarray(i * width, (i + 1) * width);
}

/** How many columns a matrix of `rows` rows has. */
export function widthOf(reply: Reply<unknown>, name: string, rows: number): number {
  return rows === 0 ? 0 : Math.floor(floats(reply.arrays, name).length / rows);
}
