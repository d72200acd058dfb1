/**
 * The panel's line to the kernel, channel by channel: each has its own progress and its own failure, shown where its
 * result would stand, so that a sweep that fails leaves the texts and the recipe as they are.
 */

import { useRef, useState } from "preact/hooks";
import { isCancelled, useClient } from "./kernel";
import type { Heard } from "./rpc";
import { save, useTrait } from "./traits";
import { asWireError, type Json, type Model, type Reply, type WireError } from "./types";

export interface Channel {
  busy: boolean;
  progress: { done: number; total: number } | null;
  error: WireError | null;
  /** What a page without a kernel could not answer. */
  offline: string | null;
}

interface Asking<R> {
  done: (reply: Reply<R>) => void;
  onPart?: (part: Json) => void;
  /** After a failure, or when the kernel was stopped before it had anything. */
  failed?: (error: WireError) => void;
}

export interface Channels {
  of: (channel: string) => Channel;
  ask: <R>(channel: string, params: Json, asking: Asking<R>) => void;
  stop: (channel: string) => void;
  dismiss: (channel: string) => void;
  /** The kernel has not said anything for a while. */
  silent: boolean;
  /** A failure that no channel shows: another view's, or one that Python set. */
  error: WireError | null;
  clear: () => void;
}

const IDLE: Channel = { busy: false, progress: null, error: null, offline: null };

export function useChannels(model: Model, root: HTMLElement): Channels {
  const trait = useTrait<WireError | null>(model, "error");
  const [all, setAll] = useState<Record<string, Channel>>({});
  const [silent, setSilent] = useState(false);
  const asked = useRef<Record<string, number>>({});
  const failures = useRef<Record<string, string>>({});
  const client = useClient(model, root, { onSilence: setSilent });

  const put = (channel: string, change: Partial<Channel>) =>
    setAll((before) => ({ ...before, [channel]: { ...IDLE, ...before[channel], ...change } }));
  const clear = () => model.get("error") !== null && save(model, { error: null });
  /** The trait holds the last failure: it goes with the channel's, unless it is another's by now. */
  const forget = (channel: string) => {
    const error = model.get("error") as WireError | null;
    if (error && error.message === failures.current[channel]) clear();
    delete failures.current[channel];
  };

  const ask = <R>(channel: string, params: Json, { done, onPart, failed }: Asking<R>) => {
    const turn = (asked.current[channel] ?? 0) + 1;
    asked.current[channel] = turn;
    const latest = () => asked.current[channel] === turn;
    put(channel, { busy: true, progress: null });
    const heard: Heard = {
      onProgress: (n, total) => latest() && put(channel, { progress: total > 0 ? { done: n, total } : null }),
    };
    if (onPart) heard.onPart = onPart;
    client.current
      ?.request<R>(channel, params, heard)
      .then((reply) => {
        if (!latest()) return;
        done(reply);
        put(channel, IDLE);
        forget(channel);
      })
      .catch((reason: unknown) => {
        if (!latest()) return;
        const info = asWireError(reason);
        const offline = info.type === "Offline";
        if (isCancelled(reason)) put(channel, { busy: false, progress: null });
        else put(channel, { ...IDLE, error: offline ? null : info, offline: offline ? info.message : null });
        if (!offline && !isCancelled(reason)) {
          failures.current[channel] = info.message;
          save(model, { error: info });
        }
        failed?.(info);
      });
  };
  const dismiss = (channel: string) => {
    forget(channel);
    put(channel, { error: null, offline: null });
  };
  const shown = Object.values(all).some(({ error }) => error && error.message === trait?.message);
  return {
    of: (channel) => all[channel] ?? IDLE,
    ask,
    stop: (channel) => client.current?.cancel(channel),
    dismiss,
    silent,
    error: shown ? null : trait,
    clear,
  };
}
