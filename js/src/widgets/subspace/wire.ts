/** The kernel's answers as the views read them (their twin is src/saewidgets/widgets/subspace/payload.py). Nothing is computed here. */

import type { Named } from "../../feature/said";
import { floats, ints } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";

export interface FeatureRow extends Named {
  f: number;
  /** On how many of the points it fires. */
  tokens: number;
  /** Its mean activation there; null where there is none. */
  mean: number | null;
  /** The largest, in magnitude. */
  max: number;
}

/** A score; mean and range of what the same features give when they are shuffled against each other. */
export interface Score {
  value: number;
  mean: number;
  low: number;
  high: number;
}

export interface Scores {
  /** Components, counted from 0. */
  pair: [number, number];
  separability: Score;
  mixture: Score;
  /** How many times they were shuffled. */
  repeats: number;
}

export interface SubspaceJson {
  /** Of which features it is. */
  key: string;
  n: number;
  /** Components. */
  c: number;
  /** Of every component, the least and the largest coordinate. */
  extent: [number, number][];
  /** Shares of the variance. */
  explained: number[];
  circularity: number[][];
  /** The most circular pair. */
  pair: [number, number];
  features: FeatureRow[];
  /** The strings of tokens, each once. */
  str: string[];
  /** What points can be coloured by, each with its name. */
  choices: [string, string][];
  scores: Scores;
  notes: string[];
  provenance: [string, string][];
  /** The colours, if they were asked for along with the points; null in a page without a kernel. */
  colour: ColourJson | null;
}

export type ColourJson = { key: string; colour: string } & (
  | {
      kind: "groups";
      groups: { t: string; n: number }[];
      /** Further names, and the points that have one of them. */
      others: number;
      rest: number;
    }
  | { kind: "scale"; low: number | null; high: number | null; missing: number }
);

export interface TextJson {
  point: number;
  str: string[];
  /** Which token is the point. */
  at: number;
  document: string;
  in_document: number;
  /** Activations of all features at the point. */
  a: number[];
  /** The tokens that are points, too: place in the window, point, and activations of all features. */
  others: [number, number, number[]][];
}

export interface TextsJson {
  texts: TextJson[];
}

/** The points: coordinates by component, and the token of each. */
export class Points {
  readonly json: SubspaceJson;
  readonly #coordinates: Float32Array;
  readonly #token: Uint32Array;

  constructor({ r, arrays }: Reply<SubspaceJson>) {
    this.json = r;
    this.#coordinates = floats(arrays, "points");
    this.#token = ints(arrays, "token");
    if (this.#coordinates.length !== r.n * r.c || this.#token.length !== r.n)
      throw new RangeError("The kernel's answer has points and tokens of different numbers.");
  }

  /** [n] the coordinates on a component. */
  on(component: number): Float32Array {
    const { n } = this.json;
    return this.#coordinates.subarray(component * n, (component + 1) * n);
  }

  token(point: number): string {
    return this.json.str[this.#token[point] ?? 0] ?? "";
  }
}

/** What is in none of the groups. */
export const OTHER = 255;

/** What tells points apart. */
export interface Colouring {
  /** Whose colours these are. */
  of: Points;
  json: ColourJson;
  /** [n] a place among the groups, or OTHER; or numbers, NaN where there is none. */
  values: NumericArray;
}

export function colouringOf(json: ColourJson, arrays: Reply<unknown>["arrays"], of: Points): Colouring {
  const values = json.kind === "groups" ? arrays.group : floats(arrays, "value");
  if (values?.length !== of.json.n)
    throw new RangeError("The kernel's answer has colours and points of different numbers.");
  return { of, json, values };
}

/** The components that are meant: the most circular pair where none are chosen, or there are not so many. */
export function pairOf({ c, pair }: SubspaceJson, wanted: readonly number[]): [number, number] {
  const [a, b] = wanted;
  return a === undefined || b === undefined || a === b || Math.max(a, b) >= c ? pair : [a, b];
}
