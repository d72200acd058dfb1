/** A kernel of the attribution panel that the tests play: BOS and the words of each prompt, features 3, 5 and 8. */

import type { FromKernel, Json } from "../src/kernel/types";
import type {
  AttributionJson,
  CheckJson,
  ColourJson,
  Next,
  PredictionsJson,
  RankJson,
  RankRow,
  WithoutJson,
} from "../src/widgets/attribution/wire";
import { cardAnswer, SAID, type Sent, spec } from "./fake";

export const STATE = {
  prompt: "the cat",
  target: " sat",
  foil: " ran",
  measure: "logits",
  linearised: [],
  steps: 1,
  sae: "late",
  path: [],
  selected_tokens: [],
  include_special: false,
  sort: "size",
  limit: 20,
  feature: null,
  chosen: [],
  recipe: { interventions: [], keep_error: true, name: "", system: true, thinking: true, version: 1 },
  given: "",
  saes: ["early", "late"],
  default_sae: "early",
  indexed: [],
  editable: true,
  theme: "light",
  error: null,
  revision: 0,
};

/** The texts as tokens: BOS and the words. */
export const tokensOf = (prompt: unknown) =>
  (Array.isArray(prompt) ? prompt : [prompt]).map((text) => ["<|bos|>", ...String(text).split(" ").filter(Boolean)]);

/** Of one question, what tokens, rankings and colours share. */
export const keyOf = (of: Record<string, Json>) => JSON.stringify([of.prompt, of.target, of.foil, of.sae, of.path]);

const named = (f: number) => (f === 3 ? { label: "<b>three</b>", said: null } : { label: null, said: SAID });
const next = (id: number, str: string, before: number, typed = true): Next => ({
  id,
  str,
  before,
  after: before / 2,
  typed,
});
export const NEXT = [next(1, " sat", 0.5), next(2, " ran", 0.25), next(3, "\n", 0.1), next(4, "<0xC9>", 0.05, false)];

/** By feature: attribution, activation, true effect. */
export const FEATURES: Record<number, [number, number, number]> = {
  3: [2, 4, 1.5],
  5: [-1, 2, -0.5],
  8: [0.5, 1, 0.25],
};

export interface Played {
  /** Features of which the true effects are known. */
  checked: boolean;
}
export const kernel: Played = { checked: false };

function row(f: number, several: boolean): RankRow {
  const [value, act, effect] = FEATURES[f] ?? [0, 0, 0];
  return {
    f,
    ...named(f),
    value,
    act,
    positions: 2,
    at: 1,
    text: 0,
    position: 1,
    std: several ? 0.25 : null,
    texts: 1,
    effect: kernel.checked ? effect : null,
    density: f / 100,
  };
}

function attribution(id: string, of: Record<string, Json>): FromKernel {
  const texts = tokensOf(of.prompt);
  const str = texts.flat();
  const starts = texts.map((_, i) => texts.slice(0, i).flat().length);
  const path = (of.path ?? []) as { sae: string; feature: number }[];
  const sae = path.length > 0 && of.sae === "late" ? "early" : String(of.sae);
  const said = path.length ? `activation of feature ${path.at(-1)?.feature}` : `${of.target} - ${of.foil}`;
  const r: AttributionJson = {
    key: keyOf({ ...of, sae }),
    n: str.length,
    texts: texts.map((tokens, i) => [starts[i] ?? 0, (starts[i] ?? 0) + tokens.length]),
    str,
    metric: said,
    said: texts.map((tokens) => `${said} after ${tokens.at(-1)}`),
    values: texts.map(() => 1.5),
    mean: 1.5,
    std: texts.length > 1 ? 0.125 : null,
    held: [],
    linearised: of.linearised as string[],
    steps: Number(of.steps),
    sae,
    saes: ["early", "late"].map((name) => ({ name, error_share: 0.25, n: 6 })),
    error_share: 0.25,
    earlier: sae === "late" ? ["early"] : [],
    notes: ["a note"],
    provenance: [["model", "tiny"]],
  };
  const of_tokens = (value: (token: number) => number) => Float32Array.from(str, (_, token) => value(token));
  const arrays = [
    spec("tok_id", "u32", new Uint32Array(str.length)),
    spec(
      "flags",
      "u8",
      Uint8Array.from(str, (_, token) => (starts.includes(token) ? 1 : 0)),
    ),
    spec(
      "features",
      "f32",
      of_tokens((token) => (token % 2 ? token : -token)),
    ),
    spec(
      "error",
      "f32",
      of_tokens(() => 0.25),
    ),
    spec(
      "bias",
      "f32",
      of_tokens(() => 0.125),
    ),
    spec(
      "embedding",
      "f32",
      of_tokens(() => 0.5),
    ),
  ];
  return { t: "res", id, ok: true, r: r as unknown as Json, arrays };
}

const ORDERS: Record<string, (f: number) => number> = {
  size: (f) => Math.abs(FEATURES[f]?.[0] ?? 0),
  positive: (f) => FEATURES[f]?.[0] ?? 0,
  negative: (f) => -(FEATURES[f]?.[0] ?? 0),
  effect: (f) => Math.abs(FEATURES[f]?.[2] ?? 0),
};

function rank(p: Record<string, Json>): RankJson {
  const order = ORDERS[String(p.sort)] ?? (() => 0);
  const tokens = (p.tokens ?? []) as number[];
  const features = Object.keys(FEATURES).map(Number);
  const listed = p.sort === "effect" && !kernel.checked ? [] : features.filter((f) => order(f) > 0);
  listed.sort((a, b) => order(b) - order(a));
  return {
    key: keyOf(p.of as Record<string, Json>),
    rows: listed.slice(0, Number(p.limit)).map((f) => row(f, tokensOf((p.of as { prompt: Json }).prompt).length > 1)),
    total: listed.length,
    positive: 2.5,
    negative: -1,
    layers: [
      { name: "early", positive: 0.5, negative: 0, n: 1, error_share: null },
      { name: "late", positive: 2.5, negative: -1, n: 3, error_share: 0.25 },
    ],
    n_tokens: tokens.length || 2,
    basis: tokens.length ? "selected" : "all",
  };
}

/** A check as far as it came: its first `n` rows. */
export function check(of: Record<string, Json>, n = 3): CheckJson {
  const rows = [3, 5, 8].slice(0, n).map((f, i) => {
    const [value, act, effect] = FEATURES[f] ?? [0, 0, 0];
    return { f, ...named(f), top: i < 2, act, value, effect };
  });
  const correlations = ["all", "top", "random"].flatMap((among) =>
    ["attribution", "activation", "activation, size"].map((measure) => ({
      measure,
      among,
      n: among === "all" ? rows.length : 1,
      pearson: among === "all" ? 0.75 : null,
      spearman: among === "all" ? 0.5 : null,
    })),
  );
  return { key: keyOf(of), rows, total: 7, correlations };
}

/** A kernel that answers everything at once, but no check: the tests finish it. */
export function slow(message: Sent): FromKernel | null {
  return message.ch === "check" ? null : answering(message);
}

export function answering({ t, id, ch, p }: Sent): FromKernel | null {
  if (t !== "req") return null;
  const answer = (r: object, arrays: ReturnType<typeof spec>[] = []): FromKernel => {
    return { t: "res", id, ok: true, r: r as Json, arrays };
  };
  const params = p as Record<string, Json>;
  const of = (params.of ?? {}) as Record<string, Json>;
  if (ch === "attribution") return attribution(id, params);
  if (ch === "rank") return answer(rank(params));
  if (ch === "card") return cardAnswer(id, Number(params.f));
  if (ch === "complete") {
    const found = [" sat", " sats", "sat"].filter((str) => str.trim().startsWith(String(params.q).trim()));
    return answer({ tokens: found.map((str, i) => ({ id: i, str })) });
  }
  if (ch === "colour") {
    const n = tokensOf(of.prompt).flat().length;
    const r: ColourJson = { key: keyOf(of), f: Number(params.f), ...named(Number(params.f)) };
    return answer(r, [
      spec("act", "f32", new Float32Array(n).fill(4)),
      spec("value", "f32", new Float32Array(n).fill(2)),
    ]);
  }
  if (ch === "predictions") {
    const texts = tokensOf(params.prompt).map((tokens) => ({ prompt: tokens.join(" "), next: NEXT }));
    return answer({ sae: String(params.sae), texts } satisfies PredictionsJson);
  }
  if (ch === "check") {
    kernel.checked = true;
    return answer(check(of));
  }
  const removed = params.features as number[];
  const texts = tokensOf(of.prompt).map((tokens) => ({ at: tokens.length - 1, before: 1.5, after: -0.5, next: NEXT }));
  return answer({ key: keyOf(of), removed, silent: removed.filter((f) => !FEATURES[f]), texts } satisfies WithoutJson);
}
