/** What a widget's own page knows of its questions, beside which were recorded: `widgets/<name>/offline.ts`. */

import type { ArraySpec, Json } from "../kernel/types";

/** One recorded answer: the channel and parameters it belongs to, its JSON and its arrays. */
export interface Recorded {
  ch: string;
  p: Json;
  r: Json;
  arrays: ArraySpec[];
}

/** What a page has. */
export interface Page {
  all: Recorded[];
  of: (channel: string, params: Json) => Recorded | undefined;
  trait: (name: string) => unknown;
}

export interface Offline {
  /** By channel, a parameter that no recorded answer depends on. */
  ignored?: Record<string, string>;
  /** By channel, how a question that was not recorded is answered from what was. */
  made?: Record<string, (params: Json, page: Page) => Recorded | undefined>;
  /** The traits that open a feature, where that is more than `feature`. */
  opens?: (feature: number, trait: (name: string) => unknown) => Record<string, unknown>;
}

/** The fields of a JSON object; undefined for anything else. */
export function fields(value: Json | undefined): Record<string, Json> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, Json>)
    : undefined;
}
