/** What the comparison asks the kernel, and what it has: texts and ranking, in step with the traits. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Kernel } from "../../kernel/kernel";
import { save, useRevision, useTrait, useTraits } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import { type DifferencesJson, TextsData, type TokensJson } from "./data";

/** Strings; or token ids, which only Python sets. */
export type Texts = string[] | number[][];
export type At = "last" | "max" | "sum" | "chosen";

export interface Shown {
  data: TextsData;
  rank: DifferencesJson | null;
}

/** Traits that a ranking depends on, beside the texts. */
const SETTINGS = ["at", "positions", "pair", "all_of", "none_of", "limit", "features"] as const;

export function useAnswers(model: Model, kernel: Kernel): Shown | null {
  const texts = useTrait<Texts>(model, "texts");
  const revision = useRevision(model);
  const [settings, settingsKey] = useTraits(model, SETTINGS);
  const [shown, setShown] = useState<Shown | null>(null);
  const latest = useRef<{ data: TextsData | null; rank: Reply<DifferencesJson> | null }>({ data: null, rank: null });
  /** The settings of the last ranking that came, and whether the controls have gone back to them. */
  const ranked = useRef<Record<string, unknown> | null>(null);
  const wentBack = useRef(false);

  /** Texts and ranking come apart; they are shown together once they are of the same computation. */
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
  const textsKey = JSON.stringify([texts, revision]);
  const asked = useRef<string | null>(null);
  useLayoutEffect(() => {
    const ranking = {
      texts,
      ...settings,
      positions: settings.at === "chosen" ? settings.positions : [],
    } as Record<string, Json>;
    const got = (reply: Reply<DifferencesJson>) => {
      latest.current.rank = reply;
      ranked.current = settings;
    };
    const askRank = () =>
      kernel.ask<DifferencesJson>("differences", ranking, {
        onTheWay: true,
        done: (reply) => {
          got(reply);
          put();
          const stays = wentBack.current;
          wentBack.current = false;
          return stays;
        },
        failed: ({ type }) => {
          // A page without a kernel: the controls go back to the last settings that have an answer.
          if (type !== "Offline" || !ranked.current) return;
          wentBack.current = true;
          save(model, { ...ranked.current, features: model.get("features") });
        },
      });
    if (asked.current === textsKey) {
      askRank();
      return;
    }
    asked.current = textsKey;
    kernel.ask<TokensJson>(
      "tokens",
      { texts, rank: ranking },
      {
        onTheWay: true,
        done: (reply) => {
          latest.current.data = new TextsData(reply);
          if (reply.r.rank) {
            got({ r: reply.r.rank, arrays: reply.arrays });
            kernel.dismiss("differences");
          } else askRank();
          put();
        },
      },
    );
  }, [textsKey, settingsKey]);

  return shown;
}
