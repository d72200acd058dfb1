/** Questions on the side, for what is pointed at: asked once each, and nothing is said of them while they are on their way. */

import { useEffect, useRef, useState } from "preact/hooks";
import { isCancelled, useClient } from "./kernel";
import { useRevision } from "./traits";
import { asWireError, type Json, type Model, type Reply } from "./types";

const KEPT = 200;

export interface Looked<R> {
  reply: Reply<R> | null;
  /** Why there is none; "" for what a page without a kernel does not have. */
  error: string;
}

/** The answer to `params`, once it is there; null while there is none, or nothing to ask. */
export function useLookup<R>(model: Model, root: HTMLElement, channel: string, params: Json): Looked<R> | null {
  const client = useClient(model, root);
  const revision = useRevision(model);
  const known = useRef({ revision, answers: new Map<string, Looked<R>>() });
  const [, draw] = useState(0);
  if (known.current.revision !== revision) known.current = { revision, answers: new Map() };
  const key = JSON.stringify(params);
  useEffect(() => {
    const { answers } = known.current;
    if (params === null || answers.has(key)) return;
    const keep = (looked: Looked<R>) => {
      const oldest = answers.keys().next().value;
      if (answers.size >= KEPT && oldest !== undefined) answers.delete(oldest);
      answers.set(key, looked);
      draw((n) => n + 1);
    };
    client.current?.request<R>(channel, params).then(
      (reply) => keep({ reply, error: "" }),
      (reason: unknown) => {
        const { type, message } = asWireError(reason);
        if (!isCancelled(reason)) keep({ reply: null, error: type === "Offline" ? "" : message });
      },
    );
  }, [key, revision]);
  return params === null ? null : (known.current.answers.get(key) ?? null);
}
