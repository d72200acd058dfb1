/** The scatter's arithmetic and drawing: where a point stands, which one is under the pointer, and the picture. */

import { tickLabel, ticks } from "../../charts/axis";
import type { Palette } from "../../tokens/palette";
import { HUE, type Points, type Which } from "./wire";

export const MARGIN = { left: 48, right: 10, top: 10, bottom: 38 };
/** How near the pointer must be, in pixels. */
const REACH = 10;
const BOTH = 0;
const ONLY_A = 1;

export interface Layout {
  width: number;
  height: number;
  /** What each axis goes from and to; 0 is always on it. */
  x: [number, number];
  y: [number, number];
  /** Pixels of each point. */
  px: Float32Array;
  py: Float32Array;
}

/** Where everything stands; `order[0]` is on the x axis. */
export function layout(points: Points, order: [Which, Which], width: number, height: number): Layout {
  const [across, up] = order[0] === "A" ? [points.x, points.y] : [points.y, points.x];
  const x = extent(across);
  const y = extent(up);
  const made: Layout = { width, height, x, y, px: new Float32Array(across.length), py: new Float32Array(up.length) };
  for (let i = 0; i < across.length; i++) {
    made.px[i] = xOf(made, across[i] ?? 0);
    made.py[i] = yOf(made, up[i] ?? 0);
  }
  return made;
}

function extent(values: Float32Array): [number, number] {
  let [low, high] = [0, 0];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return [0, 1];
  const pad = (high - low) * 0.03;
  return [low < 0 ? low - pad : 0, high > 0 ? high + pad : 0];
}

export function xOf({ width, x: [low, high] }: Layout, value: number): number {
  return MARGIN.left + ((value - low) / (high - low)) * (width - MARGIN.left - MARGIN.right);
}

export function yOf({ height, y: [low, high] }: Layout, value: number): number {
  return height - MARGIN.bottom - ((value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
}

/** The point nearest to a place, if it is near enough; -1 else. */
export function nearest({ px, py }: Layout, x: number, y: number, reach = REACH): number {
  let [found, least] = [-1, reach * reach];
  for (let i = 0; i < px.length; i++) {
    const [dx, dy] = [(px[i] ?? 0) - x, (py[i] ?? 0) - y];
    const distance = dx * dx + dy * dy;
    if (distance <= least) [found, least] = [i, distance];
  }
  return found;
}

/** The points from left to right, for the arrow keys. */
export function walk({ px, py }: Layout): number[] {
  return Array.from(px.keys()).sort((a, b) => (px[a] ?? 0) - (px[b] ?? 0) || (py[b] ?? 0) - (py[a] ?? 0));
}

/** Draw axes and points. Where only one fires, a mark lies along the axis that it stands on, in that side's colour. */
export function draw(
  context: CanvasRenderingContext2D,
  at: Layout,
  { kind }: Points,
  order: [Which, Which],
  palette: Palette,
  names: [string, string],
): void {
  const { width, height, px, py } = at;
  context.font = `11px ${palette.font}`;
  const [left, right] = [MARGIN.left, width - MARGIN.right];
  const [top, bottom] = [MARGIN.top, height - MARGIN.bottom];
  const line = (x0: number, y0: number, x1: number, y1: number) => {
    context.beginPath();
    context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    context.stroke();
  };
  context.strokeStyle = palette.neutral;
  context.fillStyle = palette.ink;
  const across = ticks(at.x[0], at.x[1], Math.max(2, (right - left) / 80));
  const up = ticks(at.y[0], at.y[1], Math.max(2, (bottom - top) / 50));
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of across) {
    context.globalAlpha = 0.25;
    line(xOf(at, tick), top, xOf(at, tick), bottom);
    context.globalAlpha = 1;
    context.fillText(tickLabel(tick, across), xOf(at, tick), bottom + 8);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of up) {
    context.globalAlpha = 0.25;
    line(left, yOf(at, tick), right, yOf(at, tick));
    context.globalAlpha = 1;
    context.fillText(tickLabel(tick, up), left - 8, yOf(at, tick));
  }
  // Zero of either: what stands on it is silent in the other.
  line(xOf(at, 0), top, xOf(at, 0), bottom);
  line(left, yOf(at, 0), right, yOf(at, 0));
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(fitted(context, names[0], right - left), (left + right) / 2, height - 2);
  context.save();
  context.translate(2, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = "top";
  context.fillText(fitted(context, names[1], bottom - top), 0, 0);
  context.restore();

  const colour = (which: Which) => `rgb(${palette.hues[HUE[which]]} / 0.6)`;
  for (let i = 0; i < px.length; i++) {
    const [x, y] = [px[i] ?? 0, py[i] ?? 0];
    if (kind[i] === BOTH) continue;
    const which: Which = kind[i] === ONLY_A ? "A" : "B";
    context.fillStyle = colour(which);
    if (which === order[0]) context.fillRect(x - 0.75, y - 5, 1.5, 10);
    else context.fillRect(x - 5, y - 0.75, 10, 1.5);
  }
  context.fillStyle = palette.ink;
  context.globalAlpha = 0.5;
  for (let i = 0; i < px.length; i++) {
    if (kind[i] !== BOTH) continue;
    context.beginPath();
    context.arc(px[i] ?? 0, py[i] ?? 0, 2.4, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** As much of a name as there is room for. */
function fitted(context: CanvasRenderingContext2D, name: string, room: number): string {
  if (context.measureText(name).width <= room) return name;
  let cut = name;
  while (cut.length > 1 && context.measureText(`${cut}\u2026`).width > room) cut = cut.slice(0, -1);
  return `${cut}\u2026`;
}
