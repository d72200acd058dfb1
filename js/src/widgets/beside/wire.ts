/** The kernel's answers of two features as the views read them (their twin is src/saewidgets/widgets/beside/payload.py). */

import type { CardJson } from "../../feature/card";
import type { Named } from "../../feature/said";
import { floats, ints } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";
import type { TokenStrings } from "../../tokens/tokentext";

export type Which = "A" | "B";
/** The hue of each side, as in the theme's palette: blue and orange. */
export const HUE: Record<Which, number> = { A: 1, B: 0 };

export interface SideJson extends Named {
  f: number;
  name: string;
  sae: string;
  n_features: number;
  /** Null without an index. */
  card: Omit<CardJson, "label" | "said"> | null;
  missing: string;
  provenance: [string, string][];
}

export interface PairJson {
  a: number;
  b: number;
  cosine: number | null;
  missing: string;
  note: string;
}

/** How two features go together on tokens; a correlation is null where it is not defined. */
export interface Together {
  tokens: number;
  both: number;
  only_a: number;
  only_b: number;
  neither: number;
  jaccard: number | null;
  pearson: number | null;
  pearson_either: number | null;
  pearson_both: number | null;
  cosine: number | null;
}

interface Part {
  a: number;
  b: number;
  /** Why this part cannot be; "" if it is there. */
  missing: string;
  together: Together | null;
  /** The largest |activation| of each side: what colours go up to. */
  scale: [number, number];
  notes: string[];
}

export interface TextJson extends Part {
  n: number;
  str: string[];
  names: [string, string];
}

export interface RowJson {
  position: number;
  doc: string;
  at: number;
  start: number;
  n: number;
  focus: number;
  /** Null on a token that not both sides count. */
  a: number | null;
  b: number | null;
  more: number;
  cut: [boolean, boolean];
}

export type Kind = "both" | "only_a" | "only_b";
/** In the order of their numbers on the wire. */
export const KINDS: readonly Kind[] = ["both", "only_a", "only_b"];
export const SAYS: Record<Kind, string> = { both: "Both fire", only_a: "Only A fires", only_b: "Only B fires" };

export interface CorpusJson extends Part {
  /** Whether it is the whole corpus; else a biased sample, and a note says of what. */
  all: boolean;
  left_out: number;
  /** What sample of the points is drawn; "" if they all are. */
  drawn: string;
  lists: { kind: Kind; rows: RowJson[] }[];
  str: string[];
}

export interface ContextJson {
  row: RowJson;
  str: string[];
}

/** Tokens with the activations of both sides; NaN where a number means nothing. */
export interface PairedTokens extends TokenStrings {
  values: Record<Which, Float32Array>;
  scale: [number, number];
}

export interface TextData extends PairedTokens {
  json: TextJson;
  same: NumericArray;
}

export function textData({ r, arrays }: Reply<TextJson>): TextData {
  const { flags, same } = arrays;
  if (flags?.length !== r.n || same?.length !== r.n || r.str.length !== r.n)
    throw new RangeError("The kernel's answer has tokens and flags of different numbers.");
  const values = { A: floats(arrays, "act_a"), B: floats(arrays, "act_b") };
  return { json: r, str: r.str, flags, same, values, scale: r.scale };
}

export interface Points {
  at: Uint32Array;
  x: Float32Array;
  y: Float32Array;
  kind: NumericArray;
}

export interface CorpusData {
  json: CorpusJson;
  /** x is A's activation and y is B's. */
  points: Points;
  windows: PairedTokens;
}

export function corpusData(reply: Reply<CorpusJson>): CorpusData {
  const { r, arrays } = reply;
  const { kind } = arrays;
  if (!kind) throw new TypeError("The kernel's answer lacks kind.");
  const points = { at: ints(arrays, "at"), x: floats(arrays, "x"), y: floats(arrays, "y"), kind };
  return { json: r, points, windows: windowTokens(reply, r.scale) };
}

/** The tokens of windows, one after another. */
export function windowTokens({ r, arrays }: Reply<{ str: string[] }>, scale: [number, number]): PairedTokens {
  const values = { A: floats(arrays, "win_a"), B: floats(arrays, "win_b") };
  const flags = arrays.win_flags;
  if (flags?.length !== r.str.length || values.A.length !== r.str.length)
    throw new RangeError("The kernel's answer has tokens and flags of different numbers.");
  return { str: r.str, flags, values, scale };
}
