/** What the panel asks, and what it has: one attribution, its ranking, and what comes next in the model. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Text } from "../../controls/editor";
import { useFollow } from "../../kernel/follow";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { save, useRevision, useTraits } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import {
  type AttributionJson,
  type Found,
  foundOf,
  type PredictionsJson,
  type Question,
  type RankJson,
  type Step,
} from "./wire";

/** Traits that make the question. */
const QUESTION = ["prompt", "target", "foil", "measure", "path", "linearised", "steps", "sae"] as const;
const RANK = ["selected_tokens", "include_special", "sort", "limit"] as const;
const TYPED_MS = 250;

export interface State {
  kernel: Kernel;
  question: Question;
  found: Found | null;
  /** Whether the last question failed: what is shown is of one before. */
  failed: boolean;
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

/** Explain another prediction: what went with the one before goes with it. */
export function explain(model: Model, change: Record<string, Json>): void {
  const [first] = model.get("path") as Step[];
  const measure = change.measure ?? model.get("measure");
  // Answers of several tokens move the tokens of the prompts after the first.
  const moved = Array.isArray(model.get("prompt")) && ("measure" in change || measure === "logprob");
  const back = first && { path: [], selected_tokens: [], sae: first.sae, feature: null, chosen: [] };
  save(model, { ...change, ...(moved && { selected_tokens: [] }), ...back });
}

const promptKey = ({ prompt, sae }: Question) => JSON.stringify([prompt, sae]);

export function usePanel(model: Model, root: HTMLElement): State {
  const kernel = useKernel(model, root);
  const [traits, questionKey] = useTraits(model, QUESTION);
  const [ranking, rankKey] = useTraits(model, RANK);
  const revision = useRevision(model);
  const [found, setFound] = useState<Found | null>(null);
  const [rank, setRank] = useState<RankJson | null>(null);
  const [predictions, setPredictions] = useState<{ key: string; json: PredictionsJson } | null>(null);
  const [checks, setChecks] = useState(0);
  const question = traits as Question;
  const { target, measure, path } = question;
  const prompt = question.prompt as Text;
  const asks = !isEmpty(prompt) && (measure === "given" || target !== "" || (path as Json[]).length > 0);
  const typed = useRef(JSON.stringify(prompt));
  const wants = useRef(asks);
  wants.current = asks;

  useLayoutEffect(() => {
    if (!asks) {
      kernel.stop("attribution");
      kernel.dismiss("attribution");
      setFound(null);
      setRank(null);
      return;
    }
    const key = JSON.stringify(prompt);
    const ask = () =>
      kernel.ask<AttributionJson>("attribution", question, {
        onTheWay: true,
        done: (reply) => {
          if (!wants.current) return;
          setFound(foundOf(reply, question));
          // The dictionary that was asked for comes too late in the model: another's features are shown, and it says so.
          if (reply.r.sae !== question.sae && model.get("sae") === question.sae)
            save(model, { sae: reply.r.sae, feature: null, chosen: [] });
        },
      });
    // A choice is asked about at once; a prompt when the typing pauses.
    const timer = setTimeout(ask, typed.current === key ? 0 : TYPED_MS);
    typed.current = key;
    return () => clearTimeout(timer);
  }, [questionKey, revision, asks]);

  const key = found?.json.key ?? "";
  useLayoutEffect(() => {
    if (!found) return;
    kernel.ask<RankJson>(
      "rank",
      {
        of: found.question,
        tokens: ranking.selected_tokens as Json,
        include_special: ranking.include_special as Json,
        sort: ranking.sort as Json,
        limit: ranking.limit as Json,
      },
      { onTheWay: true, done: ({ r }) => setRank(r) },
    );
  }, [found, rankKey, checks]);

  useFollow<PredictionsJson>(
    kernel,
    "predictions",
    { prompt: question.prompt, sae: question.sae },
    { on: !isEmpty(prompt), wait: TYPED_MS, revision },
    ({ r }) => setPredictions({ key: promptKey(question), json: r }),
  );
  const { busy, error } = kernel.of("attribution");
  const failed = error !== null && !busy;
  const shown = found && !failed ? found.question : question;
  return {
    kernel,
    question,
    found,
    failed,
    // Of another computation, either would stand beside tokens that are not its own.
    rank: rank && rank.key === key ? rank : null,
    predictions: predictions?.key === promptKey(shown) ? predictions.json : null,
    asks,
    revision,
    checked: () => setChecks((n) => n + 1),
  };
}
