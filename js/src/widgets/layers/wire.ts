/** The kernel's answers as the views read them (their twin is src/saewidgets/widgets/layers/payload.py). Nothing is computed here. */

import type { Named } from "../../feature/said";
import { floats, ints } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";

export interface SaeJson {
  name: string;
  /** Where it reads. */
  hook: string;
  /** The hook of the lens that it stands with, as a number; -1: before the first. */
  row: number;
  /** Whether it reads something after that hook, and not the stream there. */
  between: boolean;
  n_features: number;
  activation_name: string;
  signed: boolean;
}

export interface LensJson {
  key: string;
  n: number;
  k: number;
  str: string[];
  /** In the model's order. */
  hooks: { name: string; short: string }[];
  /** Strings of likeliest tokens, each once. */
  next_str: string[];
  d_vocab: number;
  /** Whether the last hook's prediction is the model's own. */
  own: boolean;
  target: { str: string; id: number } | null;
  target_error: string;
  /** In the order in which a forward comes to them. */
  saes: SaeJson[];
  notes: string[];
  provenance: [string, string][];
  /** The ladder, if it was asked for along with the lens; null in a page without a kernel. */
  ladder: LadderJson | null;
}

export interface FeatureRow extends Named {
  /** A place among the dictionaries. */
  sae: number;
  f: number;
  /** Its activation at the position. */
  a: number;
  /** The largest activation on the counted tokens, in magnitude; 0: silent there. */
  scale: number;
}

export interface LadderJson {
  key: string;
  position: number;
  /** Of each dictionary, how many features are active at the position. */
  active: number[];
  /** The listed features, and after them one that is chosen. */
  rows: FeatureRow[];
  listed: number;
}

/** A token that may come next. */
export interface Next {
  t: string;
  id: number;
  p: number;
}

/** What the stream says after each token, at every hook: hooks and positions are numbers from 0, in the model's order. */
export class Lens {
  readonly json: LensJson;
  readonly ids: Uint32Array;
  readonly flags: NumericArray;
  readonly #saeFlags: NumericArray;
  readonly #next: Uint32Array;
  readonly #nextIds: Uint32Array;
  readonly #p: Float32Array;
  readonly #entropy: Float32Array;
  readonly #targetP: Float32Array;
  readonly #targetRank: Uint32Array;

  constructor({ r, arrays }: Reply<LensJson>) {
    this.json = r;
    this.ids = ints(arrays, "tok_id");
    this.flags = arrays.flags ?? new Uint8Array(r.n);
    this.#saeFlags = arrays.sae_flags ?? new Uint8Array(r.n * r.saes.length);
    this.#next = ints(arrays, "next");
    this.#nextIds = ints(arrays, "next_id");
    this.#p = floats(arrays, "p");
    this.#entropy = floats(arrays, "entropy");
    this.#targetP = floats(arrays, "target_p");
    this.#targetRank = ints(arrays, "target_rank");
    if (this.#p.length !== r.hooks.length * r.n * r.k || this.#next.length !== this.#p.length)
      throw new RangeError("The kernel's answer has probabilities and tokens of different numbers.");
  }

  /** The likeliest tokens after a position, best first. */
  likeliest(hook: number, position: number): Next[] {
    const { n, k } = this.json;
    return Array.from({ length: k }, (_, i) => this.#nth((hook * n + position) * k + i));
  }

  best(hook: number, position: number): Next {
    return this.#nth((hook * this.json.n + position) * this.json.k);
  }

  #nth(at: number): Next {
    const place = this.#next[at] ?? 0;
    return { t: this.json.next_str[place] ?? "", id: this.#nextIds[place] ?? 0, p: this.#p[at] ?? Number.NaN };
  }

  entropy(hook: number, position: number): number {
    return this.#entropy[hook * this.json.n + position] ?? Number.NaN;
  }

  /** The target's probability and rank (0: the likeliest); null where none is asked about. */
  target(hook: number, position: number): { p: number; rank: number } | null {
    const at = hook * this.json.n + position;
    return this.json.target && { p: this.#targetP[at] ?? Number.NaN, rank: this.#targetRank[at] ?? Number.NaN };
  }

  /** What shades a cell: the target's probability, or that of the likeliest token. */
  shade(hook: number, position: number): number {
    return this.target(hook, position)?.p ?? this.best(hook, position).p;
  }

  /** The flags of a token as a dictionary has them: whether it is a norm outlier is a matter of its layer. */
  saeFlags(sae: number, position: number): number {
    return this.#saeFlags[sae * this.json.n + position] ?? 0;
  }
}

/** A feature on every token. */
export interface Column {
  row: FeatureRow;
  values: Float32Array;
}

/** What is listed after one token. */
export class Ladder {
  readonly json: LadderJson;
  readonly columns: Column[];
  readonly #typed: NumericArray;

  constructor({ r, arrays }: Reply<LadderJson>, n: number) {
    this.json = r;
    this.#typed = arrays.typed ?? new Uint8Array(0);
    const ptr = ints(arrays, "col_ptr");
    const tokens = ints(arrays, "col_tok");
    const values = floats(arrays, "col_act");
    this.columns = r.rows.map((row, k) => {
      const column = new Float32Array(n);
      for (let i = ptr[k] ?? 0; i < (ptr[k + 1] ?? 0); i++) column[tokens[i] ?? 0] = values[i] ?? 0;
      return { row, values: column };
    });
  }

  /** The listed features of a dictionary, strongest first. */
  of(sae: number): FeatureRow[] {
    return this.json.rows.slice(0, this.json.listed).filter((row) => row.sae === sae);
  }

  /** Whether the string of the i-th likeliest token means it, so that it can be the target. */
  typed(hook: number, i: number, k: number): boolean {
    return this.#typed[hook * k + i] === 1;
  }
}
