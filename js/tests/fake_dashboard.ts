/** A kernel of the dashboard that the tests play: features fire on "the"; each number has its own seed. */

import type { ExampleJson, ExamplesJson, FeatureJson, GroupJson } from "../src/feature/wire";
import type { ArraySpec, FromKernel, Json } from "../src/kernel/types";
import type { EffectsJson } from "../src/widgets/dashboard/examples/effects";
import { type Sent, spec } from "./fake";
import { sourcesAnswering } from "./fake_sources";

export const N_FEATURES = 1000;
export const DEAD = 13;

export const STATE = {
  feature: 17,
  features: [],
  text: "",
  activation_range: [],
  group: "all",
  view: "snippet",
  window: 5,
  sort: "density",
  ablation: false,
  token_filter: "",
  where: [],
  selected_example: null,
  live: true,
  sources: false,
  theme: "light",
  error: null,
  revision: 0,
};

export function featureJson(f: number, extra: Partial<FeatureJson> = {}): FeatureJson {
  const dead = f === DEAD;
  return {
    f,
    label: f === 17 ? "the article" : null,
    said: [
      { text: "articles before nouns", kind: "explanation", by: "Explanation of gpt-4o-mini" },
      { text: "fires on the, a", kind: "automatic", by: "Made of what the index counted; nobody wrote it" },
    ],
    can_label: true,
    order: dead
      ? { position: null, total: 999, previous: null, next: null }
      : { position: f, total: 999, previous: f > 0 ? f - 1 : null, next: f + 1 },
    activation_name: "activation",
    signed: false,
    counted: 123_456,
    count: dead ? 0 : 385,
    density: dead ? 0 : 385 / 123_456,
    density_of: `${dead ? 0 : 385} of 123,456 counted tokens`,
    silent: dead ? "This feature never fires on this corpus (123,456 tokens)." : null,
    max: dead ? null : 10,
    min: dead ? null : 0.1,
    mean: dead ? null : 2.5,
    complete: true,
    kept: dead ? 0 : 385,
    stated: false,
    histogram: dead ? null : { low: 0, high: 10 },
    histogram_of: null,
    logits: {
      label: "logit lens, final norm folded in",
      low: -2,
      high: 3,
      mean: 0,
      std: 0.4,
      skew: 0.2,
      kurtosis: 3.1,
      top: [
        { t: " cat", id: 1, v: 3 },
        { t: " dog", id: 2, v: 2.5 },
      ],
      bottom: [{ t: " of", id: 3, v: -2 }],
    },
    logits_missing: null,
    tokens: dead ? [] : [{ t: " the", id: 4, count: 300, about: null, mean: 3, share: 0.25 }],
    tokens_of: null,
    alignment: [{ i: 7, v: -0.31, share: 0.04 }],
    alignment_label: "decoder entries in the basis of hook_resid_pre",
    neurons: [],
    neurons_label: "coordinates of hook_resid_pre",
    neurons_missing: "No neurons were recorded with this index.",
    correlated: dead ? [] : [{ f: 23, r: 0.9, together: 120, label: "other articles", said: null }],
    correlated_label: "features that go with it",
    correlated_of: null,
    correlated_missing: dead ? "It never fires." : null,
    neighbours: [{ f: 31, cos: 0.7, label: null, said: null }],
    columns: [{ name: "source", values: ["news", "code"] }],
    notes: ["A note."],
    provenance: [["model", "tiny"]],
    ...extra,
  };
}

export function featureAnswer(id: string, f: number, extra: Partial<FeatureJson> = {}): FromKernel {
  const r = featureJson(f, extra);
  const arrays: ArraySpec[] = [];
  {
    // Of a feature that never fires they are all 0.
    const counts = Uint32Array.from({ length: 50 }, (_, i) => (r.histogram ? 50 - i : 0));
    arrays.push(spec("hist_counts", "u32", counts));
    const sums = Float32Array.from(counts, (n, i) => (n * i) / 5);
    arrays.push(spec("hist_sums", "f32", sums));
    // Of an estimate the last bar may be off by 3, and the others are exact.
    const off = (by: number) => (r.histogram_of ? counts.map((_, i) => (i === 49 ? by : 0)) : []);
    arrays.push(spec("hist_bound", "u32", Uint32Array.from(off(3))));
    arrays.push(spec("hist_sums_bound", "f32", Float32Array.from(off(30))));
  }
  if (r.logits)
    arrays.push(
      spec(
        "logit_counts",
        "u32",
        Uint32Array.from({ length: 50 }, (_, i) => i),
      ),
    );
  return { t: "res", id, ok: true, r: r as unknown as Json, arrays };
}

/** Examples from their words: the activation of each is its place in the list, the token is the middle word. */
export function examplesAnswer(
  id: string,
  f: number,
  lines: string[][] = LINES,
  key = "top",
  exact = true,
): FromKernel {
  const examples: ExampleJson[] = [];
  const str: string[] = [];
  lines.forEach((words, i) => {
    const b = Math.floor(words.length / 2);
    examples.push({
      id: f * 10_000 + i,
      a: lines.length - i,
      start: str.length,
      n: words.length,
      b,
      doc: `doc-${i}`,
      at: 40 + i,
      more: i === 1 ? 3 : 0,
      meta: [["source", "news"]],
      cut: [true, i > 0],
    });
    str.push(...words);
  });
  const groups: GroupJson[] = [{ key, title: "Top activations", detail: `${examples.length} tokens`, exact, examples }];
  const r: ExamplesJson = { f, groups, str, scale: 10, note: null };
  const act = new Float32Array(str.length);
  for (const { a, start, b } of examples) act[start + b] = a ?? 0;
  return {
    t: "res",
    id,
    ok: true,
    r: r as unknown as Json,
    arrays: [spec("act", "f32", act), spec("flags", "u8", new Uint8Array(str.length))],
  };
}

export const LINES = [
  ["on", " top", " of", " the", " old", " hill", "\n"],
  ["in", " front", " of", " the", " cat", " and", " dog"],
];

export function effectsAnswer(id: string, f: number, n: number[], delta = -0.5): FromKernel {
  const total = n.reduce((a, b) => a + b, 0);
  const r: EffectsJson = {
    f,
    n,
    label: "full effect",
    direct_label: "direct effect",
    vocab: [" cat", " dog"],
  };
  const filled = (value: number) => new Float32Array(total).fill(value);
  const changes = new Uint32Array(6 * total).fill(0xffffffff);
  for (let token = 0; token < total; token++) {
    changes[token * 6] = 0;
    changes[token * 6 + 3] = 1;
  }
  // The first token of each example has no effect on itself, the second one's is of the other sign.
  const deltas = filled(delta);
  let from = 0;
  for (const size of n) {
    deltas[from] = Number.NaN;
    deltas[from + 1] = -delta / 2;
    from += size;
  }
  return {
    t: "res",
    id,
    ok: true,
    r: r as unknown as Json,
    arrays: [
      spec("delta", "f32", deltas),
      spec("direct", "f32", filled(delta / 4)),
      spec("p_clean", "f32", filled(0.5)),
      spec("p_ablated", "f32", filled(0.25)),
      spec("change_token", "u32", changes),
      spec("change_value", "f32", new Float32Array(6 * total).fill(-0.25)),
    ],
  };
}

function textAnswer(id: string, f: number, text: string): FromKernel {
  const str = text.split(/(?= )/);
  const act = Float32Array.from(str, (word) => (word.trim() === "the" ? 6 : 0));
  return {
    t: "res",
    id,
    ok: true,
    r: { f, n: str.length, str, notes: [] },
    arrays: [spec("act", "f32", act), spec("flags", "u8", new Uint8Array(str.length))],
  };
}

/** A kernel that answers everything at once. */
export function answering(message: Sent): FromKernel | null {
  if (message.t !== "req" || !message.p) return null;
  const { id, ch, p } = message;
  const f = Number(p.f);
  if (f >= N_FEATURES) {
    const e = { type: "FeatureError", message: `There is no feature ${f} (0 to ${N_FEATURES - 1}).`, traceback: "" };
    return { t: "res", id, ok: false, e };
  }
  if (ch === "feature") return featureAnswer(id, f);
  if (ch === "examples") return examplesAnswer(id, f, f === DEAD ? [] : LINES);
  if (ch === "text") return textAnswer(id, f, String(p.text));
  if (ch === "effects") {
    const sizes = Array.isArray(p.of) ? p.of.map(() => 7) : [String(p.text).split(/(?= )/).length];
    return effectsAnswer(id, f, sizes);
  }
  if (ch === "sources") return sourcesAnswering(message);
  if (ch === "label") return { t: "res", id, ok: true, r: { f, label: String(p.label) }, arrays: [] };
  if (ch === "random") return { t: "res", id, ok: true, r: { f: 99 }, arrays: [] };
  return null;
}
