/** What a table asks and is told (its twin is src/saewidgets/widgets/table/). */

import { ints } from "../kernel/arrays";
import type { NumericArray, Reply } from "../kernel/types";

export interface Head {
  name: string;
  title: string;
  says: string;
  form: string;
  /** Of the histogram's bins; none for a column that has not two values. */
  edges: number[];
}

export interface SummaryJson {
  columns: Head[];
}

/** A column with the rows in each bin. */
export interface Distribution extends Head {
  counts: Uint32Array;
}

export function distributions({ r, arrays }: Reply<SummaryJson>): Distribution[] {
  return r.columns.map((head) => ({ ...head, counts: ints(arrays, `counts_${head.name}`) }));
}

export interface WindowJson<R> {
  total: number;
  first: number;
  rows: R[];
}

/** A window of rows, with the numbers of each. */
export interface Window<R> {
  first: number;
  rows: R[];
  numbers: Record<string, NumericArray>;
}

/** A row of a table, and its place. */
export interface Row<R> {
  row: R;
  at: number;
  number: (column: string) => number;
}
