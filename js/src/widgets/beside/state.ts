/** What the view asks of the pair, part by part: each has its own answer, and an error in one leaves the others. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Kernel, wasDropped } from "../../kernel/kernel";
import { type Looked, useLookup } from "../../kernel/lookup";
import { isOf, save, useRevision, useTrait } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import type { Text } from "../../tokens/editor";
import {
  type CorpusData,
  type CorpusJson,
  corpusData,
  type PairJson,
  type SideJson,
  type TextData,
  type TextJson,
  textData,
  type Which,
} from "./wire";

/** Sooner nobody could have read it. */
const SLOW_MS = 300;

/** The last answer of each part; of features that are on their way out until the next is there. */
export interface Shown {
  text: TextData | null;
  corpus: CorpusData | null;
  pair: PairJson | null;
}

export function useAnswers(model: Model, kernel: Kernel): Shown {
  const text = useTrait<Text>(model, "text");
  const a = useTrait<number>(model, "feature_a");
  const b = useTrait<number>(model, "feature_b");
  return {
    text: usePart<TextJson, TextData>(model, kernel, "text", { text, a, b }, textData),
    corpus: usePart<CorpusJson, CorpusData>(model, kernel, "corpus", { a, b }, corpusData),
    pair: usePart<PairJson, PairJson>(model, kernel, "pair", { a, b }, ({ r }) => r),
  };
}

function usePart<R, D>(
  model: Model,
  kernel: Kernel,
  channel: string,
  params: Record<string, Json>,
  read: (reply: Reply<R>) => D,
): D | null {
  const revision = useRevision(model);
  const [shown, setShown] = useState<D | null>(null);
  // In the layout: before the next frame, not after it.
  useLayoutEffect(() => {
    kernel.ask<R>(channel, params, {
      onTheWay: true,
      done: (reply) => setShown(() => read(reply)),
      // Numbers of other features than those that are named would be taken for theirs.
      failed: (error) => {
        if (!wasDropped(error)) setShown(null);
      },
    });
  }, [JSON.stringify(params), revision]);
  return shown;
}

/** Whether what is shown has long been of other features than those that are named, and of which. */
export function useStale(model: Model, of: { a: number; b: number } | null): string {
  const a = useTrait<number>(model, "feature_a");
  const b = useTrait<number>(model, "feature_b");
  const [slow, setSlow] = useState(false);
  const stale = of !== null && (of.a !== a || of.b !== b);
  useEffect(() => {
    setSlow(false);
    if (!stale) return;
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, [stale]);
  return of && stale && slow ? `Still of feature ${of.a} (A) and feature ${of.b} (B).` : "";
}

/** What is known of a side; of the feature before until the next one's answer is there. */
export function useSide(model: Model, root: HTMLElement, which: Which): Looked<SideJson> | null {
  const f = useTrait<number>(model, traitOf(which));
  const looked = useLookup<SideJson>(model, root, "side", { side: which, f });
  const before = useRef<Looked<SideJson> | null>(null);
  if (looked) before.current = looked;
  return before.current;
}

/** Both sides, the one that stands first first. */
export function useOrder(model: Model): [Which, Which] {
  return useTrait<boolean>(model, "swapped") ? ["B", "A"] : ["A", "B"];
}

/** Keep a token of the corpus; one of a picture of other features than those on their way is left alone. */
export function keep(model: Model, { a, b }: { a: number; b: number }, position: number | null): void {
  if (isOf(model, { feature_a: a, feature_b: b })) save(model, { position });
}

/** The trait of a side's feature. */
export function traitOf(which: Which): "feature_a" | "feature_b" {
  return which === "A" ? "feature_a" : "feature_b";
}
