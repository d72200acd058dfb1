/** The kernel's answers as the views read them. Rows and columns are only rearranged here. */

import { columnsOf } from "../../feature/columns";
import type { Named } from "../../feature/said";
import { floats, ints, signedInts } from "../../kernel/arrays";
import type { NumericArray, Reply } from "../../kernel/types";
import { uncounted } from "../../tokens/flags";

export interface TokensJson {
  key: string;
  n: number;
  texts: [number, number][];
  str: string[];
  n_features: number;
  signed: boolean;
  /** Of which dictionary it is; the trait may be ahead of it. */
  sae: string | null;
  activation_name: string;
  provenance: [string, string][];
  notes: string[];
  /** The ranking, if it was asked for along with the texts; null in a page without a kernel. */
  rank: DifferencesJson | null;
}

export interface DifferenceRow extends Named {
  f: number;
  /** What is compared, of each text. */
  values: number[];
  difference: number;
  /** The largest activation over the counted tokens of all texts, by magnitude. */
  scale: number;
  /** On the index's corpus; null without an index. */
  density: number | null;
}

export interface DifferencesJson {
  key: string;
  /** What is compared, in words. */
  where: string;
  /** The compared position of each text; none where all counted tokens are. */
  positions: number[];
  pair: [number, number];
  total: number;
  passing: number;
  rows: DifferenceRow[];
  selected: DifferenceRow[];
  notes: string[];
}

export interface PredictionsJson {
  str: string[];
  /** The likeliest after each text, best first, as places in `str`. */
  top: number[][];
  /** Why there is nothing. */
  why: string | null;
}

/** The texts, aligned. */
export class TextsData {
  readonly json: TokensJson;
  readonly ids: Uint32Array;
  readonly flags: NumericArray;
  readonly nTexts: number;
  readonly nColumns: number;
  /** The column of each token. */
  readonly columnOf: Uint32Array;
  readonly #alignment: Int32Array;
  readonly #same: NumericArray;
  readonly #choices: Int32Array;
  readonly #columns = new Map<number, Float32Array>();

  constructor({ r, arrays }: Reply<TokensJson>) {
    this.json = r;
    this.ids = ints(arrays, "tok_id");
    this.#alignment = signedInts(arrays, "alignment");
    this.#choices = signedInts(arrays, "choices");
    this.nTexts = r.texts.length;
    this.nColumns = this.#alignment.length / this.nTexts;
    const { flags, same } = arrays;
    if (flags?.length !== r.n) throw new TypeError("The kernel's answer lacks flags.");
    if (same?.length !== this.nColumns) throw new TypeError("The kernel's answer lacks the alignment.");
    this.flags = flags;
    this.#same = same;
    this.columnOf = new Uint32Array(r.n);
    for (let column = 0; column < this.nColumns; column++)
      for (let text = 0; text < this.nTexts; text++) {
        const token = this.at(column, text);
        if (token >= 0) this.columnOf[token] = column;
      }
  }

  /** The token of a text in a column, or -1. */
  at(column: number, text: number): number {
    const position = this.#alignment[column * this.nTexts + text] ?? -1;
    return position < 0 ? -1 : this.token(text, position);
  }

  /** Whether all texts have the same token in a column. */
  alike(column: number): boolean {
    return this.#same[column] === 1;
  }

  /** The token id that most texts have in a column (-1: nothing); null if no two have the same. */
  usual(column: number): number | null {
    const times = new Map<number, number>();
    for (let text = 0; text < this.nTexts; text++) {
      const id = this.ids[this.at(column, text)] ?? -1;
      times.set(id, (times.get(id) ?? 0) + 1);
    }
    const [id, most] = [...times].reduce((best, one) => (one[1] > best[1] ? one : best), [-1, 0]);
    return most > 1 ? id : null;
  }

  /** The position of every text that a click on a column chooses. */
  choice(column: number): number[] {
    return [...this.#choices.subarray(column * this.nTexts, (column + 1) * this.nTexts)];
  }

  token(text: number, position: number): number {
    return (this.json.texts[text]?.[0] ?? 0) + position;
  }

  textOf(token: number): number {
    return this.json.texts.findIndex(([start, end]) => token >= start && token < end);
  }

  position(token: number): number {
    return token - (this.json.texts[this.textOf(token)]?.[0] ?? 0);
  }

  excluded(token: number): boolean {
    return uncounted(this.flags[token]);
  }

  /** A feature's activation on every token; null if no ranking has brought it yet. */
  column(feature: number): Float32Array | null {
    return this.#columns.get(feature) ?? null;
  }

  addColumns(arrays: Record<string, NumericArray>): void {
    for (const [feature, column] of columnsOf(arrays, this.json.n)) this.#columns.set(feature, column);
  }
}

/** What is likely after each text. */
export class Predicted {
  readonly str: string[];
  readonly top: number[][];
  readonly why: string | null;
  readonly ids: Uint32Array;
  readonly #logProbs: Float32Array;

  constructor({ r, arrays }: Reply<PredictionsJson>) {
    this.str = r.str;
    this.top = r.top;
    this.why = r.why;
    this.ids = ints(arrays, "tok_id");
    this.#logProbs = floats(arrays, "log_probs");
  }

  logProb(text: number, place: number): number {
    return this.#logProbs[text * this.str.length + place] ?? Number.NaN;
  }
}
