/** A kernel that the tests play: a model that records what the view sends, and synthetic answers. */

import type { CardJson } from "../src/feature/card";
import type { ArraySpec, FromKernel, Json, Model } from "../src/kernel/types";
import type { RankJson, RankRow, TokensJson } from "../src/widgets/heatmap/data";
import { sourcesAnswering } from "./fake_sources";

type Callback = (...args: unknown[]) => void;

export interface Sent {
  t: string;
  id: string;
  ch?: string;
  p?: Record<string, unknown>;
  enc?: string;
}

export class FakeModel implements Model {
  readonly state = new Map<string, unknown>();
  readonly sent: Sent[] = [];
  readonly saved: Record<string, unknown>[] = [];
  readonly #listeners = new Map<string, Set<Callback>>();
  #dirty: Record<string, unknown> = {};
  answer: ((message: Sent) => FromKernel | null) | null = null;

  constructor(state: Record<string, unknown>) {
    for (const [name, value] of Object.entries(state)) this.state.set(name, value);
  }
  get(name: string): unknown {
    return this.state.get(name);
  }
  set(name: string, value: unknown): void {
    if (Object.is(this.state.get(name), value)) return;
    this.state.set(name, value);
    this.#dirty[name] = value;
    this.emit(`change:${name}`);
  }
  save_changes(): void {
    this.saved.push(this.#dirty);
    this.#dirty = {};
  }
  on(event: string, callback: Callback): void {
    const found = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, found.add(callback));
  }
  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }
  send(content: unknown): void {
    const message = content as Sent;
    this.sent.push(message);
    const reply = this.answer?.(message);
    if (reply) queueMicrotask(() => this.emit("msg:custom", reply, []));
  }
  emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#listeners.get(event) ?? [])]) callback(...args);
  }
  /** Kernel to view. */
  receive(message: FromKernel, buffers: unknown[] = []): void {
    this.emit("msg:custom", message, buffers);
  }
  /** A trait set in Python. */
  push(state: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(state)) {
      this.state.set(name, value);
      this.emit(`change:${name}`);
    }
  }
  listeners(): number {
    return [...this.#listeners.values()].reduce((n, set) => n + set.size, 0);
  }
}

export const STATE = {
  text: "the cat",
  sae: "sae",
  default_sae: "sae",
  feature: null,
  features: [],
  selected_tokens: [],
  sort: "max",
  include_special: false,
  min_activation: 0,
  label_query: "",
  limit: 25,
  max_density: 1,
  color_scale: "text",
  indexed: false,
  view: "text",
  theme: "light",
  editable: true,
  error: null,
  revision: 0,
};

export function spec(name: string, dtype: ArraySpec["dtype"], values: ArrayBufferView & { length: number }): ArraySpec {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    name,
    dtype,
    shape: [values.length],
    b64: btoa(Array.from(raw, (byte) => String.fromCharCode(byte)).join("")),
  };
}

/** Tokens BOS, then one per word; feature 3 fires on the first word (2), 5 on every word (1, 2, 3 ...). */
export function tokensAnswer(id: string, text: string, extra: Partial<TokensJson> = {}): FromKernel {
  const words = extra.str ?? ["<|bos|>", ...text.split(" ").filter(Boolean)];
  const n = words.length;
  const feat: number[] = [];
  const act: number[] = [];
  const indptr = [0];
  for (let token = 0; token < n; token++) {
    if (token === 0) {
      feat.push(9);
      act.push(100);
    } else {
      feat.push(5);
      act.push(token);
      if (token === 1) {
        feat.push(3);
        act.push(2);
      }
    }
    indptr.push(feat.length);
  }
  const r: TokensJson = {
    key: `key ${text}`,
    n,
    texts: [[0, n]],
    str: words,
    labels: { "3": "first" },
    described: false,
    complete: true,
    top: null,
    n_features: 48,
    signed: false,
    sae: "sae",
    sources: false,
    provenance: [["model", "tiny"]],
    notes: [],
    activation_name: "activation",
    rank: null,
    ...extra,
  };
  return {
    t: "res",
    id,
    ok: true,
    r: r as unknown as Json,
    arrays: [
      spec("tok_id", "u32", new Uint32Array(n)),
      spec(
        "flags",
        "u8",
        Uint8Array.from({ length: n }, (_, i) => (i === 0 ? 1 : 0)),
      ),
      spec(
        "l0",
        "u32",
        Uint32Array.from({ length: n }, (_, i) => (indptr[i + 1] ?? 0) - (indptr[i] ?? 0)),
      ),
      spec("error", "f32", new Float32Array(n).fill(0.25)),
      spec("norm", "f32", new Float32Array(n).fill(1)),
      spec("indptr", "u32", Uint32Array.from(indptr)),
      spec("feat", "u32", Uint32Array.from(feat)),
      spec("act", "f32", Float32Array.from(act)),
    ],
  };
}

/** What the index says of features without a name. */
export const SAID = { text: "fires on words", kind: "automatic", by: "Made of what the index counted" };

export function cardAnswer(id: string, f: number): FromKernel {
  const n = 3;
  const r: CardJson = {
    f,
    label: null,
    said: SAID,
    activation_name: "activation",
    signed: false,
    counted: 1000,
    count: 5,
    density: 0.005,
    density_of: "5 of 1,000 counted tokens",
    silent: null,
    max: 8,
    min: 1,
    mean: 4,
    histogram: { low: 1, high: 8 },
    histogram_of: null,
    promotes: [{ t: " cat", id: 1, v: 3 }],
    suppresses: [{ t: " dog", id: 2, v: -2 }],
    logits_label: "W_dec @ W_U",
    logits_missing: null,
    examples: {
      f,
      groups: [
        {
          key: "top",
          title: "Top activations",
          detail: "max 8",
          exact: true,
          examples: [{ id: 7, a: 8, start: 0, n, b: 1, doc: "a text", at: 4, more: 0, meta: [], cut: [true, false] }],
        },
      ],
      str: ["the", " <b>bold</b>", " end"],
      scale: 8,
      note: null,
    },
  };
  return {
    t: "res",
    id,
    ok: true,
    r: r as unknown as Json,
    arrays: [
      spec("hist_counts", "u32", new Uint32Array(50).fill(1)),
      spec("hist_sums", "f32", new Float32Array(50).fill(1)),
      spec("hist_bound", "u32", new Uint32Array(0)),
      spec("hist_sums_bound", "f32", new Float32Array(0)),
      spec("act", "f32", Float32Array.from([0, 8, 2])),
      spec("flags", "u8", new Uint8Array(n)),
    ],
  };
}

export function rankAnswer(id: string, text: string, extra: Partial<RankJson> = {}): FromKernel {
  const row = (f: number, max: number, label: string | null): RankRow => ({
    f,
    label,
    said: label === null ? SAID : null,
    max,
    sum: max,
    mean: max,
    n: 1,
    at: 1,
    density: f / 100,
    most: 4 * max,
  });
  const r: RankJson = {
    key: `key ${text}`,
    basis: "all",
    n_tokens: 2,
    total: 2,
    hidden: 0,
    rows: [row(5, 8, null), row(3, 2, "first")],
    selected: [row(5, 8, null), row(3, 2, "first")],
    ...extra,
  };
  return { t: "res", id, ok: true, r: r as unknown as Json, arrays: [] };
}

/** A kernel that answers everything at once. */
export function answering(message: Sent): FromKernel | null {
  if (message.t !== "req") return null;
  const text = String(message.p?.text);
  if (message.ch === "rank") return rankAnswer(message.id, text);
  if (message.ch === "card") return cardAnswer(message.id, Number(message.p?.f));
  const sources = sourcesAnswering(message, `key ${text}`);
  if (sources) return sources;
  if (message.ch === "said") {
    const names = { "9": { label: null, said: { ...SAID, text: "fires first" } } };
    return { t: "res", id: message.id, ok: true, r: { names }, arrays: [] };
  }
  const rank = rankAnswer(message.id, text);
  const of = { sae: (message.p?.sae ?? "sae") as string, rank: (rank as unknown as { r: RankJson }).r };
  return tokensAnswer(message.id, text, of);
}

export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setTimeout(resolve, 2));
}
