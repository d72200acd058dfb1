/**
 * The change of each token's log-probability by the recipe, for colouring texts that were written: asked of the channel
 * "effect", text by text, with a client of its own (the tab "Effect" asks there too, and would be cancelled by this).
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { floats } from "../../../kernel/arrays";
import { isCancelled, useClient } from "../../../kernel/kernel";
import { asWireError, type Model, type WireError } from "../../../kernel/types";
import { type EffectJson, json } from "../wire";
import { largest } from "./colours";
import type { Run, Side } from "./run";

export interface Changes {
  /** The change at each token of a text; undefined until it is known. */
  of: (side: Side, sample: number) => Float32Array | undefined;
  prompt: Float32Array | undefined;
  /** The largest change that is known. */
  most: number;
  version: number;
  busy: boolean;
  error: WireError | null;
}

/** For the texts of a finished run, while `on`. */
export function useChanges(model: Model, root: HTMLElement, run: Run | null, on: boolean): Changes {
  const client = useClient(model, root, on);
  const [state, setState] = useState({ version: 0, busy: false, error: null as WireError | null });
  const known = useRef<{ run: Run | null; texts: Map<string, Float32Array> }>({ run: null, texts: new Map() });
  if (known.current.run !== run) known.current = { run, texts: new Map() };
  const { texts } = known.current;
  const ready = on && run?.answer ? run : null;

  useLayoutEffect(() => {
    if (!ready) return;
    let stopped = false;
    const all = async () => {
      for (let sample = 0; sample < ready.baseline.length; sample++)
        for (const side of ["baseline", "edited"] as const) {
          const key = `${side} ${sample}`;
          if (stopped || texts.has(key)) continue;
          const continuation = ready.text(side, sample)?.ids ?? [];
          const params = { ...ready.asked, continuation, freeze: false };
          const reply = await client.current?.request<EffectJson>("effect", json(params));
          if (!reply) return;
          const delta = floats(reply.arrays, "delta");
          texts.set(key, delta.subarray(reply.r.n_prompt));
          if (!texts.has("prompt")) texts.set("prompt", delta.subarray(0, reply.r.n_prompt));
          if (!stopped) setState((before) => ({ ...before, version: before.version + 1 }));
        }
    };
    setState((before) => ({ ...before, busy: true, error: null }));
    let error: WireError | null = null;
    all()
      .catch((reason: unknown) => {
        if (!isCancelled(reason)) error = asWireError(reason);
      })
      .finally(() => !stopped && setState((before) => ({ ...before, busy: false, error })));
    return () => {
      stopped = true;
    };
  }, [ready]);

  return {
    of: (side, sample) => texts.get(`${side} ${sample}`),
    prompt: texts.get("prompt"),
    most: Math.max(0, ...[...texts.values()].map(largest)),
    ...state,
  };
}
