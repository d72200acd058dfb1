/**
 * A view's line to the kernel as Preact state, channel by channel: what is awaited and how far it is, what went wrong, what
 * a page without a kernel could not answer. A view shows it where each result would stand (controls/channelstatus), or all
 * of it in one place (together.ts, controls/status). Failures never throw: they become the widget's `error` trait, too.
 */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { isGone, isSilent, UNSENT } from "./gone";
import { Client, encodingFor, type Heard } from "./rpc";
import { save, useTrait } from "./traits";
import { asWireError, type Json, KernelError, type Model, type Reply, type WireError } from "./types";

export interface Channel {
  busy: boolean;
  progress: { done: number; total: number } | null;
  error: WireError | null;
  /** What a page without a kernel could not answer. */
  offline: string | null;
}

export interface Asking<R> {
  /** True: what is said of the channel stays. */
  done: (reply: Reply<R>) => unknown;
  onPart?: (part: Json) => void;
  /** After a failure, or when the kernel was stopped before it had anything. True: the view deals with it, nothing is said. */
  failed?: (error: WireError) => unknown;
  /** Show the answer also when a newer question waits by then: somebody who drags sees something on the way. */
  onTheWay?: boolean;
}

export type Ask = <R>(channel: string, params: Json, asking: Asking<R>) => void;

export interface Kernel {
  of: (channel: string) => Channel;
  ask: Ask;
  stop: (channel: string) => void;
  dismiss: (channel: string) => void;
  all: Record<string, Channel>;
  /** A failure that no channel shows: another view's, or one that Python set. */
  error: WireError | null;
}

const IDLE: Channel = { busy: false, progress: null, error: null, offline: null };
const QUIET = { busy: false, progress: null };

/** A client of one's own while `on`, closed with the view. */
export function useClient(model: Model, root: HTMLElement, on = true): RefObject<Client | null> {
  const client = useRef<Client | null>(null);
  useLayoutEffect(() => {
    if (!on) return;
    const encoding = encodingFor(root.ownerDocument.body, model.get("encoding"));
    const heard = { onUnsent: () => isGone(root), onSilence: (silent: boolean) => isSilent(root, silent) };
    const made = new Client(model, { encoding, ...heard });
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
  return reason instanceof KernelError && wasDropped(reason.info);
}

/** The same of a failure in the kernel's form. */
export function wasDropped(error: WireError): boolean {
  return error.type === "Cancelled" || error === UNSENT;
}

export function useKernel(model: Model, root: HTMLElement): Kernel {
  const trait = useTrait<WireError | null>(model, "error");
  const [all, setAll] = useState<Record<string, Channel>>({});
  const asked = useRef<Record<string, number>>({});
  const failures = useRef<Record<string, string>>({});
  const client = useClient(model, root);

  const put = (channel: string, change: Partial<Channel>) =>
    setAll((before) => ({ ...before, [channel]: { ...IDLE, ...before[channel], ...change } }));
  /** The trait holds the last failure: it goes with the channel's, unless it is another's by now. */
  const forget = (channel: string) => {
    const error = model.get("error") as WireError | null;
    if (error && error.message === failures.current[channel]) save(model, { error: null });
    delete failures.current[channel];
  };
  const fail = (channel: string, info: WireError) => {
    if (info.type === "Offline") return put(channel, { ...IDLE, offline: info.message });
    put(channel, { ...IDLE, error: info });
    failures.current[channel] = info.message;
    save(model, { error: info });
  };

  const ask: Ask = (channel, params, { done, onPart, failed, onTheWay }) => {
    const turn = (asked.current[channel] ?? 0) + 1;
    asked.current[channel] = turn;
    const latest = () => asked.current[channel] === turn;
    put(channel, { busy: true, progress: null });
    const heard: Heard = {
      onProgress: (n, total) => latest() && put(channel, { progress: total > 0 ? { done: n, total } : null }),
    };
    if (onPart) heard.onPart = onPart;
    client.current
      ?.request<never>(channel, params, heard)
      .then((reply) => {
        if (!latest() && !onTheWay) return;
        const stays = done(reply) === true;
        if (!latest()) return;
        put(channel, stays ? QUIET : IDLE);
        if (!stays) forget(channel);
      })
      .catch((reason: unknown) => {
        if (!latest()) return;
        const info = asWireError(reason);
        if (failed?.(info) === true || wasDropped(info)) put(channel, QUIET);
        else fail(channel, info);
      });
  };
  const shown = Object.values(all).some(({ error }) => error && error.message === trait?.message);
  return {
    of: (channel) => all[channel] ?? IDLE,
    ask,
    stop: (channel) => client.current?.cancel(channel),
    dismiss: (channel) => {
      forget(channel);
      put(channel, { error: null, offline: null });
    },
    all,
    error: shown ? null : trait,
  };
}
