/** What the heatmap asks the kernel, and what it has: one hook that keeps text, ranking and errors in step with the traits. */

import { type Status, useTogether } from "../../kernel/together";
import type { Json, Model } from "../../kernel/types";
import { type Ranked, useRanked } from "../../tokens/ranked";
import { type RankJson, TextData, type TokensJson } from "./data";

export type Sort = "max" | "sum" | "mean";
/** With an index also by density, the sparsest first. */
export type Order = Sort | "density";

export type Shown = Ranked<TextData, RankJson>;

/** Traits that a ranking depends on, beside the text. */
const RANK_TRAITS = [
  "sort",
  "selected_tokens",
  "include_special",
  "min_activation",
  "label_query",
  "limit",
  "max_density",
  "features",
] as const;

export function useAnswers(model: Model, root: HTMLElement): { shown: Shown | null; status: Status } {
  const { status, ask } = useTogether(model, root);
  const shown = useRanked<RankJson, TokensJson, TextData>({
    model,
    ask,
    source: ["text", "sae"],
    settings: RANK_TRAITS,
    params: (settings) =>
      ({
        sort: settings.sort,
        tokens: settings.selected_tokens,
        include_special: settings.include_special,
        min: settings.min_activation,
        query: settings.label_query,
        limit: settings.limit,
        max_density: settings.max_density,
        features: settings.features,
      }) as Record<string, Json>,
    channel: "rank",
    read: (reply) => new TextData(reply),
    dismiss: status.dismiss,
  });
  return { shown, status };
}
