/** What the comparison asks the kernel, and what it has: texts and ranking, in step with the traits. */

import type { Kernel } from "../../kernel/kernel";
import type { Json, Model } from "../../kernel/types";
import { type Ranked, useRanked } from "../../tokens/ranked";
import { type DifferencesJson, TextsData, type TokensJson } from "./data";

/** Strings; or token ids, which only Python sets. */
export type Texts = string[] | number[][];
export type At = "last" | "max" | "sum" | "chosen";

export type Shown = Ranked<TextsData, DifferencesJson>;

/** Traits that a ranking depends on, beside the texts. */
const SETTINGS = ["at", "positions", "pair", "all_of", "none_of", "limit", "features"] as const;

export function useAnswers(model: Model, kernel: Kernel): Shown | null {
  return useRanked<DifferencesJson, TokensJson, TextsData>({
    model,
    ask: kernel.ask,
    source: ["texts", "sae"],
    settings: SETTINGS,
    params: (settings) =>
      ({ ...settings, positions: settings.at === "chosen" ? settings.positions : [] }) as Record<string, Json>,
    channel: "differences",
    read: (reply) => new TextsData(reply),
    dismiss: () => kernel.dismiss("differences"),
  });
}
