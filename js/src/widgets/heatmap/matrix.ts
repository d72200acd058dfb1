/** Draws the token x feature matrix: a canvas as wide as the window on it, whatever the number of columns. */

import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import type { TextData } from "./data";

export const ROW = 18;
export const HEAD = 62;

export interface MatrixRow {
  feature: number;
  /** Number of the hue, or -1 for a feature that is not selected. */
  hue: number;
  values: Float32Array | null;
  scale: number;
}

export interface MatrixPicture {
  data: TextData;
  rows: MatrixRow[];
  includeSpecial: boolean;
  cell: number;
  scroll: number;
  width: number;
  hoverToken: number;
  hoverRow: number;
  selected: ReadonlySet<number>;
  palette: Palette;
}

/** Width of a column: wide when there is room, never too narrow to see. */
export function cellWidth(tokens: number, width: number): number {
  return Math.max(12, Math.min(28, Math.floor(width / Math.max(1, tokens))));
}

/** The cell under a point of the canvas; -1 where there is none. */
export function cellAt(picture: MatrixPicture, x: number, y: number): { token: number; row: number } {
  const token = Math.floor((x + picture.scroll) / picture.cell);
  const row = Math.floor((y - HEAD) / ROW);
  return {
    token: token >= 0 && token < picture.data.json.n ? token : -1,
    row: row >= 0 && row < picture.rows.length ? row : -1,
  };
}

/** Draw what is visible. */
export function draw(canvas: HTMLCanvasElement, picture: MatrixPicture): void {
  const context = canvas.getContext("2d");
  if (!context || picture.width <= 0) return;
  const ratio = window.devicePixelRatio || 1;
  const height = HEAD + picture.rows.length * ROW;
  canvas.width = Math.round(picture.width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${picture.width}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, picture.width, height);
  const { ink, neutral, hues } = picture.palette;
  const font = `11px ${picture.palette.font}`;
  const { cell, scroll, data } = picture;
  const first = Math.max(0, Math.floor(scroll / cell));
  // Slanted names reach to the right, so columns left of the window are not drawn, some right of it are.
  const last = Math.min(data.json.n - 1, Math.ceil((scroll + picture.width) / cell));
  for (let token = first; token <= last; token++) {
    const x = token * cell - scroll;
    const muted = !picture.includeSpecial && data.excluded(token);
    if (picture.selected.has(token) || token === picture.hoverToken) {
      context.globalAlpha = picture.selected.has(token) ? 0.14 : 0.07;
      context.fillStyle = ink;
      context.fillRect(x, 0, cell, height);
    }
    const name = label(data.json.str[token] ?? "") || "\u2025";
    heading(context, name, x + cell / 2, cell, muted ? 0.55 : 0.9, ink, font);
    picture.rows.forEach((row, k) => {
      const value = row.values?.[token] ?? 0;
      if (muted) {
        context.globalAlpha = 0.06;
        context.fillStyle = ink;
        context.fillRect(x, HEAD + k * ROW, cell - 1, ROW - 1);
      } else if (value !== 0 && row.scale > 0) {
        context.globalAlpha = 0.12 + 0.88 * Math.min(1, Math.abs(value) / row.scale);
        context.fillStyle = row.hue >= 0 ? `rgb(${hues[row.hue]})` : neutral;
        if (value > 0) context.fillRect(x, HEAD + k * ROW, cell - 1, ROW - 1);
        else hatch(context, x, HEAD + k * ROW, cell - 1, ROW - 1);
      }
    });
  }
  context.globalAlpha = 0.35;
  context.strokeStyle = ink;
  for (const [start] of data.json.texts.slice(1)) {
    const x = start * cell - scroll - 0.5;
    context.strokeRect(x, 0, 0, height);
  }
  if (picture.hoverRow >= 0) {
    context.globalAlpha = 0.6;
    context.strokeRect(0.5, HEAD + picture.hoverRow * ROW - 0.5, picture.width - 1, ROW);
  }
  context.globalAlpha = 1;
}

function heading(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  cell: number,
  alpha: number,
  ink: string,
  font: string,
): void {
  context.save();
  context.globalAlpha = alpha;
  context.fillStyle = ink;
  context.font = font;
  // Steeper where columns are narrow, or the names would run into each other.
  const steep = cell < 16;
  context.translate(x + (steep ? 3.5 : 4), HEAD - 4);
  context.rotate(steep ? -Math.PI / 2.1 : -Math.PI / 3);
  context.fillText(text.length > 9 ? `${text.slice(0, 8)}\u2026` : text, 0, 0);
  context.restore();
}

/** A negative activation: stripes instead of a surface. */
function hatch(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  for (let at = 1; at < height; at += 4) context.fillRect(x, y + at, width, 2);
}
