/** Activations as colours behind tokens. Colours are written as numbers, not as var(): see palette.ts. */

import type { Palette } from "./palette";

const LEVELS = 40;

/** One colour: a feature's activations, its scale, and the number of its hue. */
export interface Layer {
  hue: number;
  values: Float32Array;
  scale: number;
}

/** A colour by level; hatched if the activation is negative, so that the sign is not a matter of hue. */
function band(layer: Layer, token: number, palette: Palette): string | null {
  const value = layer.values[token] ?? 0;
  if (value === 0 || layer.scale <= 0) return null;
  // Any activation is visible, however weak.
  const level = Math.max(1, Math.round(Math.min(1, Math.abs(value) / layer.scale) * LEVELS));
  const color = `rgb(${palette.hues[layer.hue]} / ${((level / LEVELS) * palette.strength).toFixed(3)})`;
  return value > 0 ? color : `repeating-linear-gradient(135deg, ${color} 0 3px, transparent 3px 5px)`;
}

/** The CSS background of a token: bands from top to bottom if there are several layers. */
export function background(layers: Layer[], token: number, palette: Palette): string {
  const bands = layers.map((layer) => band(layer, token, palette));
  const drawn = bands.filter((look) => look !== null);
  if (drawn.length === 0) return "";
  if (layers.length === 1) return drawn[0] ?? "";
  const height = (100 / layers.length).toFixed(2);
  return bands
    .flatMap((look, k) => {
      if (look === null) return [];
      const image = look.startsWith("repeating") ? look : `linear-gradient(${look}, ${look})`;
      return [`${image} 0 ${((k / (layers.length - 1)) * 100).toFixed(1)}% / 100% ${height}% no-repeat`];
    })
    .join(", ");
}
