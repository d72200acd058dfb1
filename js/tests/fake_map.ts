/** A kernel with the map of a made-up dictionary: features without a place, a scale with a feature of no value, two clusters. */

import type { FromKernel, Json } from "../src/kernel/types";
import type { ColourJson, FactsJson, LayoutJson, MarksJson } from "../src/widgets/map/wire";
import { cardAnswer, type Sent, spec } from "./fake";

export const STATE = {
  feature: null,
  selected_features: [],
  colour: "density",
  query: "",
  by: "words",
  only: "",
  theme: "light",
  error: null,
  revision: 0,
};

export const MISSING = [3, 7];
export const LIST = [1, 2, 5, 8];
export const FOUND = [5, 9, 11];

/** The same numbers in every run, in [0, 1). */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Steps of both coordinates of every point, and as Python packs them. */
export function steps(n: number): { x: number[]; y: number[]; xy: Uint32Array } {
  const next = dice(7);
  const x = Array.from({ length: n }, () => Math.round(next() * 65535));
  const y = Array.from({ length: n }, () => Math.round((0.3 + 0.4 * next()) * 65535));
  return { x, y, xy: Uint32Array.from(x, (value, i) => (value | ((y[i] ?? 0) << 16)) >>> 0) };
}

export const facts = (): FactsJson => ({
  colours: [
    { name: "density", title: "density", says: "Share of tokens" },
    { name: "cluster", title: "cluster", says: "The largest clusters" },
    { name: "list:mine", title: "list mine", says: "Whether a feature is in the list" },
  ],
  lists: [{ name: "mine", n: LIST.length }],
  provenance: [["model", "tiny"]],
  notes: [],
  stages: [
    [0, "comparing"],
    [30, "laying out"],
  ],
});

export const layout = (n: number): LayoutJson => ({
  n: n - MISSING.length,
  of: n,
  kept: "UMAP keeps 12% of each feature's 15 nearest neighbours",
  made: "UMAP of decoder rows by a made-up library",
  notes: ["2 features have no place."],
  provenance: [["model", "tiny"]],
});

export const colour = (n: number, groups = false): ColourJson => ({
  title: groups ? "cluster" : "density",
  says: "what it is",
  form: groups ? "num" : "share",
  log: !groups,
  low: groups ? null : 0.0001,
  high: groups ? null : 0.1,
  below: !groups,
  above: false,
  groups: groups
    ? [
        { name: "1: <b>day</b>", n: (n - 2) / 2 },
        { name: "2: night", n: (n - 2) / 2 - 1 },
      ]
    : [],
  rest: { name: groups ? "in no cluster" : "0, or not known", n: 1 },
});

export const kernelOf =
  (n: number) =>
  (message: Sent): FromKernel | null => {
    if (message.t !== "req") return null;
    const { id, p } = message;
    const answer = (r: object, arrays: ReturnType<typeof spec>[] = []): FromKernel => ({
      t: "res",
      id,
      ok: true,
      r: r as Json,
      arrays,
    });
    const points = n - MISSING.length;
    switch (message.ch) {
      case "card":
        return cardAnswer(id, Number(p?.f));
      case "list":
        return answer({ name: String(p?.name), n: 2 });
      case "facts":
        return answer(facts());
      case "layout":
        return answer(layout(n), [
          spec("xy", "u32", steps(points).xy),
          spec("missing", "u32", Uint32Array.from(MISSING)),
        ]);
      case "colour": {
        const groups = p?.colour !== "density";
        const level = Uint8Array.from({ length: points }, (_, row) => (row === 0 ? 255 : groups ? row % 2 : row % 255));
        return answer(colour(n, groups), [spec("level", "u8", level)]);
      }
      case "marks": {
        const among = p?.only ? LIST : [];
        const found = p?.query ? FOUND.filter((f) => !p.only || LIST.includes(f)) : [];
        const r: MarksJson = { found: found.length, capped: false, among: among.length };
        return answer(r, [
          spec("found", "u32", Uint32Array.from(found)),
          spec("among", "u32", Uint32Array.from(among)),
        ]);
      }
      default:
        return null;
    }
  };

export const answering = kernelOf(62);
