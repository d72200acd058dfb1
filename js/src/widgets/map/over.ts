/** What lies over the points and follows the hand: a ring around one, the cross that keys aim with, the loop of a lasso. */

import { type Frame, screenX, screenY } from "../../charts/plane";
import { type Drawn, radiusOf } from "./raster";

type Pen = CanvasRenderingContext2D;

/** Around the point of a row (-1: none), by so many pixels more than the point and so wide. */
export function ring(ctx: Pen, frame: Frame, { points, state }: Drawn, row: number, more: number, wide: number): void {
  if (row < 0) return;
  ctx.lineWidth = wide;
  ctx.beginPath();
  const radius = radiusOf(frame, points.n, state[row] ?? 0) + more;
  ctx.arc(screenX(frame, points.x[row] ?? 0), screenY(frame, points.y[row] ?? 0), radius, 0, 2 * Math.PI);
  ctx.stroke();
}

/** Four strokes around a place, on whole pixels so that they are sharp. */
export function cross(ctx: Pen, px: number, py: number): void {
  const [x, y] = [Math.round(px) + 0.5, Math.round(py) + 0.5];
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    ctx.moveTo(x + 4 * dx, y + 4 * dy);
    ctx.lineTo(x + 12 * dx, y + 12 * dy);
  }
  ctx.stroke();
}

/** A lasso (x, y, x, y ...), closed by where it would be let go. */
export function loop(ctx: Pen, line: readonly number[], colour: string): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 3]);
  ctx.beginPath();
  for (let i = 0; i < line.length; i += 2) ctx.lineTo(line[i] ?? 0, line[i + 1] ?? 0);
  ctx.closePath();
  ctx.stroke();
  ctx.globalAlpha = 0.1;
  ctx.fillStyle = colour;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
}
