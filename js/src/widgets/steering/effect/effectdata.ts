/** What the recipe does to a given text: the question, and its answer by token. */

import { useState } from "preact/hooks";
import { floats } from "../../../kernel/arrays";
import { useFollow } from "../../../kernel/follow";
import type { Kernel } from "../../../kernel/kernel";
import type { Reply } from "../../../kernel/types";
import type { TokenStrings } from "../../../tokens/tokentext";
import type { Run, Side } from "../run/run";
import type { State } from "../state";
import { type Asked, type EffectJson, json } from "../wire";

const ASK_MS = 300;

/** Which text: the prompt alone (null), or with one that was written. */
export type Which = { side: Side; sample: number } | null;

export interface Change {
  t: string;
  value: number;
}

export interface Effect {
  json: EffectJson;
  tokens: TokenStrings;
  delta: Float32Array;
  kl: Float32Array;
  clean: Float32Array;
  edited: Float32Array;
  /** With attention patterns frozen; null if that was not asked for. */
  frozen: { delta: Float32Array; kl: Float32Array } | null;
  /** Per edited feature and token. */
  acts: { clean: Float32Array; requested: Float32Array; realised: Float32Array }[];
  /** The next tokens that are lowered and raised most at a position. */
  changes: (token: number) => { lowered: Change[]; raised: Change[] };
}

export function effectOf({ r, arrays }: Reply<EffectJson>): Effect {
  const n = r.str.length;
  const named = (name: string) => floats(arrays, name);
  const acts = (name: string, row: number) => named(name).subarray(row * n, (row + 1) * n);
  const at = (strings: string[][], name: string, token: number): Change[] => {
    const here = strings[token] ?? [];
    const values = named(name);
    const k = n > 0 ? Math.floor(values.length / n) : 0;
    return here.flatMap((t, i) => {
      const value = values[token * k + i] ?? Number.NaN;
      return Number.isFinite(value) ? [{ t, value }] : [];
    });
  };
  return {
    json: r,
    tokens: r,
    delta: named("delta"),
    kl: named("kl"),
    clean: named("p_clean"),
    edited: named("p_edited"),
    frozen: arrays.frozen_delta ? { delta: named("frozen_delta"), kl: named("frozen_kl") } : null,
    acts: r.rows.map((_, row) => ({
      clean: acts("clean_acts", row),
      requested: acts("requested", row),
      realised: acts("realised", row),
    })),
    changes: (token) => ({ lowered: at(r.lowered, "lowered", token), raised: at(r.raised, "raised", token) }),
  };
}

export interface EffectState {
  effect: Effect | null;
  which: Which;
  choose: (which: Which) => void;
  /** What is asked for a text. */
  params: (which: Which) => object;
}

export function useEffectOf(state: State, kernel: Kernel, run: Run | null, freeze: boolean, on: boolean): EffectState {
  const [effect, setEffect] = useState<Effect | null>(null);
  const [wanted, choose] = useState<Which>(null);
  const { asked, revision } = state;
  // Texts of another run may be fewer.
  const which = wanted && run?.answer && run.text(wanted.side, wanted.sample) ? wanted : null;
  const params = (one: Which) => {
    const text = one && run?.text(one.side, one.sample);
    if (!one || !text || !run) return { ...asked, continuation: null, freeze };
    // A text belongs to the prompt that it was written for; the recipe is the one on screen.
    const { prompt, chat, messages }: Asked = run.asked;
    return { recipe: asked.recipe, prompt, chat, messages, continuation: text.ids, freeze };
  };
  useFollow<EffectJson>(kernel, "effect", json(params(which)), { on, wait: ASK_MS, revision }, (reply) =>
    setEffect(effectOf(reply)),
  );
  return { effect, which, choose, params };
}
