/** What the map is told (its twin is src/saewidgets/widgets/map/). */

import type { List } from "../../feature/selected";

export interface FactsJson {
  /** What the points can be coloured by. */
  colours: { name: string; title: string; says: string }[];
  lists: List[];
  provenance: [string, string][];
  notes: string[];
  /** What is done while a map is made, from which percent on. */
  stages: [number, string][];
}

export interface LayoutJson {
  /** Points, and features of the dictionary. */
  n: number;
  of: number;
  /** What share of neighbourhoods the map keeps, and how it was made, in words. */
  kept: string;
  made: string;
  notes: string[];
  provenance: [string, string][];
}

export interface Counted {
  name: string;
  n: number;
}

/** Beside it one byte a point: a step of the scale from `low` to `high`, or a group's number; NO_LEVEL: `rest`. */
export interface ColourJson {
  title: string;
  says: string;
  form: string;
  log: boolean;
  low: number | null;
  high: number | null;
  /** Whether there are values beyond the scale's ends. */
  below: boolean;
  above: boolean;
  groups: Counted[];
  rest: Counted;
}

export interface MarksJson {
  /** What is found, and whether there is more of it; how many are in the list. */
  found: number;
  capped: boolean;
  among: number;
}

export const NO_LEVEL = 255;
