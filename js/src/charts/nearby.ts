/** Which points are where: a grid of cells over them, so that a hand finds one of 131,072 as quickly as one of a thousand. */

import type { Box } from "./plane";

/** Points of a cell, on average. */
const IN_CELL = 4;

type May = (row: number) => boolean;
const ANY: May = () => true;

export interface Nearby {
  x: Float32Array;
  y: Float32Array;
  /** Around all points. */
  box: Box;
  /** The points cell by cell: those that are near each other mostly follow each other. */
  rows: Uint32Array;
  /** Call `visit` with every point whose cell touches an area. */
  within: (area: Box, visit: (row: number) => void) => void;
}

/** Only points that are `shown` will be found. */
export function nearbyOf(x: Float32Array, y: Float32Array, shown = ANY): Nearby {
  const [left, right] = ends(x);
  const [bottom, top] = ends(y);
  const [width, height] = [Math.max(right - left, 1e-6), Math.max(top - bottom, 1e-6)];
  const per = Math.sqrt(Math.max(1, x.length / IN_CELL)) / Math.max(width, height);
  const columns = Math.floor(width * per) + 1;
  const lines = Math.floor(height * per) + 1;
  const column = (at: number) => clamp((at - left) * per, columns);
  const line = (at: number) => clamp((at - bottom) * per, lines);
  const starts = new Uint32Array(columns * lines + 1);
  /** The cell of each point; -1: not shown. */
  const cell = new Int32Array(x.length);
  for (let row = 0; row < x.length; row++) {
    const at = shown(row) ? line(y[row] as number) * columns + column(x[row] as number) : -1;
    cell[row] = at;
    if (at >= 0) starts[at + 1] = (starts[at + 1] as number) + 1;
  }
  for (let at = 1; at < starts.length; at++) starts[at] = (starts[at] as number) + (starts[at - 1] as number);
  const next = starts.slice();
  const rows = new Uint32Array(starts.at(-1) as number);
  cell.forEach((at, row) => {
    if (at >= 0) rows[(next[at] as number)++] = row;
  });
  const within: Nearby["within"] = (area, visit) => {
    if (area.right < left || area.left > right || area.top < bottom || area.bottom > top) return;
    for (let at = line(area.bottom); at <= line(area.top); at++) {
      const stop = starts[at * columns + column(area.right) + 1] as number;
      for (let i = starts[at * columns + column(area.left)] as number; i < stop; i++) visit(rows[i] as number);
    }
  };
  return { x, y, box: { left, right, bottom, top }, rows, within };
}

/** The point nearest to a place, of those that `may` be meant, within a distance; of equally near ones the last; -1: none. */
export function nearest(of: Nearby, x: number, y: number, distance: number, may = ANY): number {
  let found = -1;
  let least = distance * distance;
  of.within({ left: x - distance, right: x + distance, bottom: y - distance, top: y + distance }, (row) => {
    const far = ((of.x[row] as number) - x) ** 2 + ((of.y[row] as number) - y) ** 2;
    if ((far < least || (far === least && row > found)) && may(row)) [least, found] = [far, row];
  });
  return found;
}

/** The nearest point in a direction (a quarter of all around it), of equally near ones the first; -1: none. */
export function toward(of: Nearby, x: number, y: number, dx: number, dy: number): number {
  let found = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const row of of.rows) {
    const [vx, vy] = [(of.x[row] as number) - x, (of.y[row] as number) - y];
    const along = vx * dx + vy * dy;
    if (along <= 0 || Math.abs(vx * dy - vy * dx) > along) continue;
    const far = vx * vx + vy * vy;
    if (far < least || (far === least && row < found)) [least, found] = [far, row];
  }
  return found;
}

function clamp(at: number, n: number): number {
  return Math.max(0, Math.min(n - 1, Math.floor(at)));
}

function ends(values: Float32Array): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}
