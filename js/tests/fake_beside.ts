/**
 * A kernel of two features on texts read word by word. On word i (BOS is 0) A has i where i is odd and B has 10 where i is even;
 * both fire on the third word, which B has below zero. On the corpus there are four tokens, at 10, 20, 30 and 40.
 */

import type { FromKernel, Json } from "../src/kernel/types";
import type {
  ContextJson,
  CorpusJson,
  Kind,
  PairJson,
  RowJson,
  SideJson,
  TextJson,
  Together,
} from "../src/widgets/beside/wire";
import { cardAnswer, SAID, type Sent, spec } from "./fake";

export const STATE = {
  text: "God created the heaven",
  feature_a: 3,
  feature_b: 5,
  position: null,
  swapped: false,
  editable: true,
  live: true,
  theme: "light",
  error: null,
  revision: 0,
};

type Arrays = ReturnType<typeof spec>[];

const together = (more: Partial<Together> = {}): Together => ({
  tokens: 2000,
  both: 2,
  only_a: 1,
  only_b: 1,
  neither: 1996,
  jaccard: 0.5,
  pearson: 0.25,
  pearson_either: -0.75,
  pearson_both: null,
  cosine: 0.125,
  ...more,
});

export const wordsOf = (text: string) => ["<|bos|>", ...text.split(" ").filter(Boolean)];
export const valueA = (i: number) => (i % 2 === 1 ? i : 0);
export const valueB = (i: number) => (i === 3 ? -4 : i % 2 === 0 ? 10 : 0);

const floats = (values: number[]) => Float32Array.from(values);
const bytes = (values: number[]) => Uint8Array.from(values);

function textOf(p: Record<string, unknown>): [TextJson, Arrays] {
  const str = wordsOf(String(p.text));
  const r: TextJson = {
    a: Number(p.a),
    b: Number(p.b),
    missing: "",
    n: str.length,
    str,
    together: together({ tokens: str.length - 1, both: 1, only_a: 1, only_b: 2, neither: 0 }),
    scale: [3, 10],
    names: ["activation", "activation"],
    notes: ["a note of the text"],
  };
  return [
    r,
    [
      spec("flags", "u8", bytes(str.map((_, i) => (i === 0 ? 1 : 0)))),
      spec("act_a", "f32", floats(str.map((_, i) => (i === 0 ? 100 : valueA(i))))),
      spec("act_b", "f32", floats(str.map((_, i) => (i === 0 ? Number.NaN : valueB(i))))),
      spec("same", "u8", bytes(str.map((_, i) => (i === 0 ? 0 : 1)))),
    ],
  ];
}

const POINTS = [
  { at: 10, x: 2, y: 4, kind: 0 },
  { at: 20, x: 3, y: 0, kind: 1 },
  { at: 30, x: 0, y: 5, kind: 2 },
  { at: 40, x: 1, y: -2, kind: 0 },
];

function rowOf(position: number, start: number): RowJson {
  const point = POINTS.find(({ at }) => at === position);
  return {
    position,
    doc: "a document",
    at: position,
    start,
    n: 3,
    focus: 1,
    a: point?.x ?? null,
    b: point?.y ?? null,
    more: position === 20 ? 4 : 0,
    cut: [true, false],
  };
}

const wordsAt = (position: number) => ["before", ` at${position}`, " after"];
const actsAt = (position: number): Arrays => {
  const { a, b } = rowOf(position, 0);
  return [
    spec("win_a", "f32", floats([0, a ?? Number.NaN, 0])),
    spec("win_b", "f32", floats([0, b ?? Number.NaN, 0])),
    spec("win_flags", "u8", bytes([0, 0, 0])),
  ];
};

function corpusOf(p: Record<string, unknown>): [CorpusJson, Arrays] {
  const kinds: Kind[] = ["only_a", "only_b", "both"];
  const listed = [20, 30, 10];
  const r: CorpusJson = {
    a: Number(p.a),
    b: Number(p.b),
    missing: "",
    together: together(),
    scale: [3, 5],
    all: true,
    left_out: 7,
    notes: ["7 tokens are left out."],
    drawn: "",
    lists: kinds.map((kind, i) => ({ kind, rows: [rowOf(listed[i] ?? 0, 3 * i)] })),
    str: listed.flatMap(wordsAt),
  };
  const acts = listed.map((position) => rowOf(position, 0));
  return [
    r,
    [
      spec(
        "at",
        "u32",
        Uint32Array.from(POINTS, ({ at }) => at),
      ),
      spec("x", "f32", floats(POINTS.map(({ x }) => x))),
      spec("y", "f32", floats(POINTS.map(({ y }) => y))),
      spec("kind", "u8", bytes(POINTS.map(({ kind }) => kind))),
      spec("win_a", "f32", floats(acts.flatMap(({ a }) => [0, a ?? 0, 0]))),
      spec("win_b", "f32", floats(acts.flatMap(({ b }) => [0, b ?? 0, 0]))),
      spec("win_flags", "u8", bytes(acts.flatMap(() => [0, 0, 0]))),
    ],
  ];
}

/** A part that cannot be, and why. */
export function refused(channel: "text" | "corpus", p: Record<string, unknown>, missing: string): [object, Arrays] {
  const [r, arrays] = channel === "text" ? textOf({ ...p, text: "" }) : corpusOf(p);
  return [{ ...r, missing, together: null, lists: [], notes: [] }, arrays];
}

function sideOf(p: Record<string, unknown>): [SideJson, Arrays] {
  const f = Number(p.f);
  const card = cardAnswer("", f) as unknown as { r: NonNullable<SideJson["card"]>; arrays: Arrays };
  const r: SideJson = {
    f,
    name: p.side === "A" ? "base" : "tuned",
    sae: "sae",
    n_features: 48,
    label: f === 3 ? "cats" : null,
    said: f === 3 ? null : SAID,
    card: card.r,
    missing: "",
    provenance: [["model", `model of ${p.side}`]],
  };
  return [r, card.arrays];
}

export function answering({ t, id, ch, p = {} }: Sent): FromKernel | null {
  if (t !== "req") return null;
  const [a, b] = [Number(p.a), Number(p.b)];
  const pair: PairJson = { a, b, cosine: 0.5, missing: "", note: "" };
  const position = Number(p.position);
  const context: ContextJson = { row: rowOf(position, 0), str: wordsAt(position) };
  const found: [object, Arrays] =
    ch === "text"
      ? textOf(p)
      : ch === "corpus"
        ? corpusOf(p)
        : ch === "side"
          ? sideOf(p)
          : ch === "pair"
            ? [pair, []]
            : [context, actsAt(position)];
  return { t: "res", id, ok: true, r: found[0] as Json, arrays: found[1] };
}
