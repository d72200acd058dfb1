/** What the browser is told beside its table (its twin is src/saewidgets/widgets/browser/). */

import type { Named } from "../../feature/said";
import type { SummaryJson, WindowJson } from "../../table/wire";

export interface FeatureRow extends Named {
  /** Of a search: how it was found. */
  how: string | null;
}

export interface RowsJson extends WindowJson<FeatureRow> {
  /** How many features there are. */
  of: number;
  /** Whether a search found more than are listed. */
  capped: boolean;
}

export interface BrowserJson extends SummaryJson {
  lists: { name: string; n: number }[];
  /** Columns that are always there; others come when they are sorted or filtered by. */
  shown: string[];
  provenance: [string, string][];
  notes: string[];
}
