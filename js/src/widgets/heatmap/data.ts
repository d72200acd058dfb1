/** The kernel's answers as the views read them. Rows and columns are only rearranged here, never computed with. */

import { columnsOf } from "../../feature/columns";
import type { Named } from "../../feature/said";
import { floats, ints } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";
import { uncounted } from "../../tokens/flags";

export interface TokensJson {
  key: string;
  n: number;
  texts: [number, number][];
  str: string[];
  labels: Record<string, string>;
  /** Whether more than names given by hand may be said of features. */
  described: boolean;
  complete: boolean;
  top: number | null;
  n_features: number;
  signed: boolean;
  /** Of which dictionary it is; the trait may be ahead of it. */
  sae: string | null;
  /** Whether an activation can be taken apart by source token and head. */
  sources: boolean;
  provenance: [string, string][];
  notes: string[];
  activation_name: string;
  /** The ranking, if it was asked for along with the text; null in a page without a kernel. */
  rank: RankJson | null;
}

export interface RankRow extends Named {
  f: number;
  max: number;
  sum: number;
  mean: number;
  n: number;
  at: number;
  /** On the index's corpus: its density, and its largest activation by magnitude; null without an index. */
  density: number | null;
  most: number | null;
}

export interface RankJson {
  key: string;
  basis: "all" | "selected";
  n_tokens: number;
  total: number;
  /** How many were left out for their density. */
  hidden: number;
  rows: RankRow[];
  selected: RankRow[];
}

/** One computed text. */
export class TextData {
  readonly json: TokensJson;
  readonly ids: Uint32Array;
  readonly flags: NumericArray;
  readonly l0: Uint32Array;
  readonly error: Float32Array;
  readonly #indptr: Uint32Array;
  readonly #feat: Uint32Array;
  readonly #act: Float32Array;
  readonly #columns = new Map<number, Float32Array>();

  constructor({ r, arrays }: Reply<TokensJson>) {
    this.json = r;
    this.ids = ints(arrays, "tok_id");
    if (arrays.flags?.length !== r.n) throw new TypeError("The kernel's answer lacks flags.");
    this.flags = arrays.flags;
    this.l0 = ints(arrays, "l0");
    this.error = floats(arrays, "error");
    this.#indptr = ints(arrays, "indptr");
    this.#feat = ints(arrays, "feat");
    this.#act = floats(arrays, "act");
  }

  /** Special tokens and norm outliers: greyed, not coloured, unless included. */
  excluded(token: number): boolean {
    return uncounted(this.flags[token]);
  }

  /** The strongest features of a token, strongest first, as the kernel sorted them. */
  strongest(token: number, k: number): { f: number; value: number }[] {
    const start = this.#indptr[token] ?? 0;
    const end = Math.min(this.#indptr[token + 1] ?? start, start + k);
    const out = [];
    for (let i = start; i < end; i++) out.push({ f: this.#feat[i] ?? 0, value: this.#act[i] ?? 0 });
    return out;
  }

  /** A feature's activation on every token; null if a long text's answer did not bring it. */
  column(feature: number): Float32Array | null {
    const known = this.#columns.get(feature);
    if (known) return known;
    if (!this.json.complete) return null;
    const column = new Float32Array(this.json.n);
    for (let token = 0; token < this.json.n; token++)
      for (let i = this.#indptr[token] ?? 0; i < (this.#indptr[token + 1] ?? 0); i++)
        if (this.#feat[i] === feature) column[token] = this.#act[i] ?? 0;
    this.#columns.set(feature, column);
    return column;
  }

  /** Whole columns that a ranking brought along (long texts). */
  addColumns(arrays: Record<string, NumericArray>): void {
    if (!arrays.col_feat) return;
    for (const [feature, column] of columnsOf(arrays, this.json.n)) this.#columns.set(feature, column);
  }

  /** Where a token stands: its text (if there are several) and its position there. */
  place(token: number): { text: number; position: number } {
    const text = this.json.texts.findIndex(([start, end]) => token >= start && token < end);
    return { text, position: token - (this.json.texts[text]?.[0] ?? 0) };
  }
}
