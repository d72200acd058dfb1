/** A kernel that compares texts word by word: a position is a word's number after BOS; feature 5 fires on every word, 3 on "cat". */

import type { FromKernel, Json } from "../src/kernel/types";
import type { DifferenceRow, DifferencesJson, PredictionsJson, TokensJson } from "../src/widgets/comparison/data";
import { cardAnswer, SAID, type Sent, spec } from "./fake";

export const STATE = {
  texts: ["God created the heaven", "God created the cat"],
  at: "last",
  positions: [],
  pair: [0, 1],
  all_of: [],
  none_of: [],
  feature: null,
  features: [],
  limit: 25,
  editable: true,
  sae: "sae",
  indexed: false,
  theme: "light",
  error: null,
  revision: 0,
};

const answer = (id: string, r: object, arrays: ReturnType<typeof spec>[]): FromKernel => ({
  t: "res",
  id,
  ok: true,
  r: r as Json,
  arrays,
});

/** Tokens of each text. */
const wordsOf = (texts: string[]) => texts.map((text) => ["<|bos|>", ...text.split(" ").filter(Boolean)]);

/** Columns by position: what is longer goes on alone. */
export function alignmentOf(texts: string[]): number[][] {
  const all = wordsOf(texts);
  const n = Math.max(...all.map((words) => words.length));
  return Array.from({ length: n }, (_, column) => all.map((words) => (column < words.length ? column : -1)));
}

function tokensAnswer(id: string, texts: string[], sae: string | null, rank: DifferencesJson | null): FromKernel {
  const all = wordsOf(texts);
  const str = all.flat();
  const ends = all.map((_, i) => all.slice(0, i + 1).flat().length);
  const columns = alignmentOf(texts);
  const r: TokensJson = {
    key: texts.join("|"),
    n: str.length,
    texts: ends.map((end, i) => [ends[i - 1] ?? 0, end]),
    str,
    n_features: 48,
    signed: false,
    sae,
    activation_name: "activation",
    provenance: [["model", "tiny"]],
    notes: [],
    rank,
  };
  const alike = columns.map((column) => {
    const words = column.map((p, i) => (p < 0 ? null : all[i]?.[p]));
    return words[0] !== null && words.every((word) => word === words[0]) ? 1 : 0;
  });
  return answer(id, r, [
    spec(
      "tok_id",
      "u32",
      Uint32Array.from(str, (word) => str.indexOf(word)),
    ),
    spec(
      "flags",
      "u8",
      Uint8Array.from(str, (word) => (word === "<|bos|>" ? 1 : 0)),
    ),
    spec("alignment", "i32", Int32Array.from(columns.flat())),
    spec("same", "u8", Uint8Array.from(alike)),
    spec(
      "choices",
      "i32",
      Int32Array.from(columns.flatMap((c) => c.map((p, i) => (p < 0 ? (all[i]?.length ?? 1) - 1 : p)))),
    ),
    ...(rank ? columnArrays(texts) : []),
  ]);
}

function columnArrays(texts: string[]): ReturnType<typeof spec>[] {
  const str = wordsOf(texts).flat();
  const cats = str.flatMap((word, i) => (word === "cat" ? [i] : []));
  const words = str.flatMap((word, i) => (word === "<|bos|>" ? [] : [i]));
  return [
    spec("col_feat", "u32", Uint32Array.from([3, 5])),
    spec("col_ptr", "u32", Uint32Array.from([0, cats.length, cats.length + words.length])),
    spec("col_tok", "u32", Uint32Array.from([...cats, ...words])),
    spec("col_act", "f32", Float32Array.from([...cats.map(() => 8), ...words.map(() => 2)])),
  ];
}

export function differencesOf(p: Record<string, unknown>): DifferencesJson {
  const texts = p.texts as string[];
  const all = wordsOf(texts);
  const [a = 0, b = 1] = p.pair as number[];
  const given = p.positions as number[];
  const over = p.at === "max" || p.at === "sum";
  const positions = over ? [] : all.map((words, i) => (p.at === "chosen" ? given[i] : undefined) ?? words.length - 1);
  const read = (word: string | undefined, f: number) => (word === "<|bos|>" ? 0 : f === 5 ? 2 : word === "cat" ? 8 : 0);
  const row = (f: number): DifferenceRow => {
    const values = all.map((words, i) =>
      over ? Math.max(...words.map((word) => read(word, f))) : read(words[positions[i] ?? 0], f),
    );
    return {
      f,
      label: f === 3 ? "cats" : null,
      said: f === 3 ? null : SAID,
      values,
      difference: (values[a] ?? 0) - (values[b] ?? 0),
      scale: 8,
      density: p.indexed === false ? null : f / 100,
    };
  };
  const passes = ({ values }: DifferenceRow) =>
    (p.all_of as number[]).every((i) => values[i]) && !(p.none_of as number[]).some((i) => values[i]);
  const rows = [row(3), row(5)].filter(passes);
  return {
    key: texts.join("|"),
    where: over
      ? `${p.at} over the counted tokens of each text`
      : `at '${positions.map((at, i) => all[i]?.[at]).join("', '")}'`,
    positions,
    pair: [a, b],
    total: 2,
    passing: rows.length,
    rows,
    selected: (p.features as number[]).map(row),
    notes:
      positions.length && positions.every((at) => at === 0) ? ["Compared is a token that statistics leave out."] : [],
  };
}

function predictionsAnswer(id: string, texts: string[]): FromKernel {
  const top = texts.map((_, i) => (i % 2 ? [1, 0] : [0, 1]));
  const r: PredictionsJson = { str: [" earth", " <b>"], top, why: null };
  return answer(id, r, [
    spec("tok_id", "u32", Uint32Array.from([7, 9])),
    spec("log_probs", "f32", Float32Array.from(texts.flatMap((_, i) => (i % 2 ? [-3, -1] : [-0.5, -2])))),
  ]);
}

/** Where nothing is predicted. */
export function noPredictions(id: string, why: string): FromKernel {
  const r: PredictionsJson = { str: [], top: [], why };
  return answer(id, r, [spec("tok_id", "u32", new Uint32Array()), spec("log_probs", "f32", new Float32Array())]);
}

export function answering({ t, id, ch, p = {} }: Sent): FromKernel | null {
  if (t !== "req") return null;
  const texts = p.texts as string[];
  if (ch === "card") return cardAnswer(id, Number(p.f));
  if (ch === "predictions") return predictionsAnswer(id, texts);
  if (ch === "differences") return answer(id, differencesOf(p), columnArrays(texts));
  const rank = p.rank as Record<string, unknown> | null | undefined;
  return tokensAnswer(id, texts, (p.sae ?? "sae") as string, rank ? differencesOf({ ...rank, texts }) : null);
}
