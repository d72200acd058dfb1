/**
 * The theme's colours as numbers. Thousands of styles are written on a hover, where var() in each would be slow, and a
 * canvas knows no var() at all. Read once per theme: reading forces the browser to compute styles.
 */

import { useRef } from "preact/hooks";

export interface Palette {
  /** Red, green and blue of each hue, as `rgb()` takes them. */
  hues: string[];
  /** Opacity of the strongest activation. */
  strength: number;
  ink: string;
  neutral: string;
  font: string;
}

/** What the style sheet says for the light theme; used while the widget is not in a document yet. */
export const LIGHT: Palette = {
  hues: ["230 159 0", "0 114 178", "0 158 115", "204 121 167", "213 94 0", "86 180 233"],
  strength: 0.72,
  ink: "#1f2328",
  neutral: "#6e7781",
  font: "sans-serif",
};

/** The palette that the style sheet gives `root`; null while it has none. */
export function readPalette(root: HTMLElement): Palette | null {
  const style = getComputedStyle(root);
  const hues = LIGHT.hues.map((_, hue) => channels(style.getPropertyValue(`--saew-h${hue}`)));
  if (hues.some((found) => found === null)) return null;
  return {
    hues: hues.filter((found) => found !== null),
    strength: Number(style.getPropertyValue("--saew-strength")) || LIGHT.strength,
    ink: style.color,
    neutral: style.getPropertyValue("--saew-neutral").trim() || LIGHT.neutral,
    font: style.fontFamily || LIGHT.font,
  };
}

/** The theme's colours, read once per theme. */
export function usePalette(root: HTMLElement, themeVersion: number): Palette {
  const known = useRef<{ version: number; palette: Palette } | null>(null);
  if (known.current?.version !== themeVersion) {
    const palette = readPalette(root);
    known.current = palette && { version: themeVersion, palette };
  }
  return known.current?.palette ?? LIGHT;
}

function channels(hex: string): string | null {
  const found = hex.trim().match(/^#(..)(..)(..)$/);
  if (!found) return null;
  return found
    .slice(1)
    .map((part) => Number.parseInt(part, 16))
    .join(" ");
}
