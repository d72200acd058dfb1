/** A kernel of the steering panel that the tests play: texts about Tuesdays, with and without an edit. */

import type { ArraySpec, FromKernel, Json } from "../src/kernel/types";
import type { Intervention, Recipe } from "../src/widgets/steering/recipe/recipe";
import {
  type Facts,
  MEASURES,
  type Measure,
  type Part,
  type PromptJson,
  type RowScale,
  type Scales,
  type StepToken,
  type SweepJson,
} from "../src/widgets/steering/wire";
import { type Sent, spec } from "./fake";

/** What an index says of features without a name. */
const PROMPTED = {
  text: "fires on </script>, cup",
  kind: "automatic",
  by: "Made of what the index counted; nobody wrote it",
};

export const FACTS: Facts = {
  has_chat: true,
  saes: [
    {
      name: "res",
      n: 16384,
      hook: "blocks.15.hook_resid_pre",
      kind: "SAE",
      reconstructs: true,
      activation: "activation",
    },
  ],
  context: 2048,
  thinking: false,
  presets: [
    { key: "tutorial", name: "SAELens tutorial", formula: "h += strength \u00b7 max activation \u00b7 W_dec[f]" },
    { key: "anthropic", name: "Anthropic clamp", formula: "a becomes 5 \u00b7 max activation" },
  ],
};

export const ROW: Intervention = {
  features: [7650],
  sae: null,
  kind: "add",
  value: 2,
  unit: "max",
  positions: "all",
  special: false,
  only_active: false,
  when: null,
  by: null,
  low: null,
  max_activation: null,
  on: true,
  direction: null,
  hook: null,
  label: null,
};

export const recipeOf = (...interventions: Intervention[]): Recipe => ({
  version: 1,
  name: "",
  keep_error: true,
  system: true,
  thinking: true,
  interventions,
});

export const SETTINGS = {
  seed: 7,
  n_tokens: 6,
  temperature: 0.7,
  top_p: 1,
  top_k: 0,
  repetition_penalty: 1,
  samples: 1,
};

export const STATE = {
  prompt: "My favourite day is",
  chat: false,
  messages: [],
  recipe: recipeOf(ROW),
  ...SETTINGS,
  view: "text",
  color: "none",
  answer: "",
  freeze: false,
  history: [],
  facts: FACTS,
  theme: "light",
  error: null,
  revision: 0,
};

export const MAX = 12.4;
const NORM = 41.2;
const LABELS: Record<number, string> = { 7650: "days of the week", 2717: "sport <b>events</b>", 31: "time of day" };

function rowScale(row: Intervention): RowScale {
  const value = row.value ?? 0;
  const elsewhere = row.hook?.endsWith("mlp_out");
  const norm = elsewhere ? 7.5 : NORM;
  const raw = row.unit === "max" ? value * MAX : row.unit === "resid" ? value * norm : value;
  const moves = row.kind === "add" || row.kind === "clamp";
  return {
    ok: true,
    error: null,
    error_field: null,
    features: (row.direction ? [0] : row.features).map((f) => ({
      f,
      label: LABELS[f] ?? null,
      said: null,
      max: row.direction ? null : (row.max_activation ?? MAX),
      max_from: row.max_activation === null ? "index" : "given",
      norm: 1,
      raw: moves ? raw : null,
      in_max: moves && !row.direction ? raw / MAX : null,
      in_resid: moves ? raw / norm : null,
    })),
    range: row.kind === "ablate" ? null : { min: -5, max: 10, step: 0.1 },
    median_norm: norm,
    norm_name: elsewhere ? `norm of the value at ${row.hook}` : "residual norm",
    max_name: "max activation",
  };
}

export function scalesAnswer(id: string, recipe: Recipe, extra: Partial<Scales> = {}): FromKernel {
  const r: Scales = {
    rows: recipe.interventions.map(rowScale),
    median_norm: { res: NORM },
    text: recipe.interventions.map((row) => `${row.kind} feature ${row.features}: ${row.value}`).join("\n"),
    warnings: [],
    noop: recipe.interventions.every((row) => !row.on),
    ...extra,
  };
  return { t: "res", id, ok: true, r: r as unknown as Json, arrays: [] };
}

export function promptOf(text: string): PromptJson {
  const str = ["<|bos|>", ...text.split(/(?= )/)];
  return {
    ids: str.map((_, i) => 100 + i),
    str,
    flags: str.map((_, i) => (i === 0 ? 1 : 0)),
    edited: str.map((_, i) => (i === 0 ? 0 : 1)),
  };
}

export const BASELINE = [" Friday", ",", " because", " work", " is", " over"];
export const EDITED = [" Friday", ",", " Monday", " and", " Tuesday", " too"];
const ids = new Map<string, number>();
export const idOf = (token: string) => ids.get(token) ?? ids.set(token, 200 + ids.size).get(token) ?? 0;
const logprob = (step: number, edited: boolean) => -0.5 * (step + 1) - (edited ? 1 : 0);

/** The parts of a run, prompt first. */
export function partsOf(prompt: string, baseline = BASELINE, edited = EDITED, samples = 1): Part[] {
  const token = (tokens: string[], s: number, isEdited: boolean): StepToken => {
    const text = tokens[s];
    return text === undefined ? null : [idOf(text), text, 0, logprob(s, isEdited), 1 + s / 2];
  };
  const steps = Array.from({ length: Math.max(baseline.length, edited.length) }, (_, s) => ({
    s,
    b: Array.from({ length: samples }, () => token(baseline, s, false)),
    e: Array.from({ length: samples }, () => token(edited, s, true)),
  }));
  return [{ prompt: promptOf(prompt), notes: ["A note about the run."] }, ...steps];
}

export function generateAnswer(
  id: string,
  prompt: string,
  baseline = BASELINE,
  edited = EDITED,
  extra: { samples?: number; stopped?: boolean } = {},
): FromKernel {
  const { samples = 1, stopped = false } = extra;
  const n = Math.max(baseline.length, edited.length);
  const many = <T>(one: T) => Array.from({ length: samples }, () => one);
  const text = (tokens: string[]) => ({
    str: tokens,
    flags: tokens.map(() => 0),
    ids: tokens.map(idOf),
    ended: tokens.length < n,
  });
  const numbers = (tokens: string[], of: (s: number) => number) =>
    Float32Array.from({ length: samples * n }, (_, i) => (i % n < tokens.length ? of(i % n) : Number.NaN));
  const differs = Array.from({ length: n }, (_, s) => s).find((s) => baseline[s] !== edited[s]) ?? null;
  return {
    t: "res",
    id,
    ok: true,
    r: {
      stopped,
      prompt: promptOf(prompt) as unknown as Json,
      notes: ["A note about the run."],
      baseline: many(text(baseline)),
      edited: many(text(edited)),
      diverge: many(differs),
      amounts: `add feature 7650: 2 \u00d7 max activation ${MAX} (in the index) = 24.8`,
      provenance: { model: "tiny", SAE: "res" },
    },
    arrays: [
      spec(
        "b_logprob",
        "f32",
        numbers(baseline, (s) => logprob(s, false)),
      ),
      spec(
        "b_entropy",
        "f32",
        numbers(baseline, (s) => 1 + s / 2),
      ),
      spec(
        "e_logprob",
        "f32",
        numbers(edited, (s) => logprob(s, true)),
      ),
      spec(
        "e_entropy",
        "f32",
        numbers(edited, (s) => 1 + s / 2),
      ),
    ],
  };
}

/** Every odd token of a text is raised, every even one lowered; the first has no prediction. */
export function effectAnswer(id: string, prompt: string, continuation: number[] | null, freeze: boolean): FromKernel {
  const names = new Map([...ids].map(([token, number]) => [number, token]));
  const before = promptOf(prompt);
  const tokens = [...before.str, ...(continuation ?? []).map((number) => names.get(number) ?? "?")];
  const n = tokens.length;
  const filled = (of: (i: number) => number) =>
    Float32Array.from({ length: n }, (_, i) => (i === 0 ? Number.NaN : of(i)));
  const delta = (i: number) => (i % 2 ? 1 : -1) * (0.2 + (i % 5) / 2);
  const arrays: ArraySpec[] = [
    spec("delta", "f32", filled(delta)),
    spec(
      "p_clean",
      "f32",
      filled(() => 0.25),
    ),
    spec(
      "p_edited",
      "f32",
      filled((i) => 0.25 * Math.exp(Math.min(1, delta(i)))),
    ),
    spec(
      "kl",
      "f32",
      filled((i) => (i % 7) / 5),
    ),
    spec("lowered", "f32", new Float32Array(2 * n).fill(-0.75)),
    spec("raised", "f32", new Float32Array(2 * n).fill(1.5)),
    spec(
      "clean_acts",
      "f32",
      filled((i) => i),
    ),
    spec(
      "requested",
      "f32",
      filled((i) => i + 24.8),
    ),
    spec(
      "realised",
      "f32",
      filled((i) => i + 21.5),
    ),
  ];
  if (freeze) {
    arrays.push(
      spec(
        "frozen_delta",
        "f32",
        filled((i) => delta(i) / 2),
      ),
    );
    arrays.push(
      spec(
        "frozen_kl",
        "f32",
        filled((i) => (i % 7) / 9),
      ),
    );
  }
  return {
    t: "res",
    id,
    ok: true,
    r: {
      str: tokens,
      flags: tokens.map((_, i) => (i === 0 ? 1 : 0)),
      n_prompt: before.str.length,
      notes: ["Special tokens are not counted."],
      loss: { clean: 3.21, edited: 3.9, frozen: freeze ? 3.5 : null },
      kl_mean: { edited: 0.41, frozen: freeze ? 0.22 : null },
      rows: [{ feature: 7650, sae: "res", label: "days of the week", said: null, kind: "add", note: "" }],
      side: [
        { sae: "res", f: 31, label: "time of day", said: null, clean: 0.4, edited: 2.9, change: 2.5 },
        { sae: "res", f: 912, label: null, said: PROMPTED, clean: 1.9, edited: 0.2, change: -1.7 },
      ],
      side_note: "Over counted tokens, after the edit, at the same hook.",
      lowered: tokens.map(() => [" the", " a"]),
      raised: tokens.map(() => [" Monday", " Tuesday"]),
    },
    arrays,
  };
}

/** Texts and curves; measures of the second half are of the prompt, and have no intervals. */
export function sweepAnswer(
  id: string,
  row: number,
  strengths: number[],
  controls: number,
  samples: number,
  extra: Partial<SweepJson> = {},
): FromKernel {
  const n = strengths.length;
  const shapes: Record<Measure, [(v: number) => number, (v: number, k: number) => number, number, number]> = {
    target: [(v) => 12 / (1 + Math.exp(2 - 2 * v)), (v, k) => 0.4 + 0.1 * k + v * 0.05, 0.3, 0.5],
    kl: [(v) => v * v * 0.12, (v, k) => v * v * (0.03 + 0.02 * k), 0, 0.1],
    perplexity: [(v) => 9 * Math.exp(v * v * 0.14), (v, k) => 9 * Math.exp(v * v * (0.03 + 0.02 * k)), 9, 1],
    repetition: [(v) => Math.min(0.9, 0.05 + (v * v) / 40), (v, k) => 0.05 + (v * v * (k + 1)) / 300, 0.05, 0.02],
    promoted: [(v) => -8 + v, (v, k) => -8 + 0.1 * k * v, -8, Number.NaN],
    activation: [(v) => Math.max(0, 3 * v), (v, k) => 0.1 * k * v, 0, Number.NaN],
  };
  const arrays = MEASURES.flatMap((name) => {
    const [of, control, , half] = shapes[name];
    const made = (change: number) => Float32Array.from(strengths, (v) => of(v) + change);
    const c = Float32Array.from({ length: controls * n }, (_, i) => control(strengths[i % n] ?? 0, Math.floor(i / n)));
    return [
      spec(name, "f32", made(0)),
      spec(`${name}_low`, "f32", made(samples > 1 ? -half : Number.NaN)),
      spec(`${name}_high`, "f32", made(samples > 1 ? half : Number.NaN)),
      spec(`c_${name}`, "f32", c),
    ];
  });
  const texts = (of: string) => Array.from({ length: samples }, (_, s) => `${of}${s > 0 ? ` (${s + 1})` : ""} <i>`);
  const r: SweepJson = {
    strengths,
    unit: "max",
    row,
    titles: {
      target: "mean activation of feature 7650 in the text written",
      kl: "KL",
      perplexity: "perplexity",
      repetition: "repetition",
      promoted: "log-probability of promoted tokens",
      activation: "realised activation",
    },
    texts: strengths.map((v) => texts(` text at ${v}`)),
    baseline: texts(" Friday, because work is over"),
    n: samples,
    pairs: strengths.map(() => samples),
    about: [`Texts: n = ${samples}.`, "No sampling. Promoted: Tuesday </script>"],
    verdict: "Usable: from 1 to 3 (raises the target).",
    directions: strengths.map(Math.sign),
    bands: [{ low: 1, high: 3, direction: "raises" }],
    band_rule: "the interval of the mean difference lies above 0.",
    controls: Array.from({ length: controls }, (_, k) => ({ kind: "feature", name: `feature ${50 + k}` })),
    notes: [],
    ...extra,
  };
  return {
    t: "res",
    id,
    ok: true,
    r: r as unknown as Json,
    arrays: [
      ...arrays,
      spec(
        "base",
        "f32",
        Float32Array.from(MEASURES, (name) => shapes[name][2]),
      ),
    ],
  };
}

export function answerAnswer(id: string, answer: string): FromKernel {
  const line = (name: string, kind: string, rank: number, p: number, feature: number | null = null) => ({
    name,
    kind,
    error: kind === "clean" ? null : "kept",
    feature,
    rank,
    probability: p,
    logprob: Math.log(p),
    logit: 20 + Math.log(p),
    top: [
      [" Friday", 0.4],
      [" the", 0.21],
      [" Sunday", 0.09],
      [" a", 0.05],
      [" Saturday", 0.04],
    ],
  });
  return {
    t: "res",
    id,
    ok: true,
    r: {
      answer: { ids: [11, 12], str: [answer, "day"] },
      first_only: true,
      rows: [
        line("model as it is", "clean", 14, 0.012),
        line("with the SAE spliced in (error dropped)", "spliced", 19, 0.008),
        line("all of the recipe, error kept", "all", 0, 0.42),
        line("feature 7650 alone, error kept", "one", 1, 0.2, 7650),
      ],
      notes: ["Probabilities are of the next token."],
    },
    arrays: [],
  };
}

const ITEMS = [
  { f: 7650, label: "days of the week", said: null, max: MAX, signed: 0 },
  { f: 2717, label: LABELS[2717] ?? null, said: null, max: 30.5, signed: 0 },
  { f: 9, label: null, said: PROMPTED, max: null, signed: 0 },
];
export const FOUND = ITEMS;
export const AUTO = [-2, -1, 0, 1, 2, 3, 4, 6];

/** A kernel that answers everything at once, without parts. */
export function answering(message: Sent): FromKernel | null {
  if (message.t !== "req" || !message.p) return null;
  const { id, ch } = message;
  const p = message.p as Record<string, Json> & { recipe: unknown };
  const prompt = String(p.prompt);
  switch (ch) {
    case "scales":
      return scalesAnswer(id, p.recipe as Recipe);
    case "generate":
      return generateAnswer(id, prompt, BASELINE, EDITED, { samples: (p.settings as { samples: number }).samples });
    case "effect":
      return effectAnswer(id, prompt, p.continuation as number[] | null, p.freeze === true);
    case "sweep":
      return sweepAnswer(
        id,
        Number(p.row),
        (p.strengths as number[] | null) ?? AUTO,
        Number(p.controls),
        Number(p.samples),
      );
    case "answer":
      return answerAnswer(id, String(p.answer));
    case "search": {
      const items = p.q === "" ? ITEMS.map((item) => ({ ...item, a: 3.2 })) : ITEMS.filter(({ f }) => f !== 9);
      return { t: "res", id, ok: true, r: { items } as unknown as Json, arrays: [] };
    }
    case "code":
      return { t: "res", id, ok: true, r: { json: '{"the": "json"}', python: "the = python" }, arrays: [] };
    case "preset": {
      const made = { ...ROW, features: [Number(p.f)], value: 1, special: true };
      const recipe = { ...recipeOf(made), name: "SAELens tutorial" };
      return { t: "res", id, ok: true, r: { recipe } as unknown as Json, arrays: [] };
    }
    default:
      return null;
  }
}
