/** What the panel asks, and what it has: one attribution, its ranking, and what comes next in the model. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
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
  /** What is still to be typed or chosen before anything can be asked; "" if nothing is. */
  missing: string;
  revision: number;
  /** Grows when a ranking may be old, because effects were checked. */
  checked: () => void;
}

/** What is still to be typed or chosen before anything can be asked; "" if nothing is. */
function missingOf({ prompt, measure, target, path }: Question): string {
  const texts = (Array.isArray(prompt) ? prompt : [prompt]) as (Json | Json[])[];
  const empty = texts.indexOf("");
  if (texts.length === 0 || (empty === 0 && texts.length === 1)) return "Type a prompt.";
  if (empty >= 0) return `Prompt ${empty + 1} is empty: type it, or take it away.`;
  if (measure === "given" || target !== "" || (path as Json[]).length > 0) return "";
  return "Choose a target: the token to explain. The foil is what it is compared with.";
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
  const { prompt } = question;
  const missing = missingOf(question);
  const asks = missing === "";
  // While a further prompt is typed, what is known of the others stands.
  const stays = missing.startsWith("Prompt ");
  const typed = useRef(JSON.stringify(prompt));
  const wants = useRef(asks);
  wants.current = asks;

  useLayoutEffect(() => {
    if (!asks) {
      kernel.stop("attribution");
      kernel.dismiss("attribution");
      if (!stays) {
        setFound(null);
        setRank(null);
      }
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
  }, [questionKey, revision]);

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
    { on: asks || missing.startsWith("Choose"), wait: TYPED_MS, revision },
    ({ r }) => setPredictions({ key: promptKey(question), json: r }),
  );
  const { busy, error } = kernel.of("attribution");
  const failed = error !== null && !busy;
  const shown = found && (stays || !failed) ? found.question : question;
  return {
    kernel,
    question,
    found,
    failed,
    // Of another computation, either would stand beside tokens that are not its own.
    rank: rank && rank.key === key ? rank : null,
    predictions: predictions?.key === promptKey(shown) ? predictions.json : null,
    missing,
    revision,
    checked: () => setChecks((n) => n + 1),
  };
}
