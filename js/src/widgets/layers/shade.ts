/** The two colours of the layers: of probabilities, and of activations. */

import { chance } from "../../controls/small";
import { background } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";

/** Hues of the palette. */
export const SHADE = 1;
export const FEATURE = 0;

/** The background of a probability. */
export function shaded(p: number, palette: Palette): string {
  return background([{ hue: SHADE, values: new Float32Array([p]), scale: 1 }], 0, palette);
}

/** From nothing to the strongest. */
export function ramp(hue: number): string {
  return `linear-gradient(to right, transparent, color-mix(in srgb, var(--saew-h${hue}) calc(100% * var(--saew-strength)), transparent))`;
}

/** A probability as short as a cell is: cut off, an exponent would say another number. */
export function inCell(p: number): string {
  return p < 1e-4 ? "<0.01%" : chance(p);
}
