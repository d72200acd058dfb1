/** What a place of the picture means: the point there, and the points that a line goes around. */

import { nearest } from "../../charts/nearby";
import { type Frame, planeX, planeY } from "../../charts/plane";
import { inside } from "./points";
import { type Drawn, FAINT, FOUND, radiusOf } from "./raster";

/** The row of the point: one that stands out if the place is on it, else the nearest within so many pixels; -1 for none. */
export function meant(frame: Frame, { points, state }: Drawn, px: number, py: number, distance: number): number {
  const [x, y] = [planeX(frame, px), planeY(frame, py)];
  const large = radiusOf(frame, points.n, FOUND);
  const out = nearest(points.near, x, y, (large + 1) / frame.scale, (row) => (state[row] ?? 0) >= FOUND);
  return out >= 0 ? out : nearest(points.near, x, y, distance / frame.scale, (row) => state[row] !== FAINT);
}

/** The rows of the points inside a line of the screen (x, y, x, y ...), of those that can be reached. */
export function within(frame: Frame, { points, state }: Drawn, line: readonly number[]): number[] {
  const around = line.map((value, i) => (i % 2 === 0 ? planeX(frame, value) : planeY(frame, value)));
  return inside(points, around, (row) => state[row] !== FAINT);
}
