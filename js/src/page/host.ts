/**
 * A widget's host without a kernel: the model lives in the page, and questions are answered from what was recorded.
 * What was not recorded is answered as "Offline", so the view can say so.
 */

import type { FromKernel, Json, Model, WireError } from "../kernel/types";
import { fields, type Offline, type Recorded } from "./offline";

export interface Bundle {
  state: Record<string, Json>;
  recorded: Recorded[];
}

/** Answers that are not in the page itself, but in a file beside it. */
export interface Late {
  /** Those that a question may be among, once they are there; null if there are no such, or they are there already. */
  of: (params: Json) => Promise<Recorded[]> | null;
  /** Whether a question may be among them. */
  has: (params: Json) => boolean;
}

type Callback = (...args: unknown[]) => void;

/** One string for equal JSON values (sorted keys). */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function offlineError(message: string): WireError {
  return { type: "Offline", message, traceback: "" };
}

export class RecordedModel implements Model {
  readonly #state: Map<string, unknown>;
  readonly #answers: Map<string, Recorded>;
  readonly #listeners = new Map<string, Set<Callback>>();
  readonly #offline: Offline;
  readonly #late: Late | undefined;

  constructor(bundle: Bundle, offline: Offline = {}, late?: Late) {
    this.#offline = offline;
    this.#late = late;
    this.#state = new Map(Object.entries(bundle.state));
    this.#answers = new Map(bundle.recorded.map((item) => [this.#key(item.ch, item.p), item]));
  }

  /** What an answer is filed under. */
  #key(channel: string, params: Json): string {
    const all = fields(params);
    if (!all) return `${channel} ${canonical(params)}`;
    const kept = Object.entries(all).filter(([name]) => name !== this.#offline.ignored?.[channel]);
    return `${channel} ${canonical(Object.fromEntries(kept))}`;
  }

  get(name: string): unknown {
    return this.#state.get(name);
  }

  set(name: string, value: unknown): void {
    if (Object.is(this.#state.get(name), value)) return;
    this.#state.set(name, value);
    this.#emit(`change:${name}`);
  }

  save_changes(): void {}

  on(event: string, callback: Callback): void {
    const found = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, found.add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }

  send(content: unknown): void {
    const message = content as { t?: string; id?: string; ch?: string; p?: Json };
    if (message.t !== "req" || message.id === undefined || message.ch === undefined) return;
    const { id, ch, p = null } = message;
    const coming = this.#find(ch, p) ? null : this.#late?.of(p);
    if (!coming) {
      queueMicrotask(() => this.#answer(id, ch, p));
      return;
    }
    coming.then(
      (recorded) => {
        for (const item of recorded) this.#answers.set(this.#key(item.ch, item.p), item);
        this.#answer(id, ch, p);
      },
      (reason: unknown) => this.#emit("msg:custom", { t: "res", id, ok: false, e: offlineError(String(reason)) }, []),
    );
  }

  #answer(id: string, ch: string, p: Json): void {
    const found = this.#find(ch, p);
    const answer: FromKernel = found
      ? { t: "res", id, ok: true, r: found.r, arrays: found.arrays }
      : { t: "res", id, ok: false, e: offlineError("Not recorded in this page. Run it live to compute this.") };
    this.#emit("msg:custom", answer, []);
  }

  #find(ch: string, p: Json): Recorded | undefined {
    const filed = this.#answers.get(this.#key(ch, p));
    if (filed) return filed;
    if (ch === "recorded") return this.#whichRecorded(p);
    const all = [...this.#answers.values()];
    return this.#offline.made?.[ch]?.(p, {
      all,
      of: (channel, params) => this.#answers.get(this.#key(channel, params)),
      trait: (name) => this.get(name),
    });
  }

  /** Which of several questions have an answer here, so that a view can grey out the others. */
  #whichRecorded(params: Json): Recorded | undefined {
    if (!Array.isArray(params)) return undefined;
    const asked = params as unknown as { ch: string; p: Json }[];
    return {
      ch: "recorded",
      p: params,
      r: asked.map(({ ch, p }) => this.#answers.has(this.#key(ch, p)) || this.#late?.has(p) === true),
      arrays: [],
    };
  }

  #emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#listeners.get(event) ?? [])]) callback(...args);
  }
}
