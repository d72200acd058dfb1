/** What the panel asks, and what it has: one attribution, its ranking, and what comes next in the model. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Text } from "../../controls/editor";
import { useFollow } from "../../kernel/follow";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { useRevision, useTrait, useTraits } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import { type AttributionJson, type Found, foundOf, type PredictionsJson, type RankJson, type Step } from "./wire";

/** Traits that make the question. */
const QUESTION = ["prompt", "target", "foil", "measure", "path", "linearised", "steps", "sae"] as const;
const RANK = ["selected_tokens", "include_special", "sort", "limit"] as const;
const TYPED_MS = 250;

export interface State {
  kernel: Kernel;
  question: Record<string, Json>;
  found: Found | null;
  rank: RankJson | null;
  predictions: PredictionsJson | null;
  /** Whether there is enough to ask. */
  asks: boolean;
  revision: number;
  /** Grows when a ranking may be old, because effects were checked. */
  checked: () => void;
}

/** Whether a text has anything in it. */
export function isEmpty(text: Text): boolean {
  return Array.isArray(text) ? text.every((one) => one === "") : text === "";
}

export function usePanel(model: Model, root: HTMLElement): State {
  const kernel = useKernel(model, root);
  const [traits, questionKey] = useTraits(model, QUESTION);
  const [ranking, rankKey] = useTraits(model, RANK);
  const revision = useRevision(model);
  const path = useTrait<Step[]>(model, "path");
  const [found, setFound] = useState<Found | null>(null);
  const [rank, setRank] = useState<RankJson | null>(null);
  const [predictions, setPredictions] = useState<PredictionsJson | null>(null);
  const [checks, setChecks] = useState(0);
  const question = traits as Record<string, Json>;
  const prompt = question.prompt as Text;
  const asks = !isEmpty(prompt) && (question.measure === "given" || question.target !== "" || path.length > 0);
  const first = useRef(true);

  useLayoutEffect(() => {
    if (!asks) {
      setFound(null);
      setRank(null);
      return;
    }
    const timer = setTimeout(
      () => {
        kernel.ask<AttributionJson>("attribution", question, { onTheWay: true, done: (r) => setFound(foundOf(r)) });
      },
      first.current ? 0 : TYPED_MS,
    );
    first.current = false;
    return () => clearTimeout(timer);
  }, [questionKey, revision, asks]);

  const key = found?.json.key ?? "";
  useLayoutEffect(() => {
    if (!found) return;
    kernel.ask<RankJson>(
      "rank",
      {
        of: question,
        tokens: ranking.selected_tokens as Json,
        include_special: ranking.include_special as Json,
        sort: ranking.sort as Json,
        limit: ranking.limit as Json,
      },
      { onTheWay: true, done: ({ r }) => setRank(r) },
    );
  }, [key, rankKey, revision, checks]);

  useFollow<PredictionsJson>(
    kernel,
    "predictions",
    { prompt: question.prompt ?? "", sae: question.sae ?? null },
    { on: !isEmpty(prompt), wait: TYPED_MS, revision },
    ({ r }) => setPredictions(r),
  );
  return {
    kernel,
    question,
    found,
    // Of another computation it would stand beside tokens that are not its own.
    rank: rank && rank.key === key ? rank : null,
    predictions,
    asks,
    revision,
    checked: () => setChecks((n) => n + 1),
  };
}
