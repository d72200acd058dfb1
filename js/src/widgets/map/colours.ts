/** The colours of points, and of their legend: of numbers dark against light and light against dark, of groups one each. */

import { along, type Rgb, VIRIDIS } from "../../charts/viridis";
import type { Palette } from "../../tokens/palette";
import type { ColourJson } from "./wire";
import { NO_LEVEL } from "./wire";

/** After the palette's six; on light, on dark. */
const MORE: readonly (readonly [Rgb, Rgb])[] = [
  [
    [81, 97, 66],
    [195, 253, 148],
  ],
  [
    [51, 16, 49],
    [149, 85, 128],
  ],
  [
    [111, 31, 24],
    [230, 208, 196],
  ],
  [
    [65, 42, 149],
    [145, 108, 253],
  ],
];

export interface Look {
  paper: Rgb;
  ink: Rgb;
  accent: Rgb;
  palette: Palette;
}

function isDark([r, g, b]: Rgb): boolean {
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 < 0.4;
}

/** Of the scale, from its low end to its high one: the high end stands out most. */
export function stops({ paper }: Look): Rgb[] {
  return isDark(paper) ? VIRIDIS.slice(1) : VIRIDIS.slice(0, -1).reverse();
}

/** Of the groups, in their order. */
export function groupColours({ paper, palette }: Look): Rgb[] {
  const hues = palette.hues.map((hue) => hue.split(" ").map(Number) as unknown as Rgb);
  return [...hues, ...MORE.map(([light, dark]) => (isDark(paper) ? dark : light))];
}

/** Of what has no level. */
export function restColour({ paper }: Look): Rgb {
  return isDark(paper) ? [84, 92, 102] : [178, 186, 194];
}

/** [256] the colour of every level. */
export function levels(look: Look, colour: ColourJson | null): Rgb[] {
  const rest = restColour(look);
  const out: Rgb[] = Array.from({ length: 256 }, () => rest);
  if (!colour) return out;
  if (colour.groups.length > 0) {
    groupColours(look).forEach((rgb, i) => {
      if (i < colour.groups.length) out[i] = rgb;
    });
    return out;
  }
  const scale = stops(look);
  for (let level = 0; level < NO_LEVEL; level++) out[level] = along(scale, level / (NO_LEVEL - 1));
  return out;
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** The colours of an element as numbers, whatever its style sheet made them of; null before it has any. */
export function readColours(el: Element): Omit<Look, "palette"> | null {
  const style = getComputedStyle(el);
  const [paper, ink, accent] = [style.backgroundColor, style.color, style.outlineColor].map(channels);
  return paper && ink && accent ? { paper, ink, accent } : null;
}

function channels(text: string): Rgb | null {
  const found = text.match(/[\d.]+/g)?.map(Number);
  if (!found || found.length < 3 || !text.startsWith("rgb")) return null;
  return found.slice(0, 3) as unknown as Rgb;
}
