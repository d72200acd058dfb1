/**
 * What removing the feature does, asked in slices so that the first underlines come after a moment and not after a
 * minute. It has a client of its own: a slow question here holds up no other, and its progress is not theirs.
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ExamplesAnswer, TextAnswer } from "../../../feature/wire";
import { floats, ints } from "../../../kernel/arrays";
import { isCancelled, useClient } from "../../../kernel/kernel";
import { asWireError, type Json, type Model, type Reply, type WireError } from "../../../kernel/types";

const SLICE = 16;
const CHANGES = 6;
const NONE = 0xffffffff;

export interface EffectsJson {
  f: number;
  n: number[];
  label: string;
  direct_label: string;
  vocab: string[];
}

export interface Change {
  t: string;
  value: number;
}

/** The effects on the tokens of one example, or of the test text. */
export class Effects {
  constructor(
    readonly delta: Float32Array,
    readonly direct: Float32Array,
    readonly clean: Float32Array,
    readonly ablated: Float32Array,
    readonly changeToken: Uint32Array,
    readonly changeValue: Float32Array,
    readonly vocab: string[],
  ) {}

  /** The next tokens that ablation lowers most, then those that it raises most. */
  changes(token: number): { lowered: Change[]; raised: Change[] } {
    const at = (from: number) => {
      const out: Change[] = [];
      for (let k = from; k < from + CHANGES / 2; k++) {
        const index = this.changeToken[token * CHANGES + k] ?? NONE;
        const value = this.changeValue[token * CHANGES + k] ?? Number.NaN;
        if (index !== NONE && Number.isFinite(value)) out.push({ t: this.vocab[index] ?? "", value });
      }
      return out;
    };
    return { lowered: at(0), raised: at(CHANGES / 2) };
  }
}

/** An answer cut into its examples. */
export function cutEffects({ r, arrays }: Reply<EffectsJson>): Effects[] {
  const [delta, direct, clean, ablated] = ["delta", "direct", "p_clean", "p_ablated"].map((name) =>
    floats(arrays, name),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const tokens = ints(arrays, "change_token");
  const values = floats(arrays, "change_value");
  let from = 0;
  return r.n.map((n) => {
    const [a, b] = [from, from + n];
    from = b;
    return new Effects(
      delta.subarray(a, b),
      direct.subarray(a, b),
      clean.subarray(a, b),
      ablated.subarray(a, b),
      tokens.subarray(a * CHANGES, b * CHANGES),
      values.subarray(a * CHANGES, b * CHANGES),
      r.vocab,
    );
  });
}

export interface EffectsState {
  /** By example id. */
  examples: ReadonlyMap<number, Effects>;
  text: Effects | null;
  /** Changes with every slice: the map above stays the same one. */
  version: number;
  labels: { full: string; direct: string };
  /** Null when nothing is under way. */
  progress: { done: number; total: number } | null;
  error: WireError | null;
  dismiss: () => void;
}

interface Known {
  key: string;
  examples: Map<number, Effects>;
  text: { text: string; effects: Effects } | null;
}

const LABELS = { full: "full effect", direct: "direct effect" };

/** Effects for the shown examples and the test text while `on`; what is known of this feature and view is not asked twice. */
export function useEffects(
  model: Model,
  root: HTMLElement,
  on: boolean,
  revision: number,
  examples: ExamplesAnswer | null,
  text: TextAnswer | null,
): EffectsState {
  const [version, setVersion] = useState(0);
  const [progress, setProgress] = useState<EffectsState["progress"]>(null);
  const [error, setError] = useState<WireError | null>(null);
  const [labels, setLabels] = useState(LABELS);
  const known = useRef<Known>({ key: "", examples: new Map(), text: null });

  const client = useClient(model, root, on);

  const f = examples?.json.f ?? text?.json.f ?? null;
  const window = examples?.view === "full" ? "full" : `${examples?.view} ${examples?.window}`;
  const key = JSON.stringify([f, revision, window]);
  if (known.current.key !== key) known.current = { key, examples: new Map(), text: null };
  const textKey = text && text.json.f === f ? text.text : null;

  useLayoutEffect(() => {
    if (!on || f === null) {
      setProgress(null);
      return;
    }
    let stopped = false;
    const mine = known.current;
    const sizes = new Map(
      examples?.json.groups.flatMap((group) => group.examples.map(({ id, n }) => [id, n] as const)),
    );
    const missing = [...sizes.keys()].filter((id) => !mine.examples.has(id));
    const wantsText = textKey !== null && mine.text?.text !== textKey;
    const total = missing.length + (wantsText ? 1 : 0);
    let done = 0;

    const one = async (params: Record<string, Json>, size: number, keep: (parts: Effects[]) => void) => {
      const onProgress = (n: number, of: number) =>
        of > 0 && !stopped && setProgress({ done: done + (n / of) * size, total });
      const reply = await client.current?.request<EffectsJson>("effects", { f, ...params }, { onProgress });
      if (!reply) return;
      keep(cutEffects(reply));
      if (stopped) return;
      done += size;
      setError(null);
      setLabels({ full: reply.r.label || LABELS.full, direct: reply.r.direct_label || LABELS.direct });
      setProgress({ done, total });
      setVersion((n) => n + 1);
    };
    const all = async () => {
      if (total === 0) return;
      setProgress({ done: 0, total });
      if (wantsText)
        await one({ text: textKey }, 1, ([effects]) => {
          if (effects) mine.text = { text: textKey, effects };
        });
      for (let from = 0; from < missing.length && !stopped; from += SLICE) {
        const of = missing.slice(from, from + SLICE);
        await one({ of, view: examples?.view ?? "snippet", window: examples?.window ?? 10 }, of.length, (parts) => {
          of.forEach((id, i) => {
            const effects = parts[i];
            if (effects?.delta.length !== sizes.get(id))
              throw new RangeError("The kernel's effects are of other tokens than the examples.");
            if (effects) mine.examples.set(id, effects);
          });
        });
      }
    };
    all()
      .catch((reason: unknown) => {
        if (!stopped && !isCancelled(reason)) setError(asWireError(reason));
      })
      .finally(() => !stopped && setProgress(null));
    return () => {
      stopped = true;
    };
  }, [on, key, examples, textKey]);

  const { text: heldText, examples: held } = known.current;
  return {
    examples: on ? held : NOTHING,
    text: on && heldText && heldText.text === textKey ? heldText.effects : null,
    version,
    labels,
    progress: on ? progress : null,
    error,
    dismiss: () => setError(null),
  };
}

const NOTHING: ReadonlyMap<number, Effects> = new Map();
