/**
 * A kernel that reads texts word by word at three hooks. After a word the likeliest token at hook h is " n<h>", with
 * probability (h + 1) / 4; feature 5 of "sae" (between the hooks 0 and 1: of "neurons") fires on every word, its strength the
 * word's position.
 */

import type { FromKernel, Json } from "../src/kernel/types";
import type { FeatureRow, LadderJson, LensJson } from "../src/widgets/layers/wire";
import { cardAnswer, SAID, type Sent, spec } from "./fake";

export const STATE = {
  text: "God created the heaven",
  position: null,
  target: "",
  k: 2,
  top_features: 2,
  sae: "sae",
  feature: null,
  editable: true,
  indexed: [],
  live: true,
  theme: "light",
  error: null,
  revision: 0,
};

type Arrays = ReturnType<typeof spec>[];

const answer = (id: string, r: object, arrays: Arrays): FromKernel => ({
  t: "res",
  id,
  ok: true,
  r: r as Json,
  arrays,
});

export const HOOKS = ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post"];
const NEXT = [" n0", " n1", " n2", "<b>", " God"];

export const wordsOf = (text: string) => ["<|bos|>", ...text.split(" ").filter(Boolean)];

/** What a target of this fake's is: a word with a space before it. */
const isTarget = (target: string) => /^ \S+$/.test(target);

function keyOf(p: Record<string, unknown>): string {
  return `${p.text}|${isTarget(String(p.target)) ? p.target : ""}|${p.k}`;
}

/** A feature on every token. */
export function valuesOf(text: string, sae: number, f: number): number[] {
  return wordsOf(text).map((_, at) => (f === 5 ? (sae === 0 ? -at : at) : at === 0 ? 100 : at === 2 ? 4 : 0));
}

export function lensOf(p: Record<string, unknown>): [LensJson, Arrays] {
  const str = wordsOf(String(p.text));
  const target = String(p.target);
  const [n, k] = [str.length, Number(p.k)];
  const cells = HOOKS.flatMap((_, hook) => str.map((_, at) => ({ hook, at })));
  const r: LensJson = {
    key: keyOf(p),
    n,
    k,
    str,
    hooks: HOOKS.map((name) => ({ name, short: name.replace("blocks.", "").replace(".hook_", " ") })),
    next_str: NEXT,
    d_vocab: 320,
    own: true,
    target: isTarget(target) ? { str: target, id: 44 } : null,
    target_error:
      target === "" || isTarget(target) ? "" : `The target '${target}' is 2 tokens ('a', 'b'): ask for one.`,
    saes: [
      {
        name: "neurons",
        hook: "blocks.0.mlp.hook_post",
        row: 0,
        between: true,
        n_features: 32,
        activation_name: "neuron value",
        signed: true,
      },
      {
        name: "sae",
        hook: "blocks.1.hook_resid_pre",
        row: 1,
        between: false,
        n_features: 48,
        activation_name: "activation",
        signed: false,
      },
    ],
    notes: ["a note"],
    provenance: [["model", "tiny"]],
    ladder: null,
  };
  const flags = Uint8Array.from(str, (_, at) => (at === 0 ? 1 : 0));
  // Of the SAE, the second word is a norm outlier.
  const saeFlags = Uint8Array.from([...flags, ...str.map((_, at) => (at === 0 ? 1 : at === 2 ? 2 : 0))]);
  const asked = isTarget(target) ? cells : [];
  return [
    r,
    [
      spec(
        "tok_id",
        "u32",
        Uint32Array.from(str, (_, at) => at),
      ),
      spec("flags", "u8", flags),
      spec("sae_flags", "u8", saeFlags),
      spec("next_id", "u32", Uint32Array.from([40, 41, 42, 43, 44])),
      spec("next", "u32", Uint32Array.from(cells.flatMap(({ hook }) => [hook, 3, 4, 0, 1].slice(0, k)))),
      spec(
        "p",
        "f32",
        Float32Array.from(cells.flatMap(({ hook }) => [(hook + 1) / 4, 0.125, 0.05, 0.04, 0.03].slice(0, k))),
      ),
      spec(
        "entropy",
        "f32",
        Float32Array.from(cells, ({ hook }) => 3 - hook),
      ),
      spec(
        "target_p",
        "f32",
        Float32Array.from(asked, ({ hook, at }) => (hook === 2 && at === 2 ? 0.75 : 1e-6)),
      ),
      spec(
        "target_rank",
        "u32",
        Uint32Array.from(asked, ({ hook, at }) => (hook === 2 && at === 2 ? 0 : 1234)),
      ),
    ],
  ];
}

export function ladderOf(p: Record<string, unknown>): [LadderJson, Arrays] {
  const text = String(p.text);
  const n = wordsOf(text).length;
  const position = p.position === null || Number(p.position) >= n ? n - 1 : Number(p.position);
  const row = (sae: number, f: number): FeatureRow => {
    const values = valuesOf(text, sae, f);
    const counted = values.filter((_, at) => at !== 0 && !(sae === 1 && at === 2)).map(Math.abs);
    return {
      sae,
      f,
      label: f === 3 ? "cats" : null,
      said: f === 3 ? null : SAID,
      a: values[position] ?? 0,
      scale: Math.max(0, ...counted),
    };
  };
  const listed = [
    [0, 5],
    [0, 3],
    [1, 5],
    [1, 3],
  ]
    .filter(([sae = 0, f = 0]) => valuesOf(text, sae, f)[position] !== 0)
    .filter(([, f]) => Number(p.top) > (f === 5 ? 0 : 1))
    .map(([sae = 0, f = 0]) => row(sae, f));
  const chosen = p.chosen as { sae: string; f: number } | null;
  const sae = chosen?.sae === "neurons" ? 0 : 1;
  const more = chosen && !listed.some((one) => one.f === chosen.f && one.sae === sae) ? [row(sae, chosen.f)] : [];
  const rows = [...listed, ...more];
  const columns = rows.map((one) => valuesOf(text, one.sae, one.f));
  const active = columns.map((column) => column.flatMap((value, at) => (value ? [at] : [])));
  const ends = active.map((_, i) => active.slice(0, i + 1).flat().length);
  const r: LadderJson = {
    key: keyOf(p),
    position,
    active: [0, 1].map((one) => listed.filter((each) => each.sae === one).length),
    rows,
    listed: listed.length,
  };
  return [
    r,
    [
      spec("typed", "u8", Uint8Array.from(HOOKS.flatMap(() => [1, 0, 1, 1, 1].slice(0, Number(p.k))))),
      spec("col_ptr", "u32", Uint32Array.from([0, ...ends])),
      spec("col_tok", "u32", Uint32Array.from(active.flat())),
      spec("col_act", "f32", Float32Array.from(active.flatMap((at, i) => at.map((token) => columns[i]?.[token] ?? 0)))),
    ],
  ];
}

export function answering({ t, id, ch, p = {} }: Sent): FromKernel | null {
  if (t !== "req") return null;
  if (ch === "card") return cardAnswer(id, Number(p.f));
  if (ch === "ladder") return answer(id, ...ladderOf(p));
  if (ch !== "lens") return null;
  const [r, arrays] = lensOf(p);
  const wanted = p.ladder as Record<string, unknown> | null;
  if (!wanted) return answer(id, r, arrays);
  const [ladder, more] = ladderOf({ ...wanted, text: p.text, target: p.target, k: p.k });
  return answer(id, { ...r, ladder }, [...arrays, ...more]);
}
