/** The colours of points: six hues with two shapes for groups, a ramp that every kind of colour vision orders for numbers. */

import { along, VIRIDIS } from "../../charts/viridis";
import type { Palette } from "../../tokens/palette";
import { type Colouring, OTHER } from "./wire";

const HUES = 6;
/** How much of the ink is in the hues of squares: where points are small, shapes are not told apart. */
const INK = 0.42;
export const LEVELS = 32;
/** Of viridis, as far as it is told apart from a light and from a dark ground. */
const ON_LIGHT = [0, 0.86] as const;
const ON_DARK = [0.22, 1] as const;

export interface Mark {
  colour: string;
  square: boolean;
}

/** How a group is drawn. */
export function markOf(group: number, palette: Palette): Mark {
  if (group >= OTHER) return { colour: palette.neutral, square: false };
  const hue = palette.hues[group % HUES] ?? "";
  if (group < HUES) return { colour: `rgb(${hue})`, square: false };
  const ink = channels(palette.ink);
  const mixed = channels(hue).map((one, k) => Math.round(one + INK * ((ink[k] ?? 0) - one)));
  return { colour: `rgb(${mixed.join(" ")})`, square: true };
}

/** The colour of a number, 0 the least and 1 the largest. */
export function shade(level: number, palette: Palette): string {
  const [from, to] = isDark(palette) ? ON_DARK : ON_LIGHT;
  return `rgb(${along(VIRIDIS, from + Math.max(0, Math.min(1, level)) * (to - from)).join(" ")})`;
}

/** All of it, from left to right. */
export function ramp(palette: Palette): string {
  return `linear-gradient(to right, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map((one) => shade(one, palette)).join(", ")})`;
}

/** Whether the ground is dark: the ink is light then. */
function isDark({ ink }: Palette): boolean {
  const [r = 0, g = 0, b = 0] = channels(ink);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 128;
}

/** Red, green and blue of a colour as style sheets have it. */
function channels(colour: string): number[] {
  const hex = colour.match(/^#(..)(..)(..)$/)?.slice(1);
  return hex ? hex.map((part) => Number.parseInt(part, 16)) : (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

/** Points that are drawn alike: one bucket a group, or a level of the ramp; the last bucket is what has none. */
export interface Buckets {
  of: Uint8Array;
  marks: Mark[];
}

export function buckets(colouring: Colouring | null, n: number, palette: Palette): Buckets {
  const of = new Uint8Array(n);
  const none = markOf(OTHER, palette);
  if (!colouring) return { of, marks: [none] };
  const { json, values } = colouring;
  if (json.kind === "groups") {
    const last = json.groups.length;
    for (let i = 0; i < n; i++) of[i] = Math.min(last, values[i] ?? last);
    return { of, marks: [...json.groups.map((_, group) => markOf(group, palette)), none] };
  }
  const [low, high] = [json.low ?? 0, json.high ?? 0];
  for (let i = 0; i < n; i++) {
    const value = values[i] ?? Number.NaN;
    const level = high > low ? (value - low) / (high - low) : 0.5;
    of[i] = Number.isFinite(value) ? Math.round(level * (LEVELS - 1)) : LEVELS;
  }
  return {
    of,
    marks: [
      ...Array.from({ length: LEVELS }, (_, i) => ({ colour: shade(i / (LEVELS - 1), palette), square: false })),
      none,
    ],
  };
}

/** The mark of one point. */
export function markOfPoint({ of, marks }: Buckets, point: number): Mark {
  return marks[of[point] ?? 0] ?? { colour: "", square: false };
}
