/** What the heatmap asks the kernel, and what it has: one hook that keeps text, ranking and errors in step with the traits. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Status, useTogether } from "../../kernel/together";
import { save, useRevision, useTrait, useTraits } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import type { Text } from "../../tokens/editor";
import { type RankJson, TextData, type TokensJson } from "./data";

export type Sort = "max" | "sum" | "mean";
/** With an index also by density, the sparsest first. */
export type Order = Sort | "density";

export interface Shown {
  data: TextData;
  rank: RankJson | null;
}

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
  const { status, ask, answered, goesBack } = useTogether(model, root);
  const text = useTrait<Text>(model, "text");
  const revision = useRevision(model);
  const [settings, settingsKey] = useTraits(model, RANK_TRAITS);
  const [shown, setShown] = useState<Shown | null>(null);
  /** The settings of the last ranking that came. */
  const ranked = useRef<Record<string, unknown> | null>(null);
  const latest = useRef<{ data: TextData | null; rank: Reply<RankJson> | null }>({ data: null, rank: null });

  /** Text and ranking come apart; they are shown together once they are of the same computation. */
  const put = () => {
    const { data, rank } = latest.current;
    if (!data) return;
    const matches = rank?.r.key === data.json.key;
    if (rank && matches) data.addColumns(rank.arrays);
    setShown((before) => {
      if (rank && matches) return { data, rank: rank.r };
      return { data, rank: before?.rank?.key === data.json.key ? before.rank : null };
    });
  };

  // Layout effects: they run before the next frame, not after it.
  const textKey = JSON.stringify([text, revision]);
  const asked = useRef<string | null>(null);
  useLayoutEffect(() => {
    const ranking = {
      sort: settings.sort,
      tokens: settings.selected_tokens,
      include_special: settings.include_special,
      min: settings.min_activation,
      query: settings.label_query,
      limit: settings.limit,
      max_density: settings.max_density,
      features: settings.features,
    } as Record<string, Json>;
    const gotRank = (reply: Reply<RankJson>) => {
      latest.current.rank = reply;
      ranked.current = settings;
    };
    const showing = () => {
      put();
      return answered();
    };
    const askRank = () =>
      ask<RankJson>(
        "rank",
        { text, ...ranking },
        {
          onTheWay: true,
          done: (reply) => {
            gotRank(reply);
            return showing();
          },
          failed: ({ type }) => {
            // A page without a kernel: put the controls back to the last settings that have an answer.
            if (type !== "Offline" || !ranked.current) return;
            goesBack();
            save(model, { ...ranked.current, features: model.get("features") });
          },
        },
      );
    if (asked.current === textKey) {
      askRank();
      return;
    }
    asked.current = textKey;
    // One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
    ask<TokensJson>(
      "tokens",
      { text, rank: ranking },
      {
        onTheWay: true,
        done: (reply) => {
          latest.current.data = new TextData(reply);
          if (reply.r.rank) gotRank({ r: reply.r.rank, arrays: reply.arrays });
          else askRank();
          return showing();
        },
      },
    );
  }, [textKey, settingsKey]);

  return { shown, status };
}
