/** What the heatmap asks the kernel, and what it has: one hook that keeps text, ranking and errors in step with the traits. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Client, encodingFor } from "../shared/rpc";
import { save, useTrait } from "../shared/traits";
import { asWireError, type Json, KernelError, type Model, type Reply, type WireError } from "../shared/types";
import { type RankJson, TextData, type TokensJson } from "./data";

export type Text = string | string[];
export type Sort = "max" | "sum" | "mean";

export interface Shown {
  data: TextData;
  rank: RankJson | null;
}

export interface Status {
  shown: Shown | null;
  busy: boolean;
  progress: { done: number; total: number } | null;
  silent: boolean;
  offline: string | null;
  error: WireError | null;
  dismiss: () => void;
}

/** Traits that a ranking depends on, beside the text. */
const RANK_TRAITS = [
  "sort",
  "selected_tokens",
  "include_special",
  "min_activation",
  "label_query",
  "limit",
  "features",
] as const;

export function useAnswers(model: Model, el: HTMLElement): Status {
  const text = useTrait<Text>(model, "text");
  const revision = useTrait<number>(model, "revision");
  const error = useTrait<WireError | null>(model, "error");
  const rankValues = RANK_TRAITS.map((name) => useTrait<unknown>(model, name));
  const [shown, setShown] = useState<Shown | null>(null);
  const [pending, setPending] = useState(0);
  const [progress, setProgress] = useState<Status["progress"]>(null);
  const [silent, setSilent] = useState(false);
  const [offline, setOffline] = useState<string | null>(null);
  const client = useRef<Client | null>(null);
  const answered = useRef<Record<string, unknown>>({});
  const reverted = useRef(false);
  const latest = useRef<{ data: TextData | null; rank: Reply<RankJson> | null }>({
    data: null,
    rank: null,
  });

  useLayoutEffect(() => {
    const made = new Client(model, {
      encoding: encodingFor(el.ownerDocument.body),
      onSilence: setSilent,
      onProgress: (done, total) => setProgress(total > 0 ? { done, total } : null),
    });
    client.current = made;
    return () => made.close();
  }, [model, el]);

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

  const failed = (reason: unknown, revert: () => void) => {
    if (reason instanceof KernelError) {
      if (reason.info.type === "Cancelled") return;
      if (reason.info.type === "Offline") {
        setOffline(reason.info.message);
        revert();
        return;
      }
      save(model, { error: reason.info });
      return;
    }
    save(model, { error: asWireError(reason) });
  };

  const ask = <R>(channel: string, params: Json, done: (reply: Reply<R>) => void, revert: () => void) => {
    setPending((n) => n + 1);
    client.current
      ?.request<R>(channel, params)
      .then((reply) => {
        done(reply);
        put();
        // The notice stays with the answer that the controls went back to, and goes with the next one.
        if (!reverted.current) setOffline(null);
        reverted.current = false;
        if (model.get("error") !== null) save(model, { error: null });
      })
      .catch((reason) => failed(reason, revert))
      .finally(() => {
        setPending((n) => n - 1);
        setProgress(null);
      });
  };

  // Layout effects: they run before the next frame, not after it.
  const textKey = JSON.stringify([text, revision]);
  const asked = useRef<string | null>(null);
  useLayoutEffect(() => {
    const now = Object.fromEntries(RANK_TRAITS.map((name, i) => [name, rankValues[i]]));
    const ranking = {
      sort: now.sort,
      tokens: now.selected_tokens,
      include_special: now.include_special,
      min: now.min_activation,
      query: now.label_query,
      limit: now.limit,
      features: now.features,
    } as Record<string, Json>;
    const gotRank = (reply: Reply<RankJson>) => {
      latest.current.rank = reply;
      answered.current = now;
    };
    // A page without a kernel: put the controls back to the last settings that have an answer.
    const revert = () => {
      if (Object.keys(answered.current).length === 0) return;
      reverted.current = true;
      save(model, { ...answered.current, features: model.get("features") });
    };
    const askRank = () => ask<RankJson>("rank", { text, ...ranking }, gotRank, revert);
    if (asked.current === textKey) {
      askRank();
      return;
    }
    asked.current = textKey;
    // One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
    ask<TokensJson>(
      "tokens",
      { text, rank: ranking },
      (reply) => {
        latest.current.data = new TextData(reply);
        if (reply.r.rank) gotRank({ r: reply.r.rank, arrays: reply.arrays });
        else askRank();
      },
      () => {},
    );
  }, [textKey, JSON.stringify(rankValues)]);

  return {
    shown,
    busy: pending > 0,
    progress,
    silent,
    offline,
    error,
    dismiss: () => {
      setOffline(null);
      if (model.get("error") !== null) save(model, { error: null });
    },
  };
}
