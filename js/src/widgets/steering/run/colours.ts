/** How surprise and change are drawn behind tokens, and what their scales are. */

import { background } from "../../../tokens/paint";
import type { Palette } from "../../../tokens/palette";

/** Hues of the palette: surprise; a token made likelier, less likely (as in the dashboard's effects). */
const SURPRISE = 0;
const UP = 1;
const DOWN = 4;
/** A token of this many nats has the full colour: one in four hundred. Fixed, so that colours stand while text comes. */
export const SURPRISING = 6;
/** Below this share of the strongest there is no colour: it would be noise behind every token. */
const FAINTEST = 0.02;

/** Behind a token: how little the model that wrote it expected it. */
export function surprise(logprob: number | undefined, palette: Palette): string {
  return one(SURPRISE, -(logprob ?? Number.NaN), SURPRISING, palette);
}

/** Behind a token: raised plain, lowered hatched. */
export function change(value: number | undefined, most: number, palette: Palette): string {
  const by = value ?? Number.NaN;
  return Math.abs(by) < most * FAINTEST ? "" : one(by > 0 ? UP : DOWN, by, most, palette);
}

/** Behind a token: something that is only ever positive. */
export function amount(value: number | undefined, most: number, palette: Palette): string {
  const by = value ?? Number.NaN;
  return by < most * FAINTEST ? "" : one(SURPRISE, by, most, palette);
}

function one(hue: number, value: number, scale: number, palette: Palette): string {
  if (!Number.isFinite(value)) return "";
  return background([{ hue, values: Float32Array.of(value), scale }], 0, palette);
}

/** The largest absolute value; 0 for none. */
export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i] ?? 0);
    if (size > most) most = size;
  }
  return most;
}
