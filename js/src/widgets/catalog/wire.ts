/** What the catalog is told (its twin is src/saewidgets/widgets/catalog/). */

import type { SummaryJson, WindowJson } from "../../table/wire";

/** What is known of an SAE; null where nothing is. The trait `selected` has the same. */
export interface SaeRow {
  release: string;
  sae_id: string;
  model: string | null;
  hook_name: string | null;
  layer: number | null;
  width: number | null;
  l0: number | null;
  variance_explained: number | null;
  architecture: string | null;
  neuronpedia_id: string | null;
  repo_id: string | null;
}

export interface RowsJson extends WindowJson<SaeRow> {
  /** How many SAEs there are. */
  of: number;
}

export interface CatalogJson extends SummaryJson {
  models: string[];
  architectures: string[];
  /** The user's own model; "": each SAE is loaded with its own. */
  model: string;
  /** As which names that model is in the directory. */
  fitting: string[];
  provenance: [string, string][];
  notes: string[];
}

export interface Field {
  name: string;
  title: string;
  /** Null: nobody said it. */
  value: string | null;
  says: string;
}

export interface Ready {
  release: string;
  sae_id: string;
  device: string;
  dtype: string;
}

export interface DetailsJson {
  release: string;
  sae_id: string;
  fields: Field[];
  /** What is known once it is loaded; "" when it was. */
  later: string;
  code: string;
  sae_lens_code: string;
  misfit: string | null;
  /** What the widget's engine is made of. */
  engine: Ready | null;
}

export interface Named {
  release: string;
  sae_id: string;
}

export const isSame = (a: Named | null | undefined, b: Named | null | undefined) =>
  a?.release === b?.release && a?.sae_id === b?.sae_id;
