/**
 * A view's line to the kernel as Preact state: what is asked, whether an answer is awaited, and what went wrong. Failures
 * never throw: they become the widget's `error` trait, or a notice where a page has no kernel.
 */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { isGone, UNSENT } from "./gone";
import { Client, type ClientOptions, encodingFor } from "./rpc";
import { save, useTrait } from "./traits";
import { asWireError, type Json, KernelError, type Model, type Reply, type WireError } from "./types";

/** How things stand, as the lines above a result say it (status.tsx). */
export interface Status {
  busy: boolean;
  progress: { done: number; total: number } | null;
  /** The kernel has not said anything for a while. */
  silent: boolean;
  /** What a page without a kernel could not answer. */
  offline: string | null;
  error: WireError | null;
  dismiss: () => void;
}

/** Ask on a channel. `failed` may deal with a failure itself: then it returns true. */
export type Ask = <R>(
  channel: string,
  params: Json,
  done: (reply: Reply<R>) => void,
  failed?: (reason: unknown) => boolean,
) => void;

export interface Kernel {
  status: Status;
  ask: Ask;
  /** What was asked for is shown: notices about what could not be shown go with it. */
  answered: () => void;
  /** The controls go back to what has an answer: that answer leaves the notice of why. */
  goesBack: () => void;
}

/** A client of one's own while `on`, closed with the view. */
export function useClient(
  model: Model,
  root: HTMLElement,
  options: Omit<ClientOptions, "encoding">,
  on = true,
): RefObject<Client | null> {
  const client = useRef<Client | null>(null);
  useLayoutEffect(() => {
    if (!on) return;
    const encoding = encodingFor(root.ownerDocument.body);
    const made = new Client(model, { ...options, encoding, onUnsent: () => isGone(root) });
    client.current = made;
    return () => {
      client.current = null;
      made.close();
    };
  }, [model, root, on]);
  return client;
}

/** Whether a newer question, or the view's end, took the place of the one that failed; or there is nobody to ask (Gone says it). */
export function isCancelled(reason: unknown): boolean {
  return reason instanceof KernelError && (reason.info.type === "Cancelled" || reason.info === UNSENT);
}

export function useKernel(model: Model, root: HTMLElement): Kernel {
  const error = useTrait<WireError | null>(model, "error");
  const [pending, setPending] = useState(0);
  const [progress, setProgress] = useState<Status["progress"]>(null);
  const [silent, setSilent] = useState(false);
  const [offline, setOffline] = useState<string | null>(null);
  const wentBack = useRef(false);
  const client = useClient(model, root, {
    onSilence: setSilent,
    onProgress: (done, total) => setProgress(total > 0 ? { done, total } : null),
  });

  const ask: Ask = (channel, params, done, failed) => {
    setPending((n) => n + 1);
    client.current
      ?.request<never>(channel, params)
      .then(done)
      .catch((reason: unknown) => {
        if (isCancelled(reason) || failed?.(reason)) return;
        const info = asWireError(reason);
        if (info.type === "Offline") setOffline(info.message);
        else save(model, { error: info });
      })
      .finally(() => {
        setPending((n) => n - 1);
        setProgress(null);
      });
  };
  const dismiss = () => {
    setOffline(null);
    if (model.get("error") !== null) save(model, { error: null });
  };
  return {
    status: { busy: pending > 0, progress, silent, offline, error, dismiss },
    ask,
    answered: () => {
      if (!wentBack.current) dismiss();
      wentBack.current = false;
    },
    goesBack: () => {
      wentBack.current = true;
    },
  };
}
