/**
 * A kernel whose points lie on a clock: point i of 24 is the token " h<i mod 12>", at the place of that hour on PC2 and PC3,
 * the second round a little nearer to the middle. On PC1 point i is at i - 11.5. Feature 3 is active on even points, with
 * their number; feature 5 on all, with 1; feature 7 on none.
 */

import type { FromKernel, Json } from "../src/kernel/types";
import type { ColourJson, SubspaceJson, TextsJson } from "../src/widgets/subspace/wire";
import { SAID, type Sent, spec } from "./fake";

export const N = 24;

export const STATE = {
  features: [3, 5, 7],
  components: [],
  colour: "token",
  selected: [],
  feature: null,
  n_features: 48,
  live: true,
  theme: "light",
  error: null,
  revision: 0,
};

const all = Array.from({ length: N }, (_, i) => i);
export const hourOf = (i: number) => i % 12;
const radius = (i: number) => (i < 12 ? 10 : 8);
const angle = (i: number) => (Math.PI / 6) * (3 - hourOf(i));

/** The coordinate of a point on a component. */
export function placeOf(i: number, component: number): number {
  return Math.fround([i - 11.5, radius(i) * Math.cos(angle(i)), radius(i) * Math.sin(angle(i))][component] ?? 0);
}

export const STR = Array.from({ length: 12 }, (_, hour) => ` h${hour}`).sort();
const actsOf = (i: number) => [i % 2 === 0 ? i : 0, 1, 0];

type Arrays = ReturnType<typeof spec>[];
type Answer<R> = [R, Arrays];

export function colourOf(features: unknown, colour: string): Answer<ColourJson> | null {
  const key = JSON.stringify(features);
  if (colour === "token") {
    const groups = Array.from({ length: 3 }, (_, hour) => ({ t: ` h${hour}`, n: 2 }));
    const group = Uint8Array.from(all, (i) => (hourOf(i) < 3 ? hourOf(i) : 255));
    return [{ key, colour, kind: "groups", groups, others: 9, rest: 18 }, [spec("group", "u8", group)]];
  }
  if (colour === "position") {
    const value = Float32Array.from(all, (i) => (i === 0 ? Number.NaN : i));
    return [{ key, colour, kind: "scale", low: 1, high: 23, missing: 1 }, [spec("value", "f32", value)]];
  }
  return null;
}

export function subspaceOf(p: Record<string, unknown>): Answer<SubspaceJson> {
  const features = p.features as number[];
  const found = p.colour === null ? null : colourOf(features, String(p.colour));
  const score = { value: 1.25, mean: 0.5, low: 0.25, high: 0.75 };
  const r: SubspaceJson = {
    key: JSON.stringify(features),
    n: N,
    c: 3,
    extent: [
      [-11.5, 11.5],
      [-10, 10],
      [-10, 10],
    ],
    explained: [0.5, 0.25, 0.05],
    circularity: [
      [0, 0.01, 0.02],
      [0.01, 0, 0.97],
      [0.02, 0.97, 0],
    ],
    pair: [1, 2],
    features: features.map((f, at) => ({
      f,
      label: f === 3 ? "<b>even</b>" : null,
      said: f === 5 ? SAID : null,
      tokens: [12, 24, 0][at] ?? 0,
      mean: [11, 1, null][at] ?? null,
      max: [22, 1, 0][at] ?? 0,
    })),
    str: STR,
    choices: [
      ["token", "token"],
      ["position", "position in the text"],
    ],
    scores: {
      pair: [1, 2],
      separability: score,
      mixture: { ...score, value: 0.125 },
      repeats: 5,
    },
    notes: ["a note"],
    provenance: [["model", "tiny"]],
    colour: found?.[0] ?? null,
  };
  const points = Float32Array.from([0, 1, 2].flatMap((component) => all.map((i) => placeOf(i, component))));
  const token = Uint32Array.from(all, (i) => STR.indexOf(` h${hourOf(i)}`));
  return [r, [spec("points", "f32", points), spec("token", "u32", token), ...(found?.[1] ?? [])]];
}

/** Around a point stand the hours before and after it, as words of one text. */
export function textsOf(points: number[]): TextsJson {
  return {
    texts: points.map((i) => {
      const first = Math.max(0, i - 2);
      const window = all.slice(first, i + 3);
      return {
        point: i,
        str: window.map((one) => ` h${hourOf(one)}`),
        at: i - first,
        document: "a <b>book</b>",
        in_document: 100 + i,
        a: actsOf(i),
        others: window.map((one, at) => [at, one, actsOf(one)]),
      };
    }),
  };
}

export function answering({ t, id, ch, p = {} }: Sent): FromKernel | null {
  if (t !== "req") return null;
  const res = (r: object, arrays: Arrays): FromKernel => ({ t: "res", id, ok: true, r: r as Json, arrays });
  const fails = (message: string): FromKernel => ({
    t: "res",
    id,
    ok: false,
    e: { type: "GeometryError", message, traceback: "Traceback" },
  });
  if (ch === "texts") return res(textsOf(p.points as number[]), []);
  if (ch === "colour") {
    const found = colourOf(p.features, String(p.colour));
    return found ? res(...found) : fails(`The points cannot be coloured by '${p.colour}'`);
  }
  if (ch !== "subspace") return null;
  if ((p.features as number[]).length < 2) return fails("<i>two</i> different features");
  return res(...subspaceOf(p));
}
