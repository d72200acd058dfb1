/**
 * Questions to the kernel. One request in flight per channel: a newer one waits, asks the kernel to drop the one in
 * flight, and replaces any other that waits. Every view has its own client; views of one widget hear each other's
 * answers and ignore them.
 */

import { decode } from "./arrays";
import { UNSENT } from "./gone";
import { type Encoding, type FromKernel, type Json, KernelError, type Model, type Reply } from "./types";

const SILENCE_MS = 15_000;
const CANCELLED = { type: "Cancelled", message: "A newer request took its place.", traceback: "" };

/** What is heard of a request before its answer. */
export interface Heard {
  /** Answers that come bit by bit (a text as it is written). */
  onPart?: (part: Json) => void;
  onProgress?: (done: number, total: number) => void;
}

interface Asked {
  id: string;
  params: Json;
  heard: Heard;
  resolve: (reply: Reply<Json>) => void;
  reject: (error: unknown) => void;
  cancelled: boolean;
}

interface Channel {
  flying: Asked | null;
  waiting: Asked | null;
}

export interface ClientOptions {
  encoding: Encoding;
  /** Called with true when the kernel has not said anything about a request for a while, with false when it does. */
  onSilence?: (silent: boolean) => void;
  /** Called when a question cannot be sent: there is no line to the kernel any more. */
  onUnsent?: () => void;
}

export class Client {
  readonly #model: Model;
  readonly #options: ClientOptions;
  readonly #view = Math.random().toString(36).slice(2);
  readonly #channels = new Map<string, Channel>();
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listener = (message: unknown, buffers: unknown) => this.#receive(message, buffers);

  constructor(model: Model, options: ClientOptions) {
    this.#model = model;
    this.#options = options;
    model.on("msg:custom", this.#listener);
  }

  /** Ask on a channel. Rejects with a KernelError; its type is "Cancelled" if a newer request took its place. */
  request<R>(channel: string, params: Json, heard: Heard = {}): Promise<Reply<R>> {
    return new Promise((resolve, reject) => {
      const id = `${this.#view}:${++this.#count}`;
      const asked: Asked = { id, params, heard, resolve: resolve as Asked["resolve"], reject, cancelled: false };
      const state = this.#channels.get(channel) ?? { flying: null, waiting: null };
      this.#channels.set(channel, state);
      if (state.flying === null) {
        state.flying = asked;
        this.#send(channel, asked);
        return;
      }
      state.waiting?.reject(new KernelError(CANCELLED));
      state.waiting = asked;
      this.#cancel(state.flying);
    });
  }

  /** Ask the kernel to stop what is in flight on a channel: it answers with what there is, or that it was cancelled. */
  cancel(channel: string): void {
    const state = this.#channels.get(channel);
    state?.waiting?.reject(new KernelError(CANCELLED));
    if (!state?.flying) return;
    state.waiting = null;
    this.#cancel(state.flying);
  }

  /** Stop listening; pending requests are rejected as cancelled. */
  close(): void {
    this.#model.off("msg:custom", this.#listener);
    clearTimeout(this.#timer);
    for (const { flying, waiting } of this.#channels.values())
      for (const asked of [flying, waiting]) asked?.reject(new KernelError(CANCELLED));
    this.#channels.clear();
  }

  #send(channel: string, asked: Asked): void {
    try {
      this.#model.send({ t: "req", id: asked.id, ch: channel, p: asked.params, enc: this.#options.encoding });
    } catch {
      // A closed connection refuses to send. The channel must not wait for an answer that never comes.
      this.#options.onUnsent?.();
      asked.reject(new KernelError(UNSENT));
      this.#next(channel);
      return;
    }
    this.#watch();
  }

  #cancel(asked: Asked): void {
    if (asked.cancelled) return;
    asked.cancelled = true;
    try {
      this.#model.send({ t: "cancel", id: asked.id });
    } catch {
      // Then the kernel goes on computing: a waste, not an error.
    }
  }

  /** What waits on a channel takes off. */
  #next(channel: string): void {
    const state = this.#channels.get(channel);
    if (!state) return;
    state.flying = state.waiting;
    state.waiting = null;
    if (state.flying) this.#send(channel, state.flying);
    else this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const flying = [...this.#channels.values()].some((state) => state.flying !== null);
    if (flying) this.#timer = setTimeout(() => this.#options.onSilence?.(true), SILENCE_MS);
  }

  #receive(message: unknown, buffers: unknown): void {
    const content = message as FromKernel | null;
    if (typeof content !== "object" || content === null || content.t === "names") return;
    if (!["res", "progress", "part"].includes(content.t)) return;
    const entry = [...this.#channels].find(([, state]) => state.flying?.id === content.id);
    const flying = entry?.[1].flying;
    if (!entry || !flying) return;
    this.#options.onSilence?.(false);
    if (content.t !== "res") {
      this.#watch();
      if (content.t === "part") flying.heard.onPart?.(content.r);
      else flying.heard.onProgress?.(content.done, content.total);
      return;
    }
    this.#next(entry[0]);
    if (!content.ok) {
      flying.reject(new KernelError(content.e));
      return;
    }
    try {
      const list = Array.isArray(buffers) ? (buffers as unknown[]) : [];
      flying.resolve({ r: content.r, arrays: decode(content.arrays, list) });
    } catch (error) {
      flying.reject(error);
    }
  }
}

/**
 * What the widget's trait says; else binary, except in VS Code, where binary buffers cross as arrays of numbers and base64 is
 * six times faster.
 */
export function encodingFor(body: HTMLElement, wanted?: unknown): Encoding {
  if (wanted && wanted !== "auto") return wanted as Encoding;
  const vscode = body.dataset.vscodeThemeKind !== undefined || /(^|\s)vscode-/.test(body.className);
  return vscode ? "base64" : "binary";
}
