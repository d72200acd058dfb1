/**
 * The points of a map, and which of them are where: the nearest to a place, and those inside a line. Both look into a grid of
 * cells, so that they take no longer for 131,072 points than for a thousand.
 */

import { ints } from "../../kernel/arrays";
import type { Reply } from "../../kernel/types";
import type { LayoutJson } from "./wire";

/** Python's steps of a coordinate, over [-1, 1]. */
const STEPS = 65_535;
/** Points of a cell, on average. */
const IN_CELL = 4;

export interface Box {
  left: number;
  right: number;
  bottom: number;
  top: number;
}

export interface Points {
  n: number;
  x: Float32Array;
  y: Float32Array;
  /** The feature of each point, and the point of each feature (-1: none). */
  features: Uint32Array;
  rowOf: Int32Array;
  box: Box;
  grid: Grid;
}

/** Rows sorted by cell: those of cell c are `rows[starts[c] .. starts[c + 1]]`. */
export interface Grid {
  columns: number;
  lines: number;
  /** Cells per unit. */
  per: number;
  starts: Uint32Array;
  rows: Uint32Array;
}

export function pointsOf({ r, arrays }: Reply<LayoutJson>): Points {
  const xy = ints(arrays, "xy");
  const n = xy.length;
  const features = new Uint32Array(n);
  const rowOf = new Int32Array(r.of).fill(-1);
  const without = new Set(ints(arrays, "missing"));
  for (let feature = 0, row = 0; feature < r.of && row < n; feature++) {
    if (without.has(feature)) continue;
    features[row] = feature;
    rowOf[feature] = row++;
  }
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  const box = { left: 1, right: -1, bottom: 1, top: -1 };
  for (let row = 0; row < n; row++) {
    const both = xy[row] as number;
    const px = ((both & 0xffff) / STEPS) * 2 - 1;
    const py = ((both >>> 16) / STEPS) * 2 - 1;
    x[row] = px;
    y[row] = py;
    if (px < box.left) box.left = px;
    if (px > box.right) box.right = px;
    if (py < box.bottom) box.bottom = py;
    if (py > box.top) box.top = py;
  }
  return { n, x, y, features, rowOf, box, grid: gridOf(x, y, box) };
}

function gridOf(x: Float32Array, y: Float32Array, box: Box): Grid {
  const n = x.length;
  const width = Math.max(box.right - box.left, 1e-6);
  const height = Math.max(box.top - box.bottom, 1e-6);
  const per = Math.sqrt(Math.max(1, n / IN_CELL) / (Math.max(width, height) * Math.max(width, height)));
  const columns = Math.floor(width * per) + 1;
  const lines = Math.floor(height * per) + 1;
  const cell = (row: number) =>
    clamp(((y[row] as number) - box.bottom) * per, lines) * columns +
    clamp(((x[row] as number) - box.left) * per, columns);
  const starts = new Uint32Array(columns * lines + 1);
  for (let row = 0; row < n; row++) starts[cell(row) + 1] = (starts[cell(row) + 1] as number) + 1;
  for (let c = 0; c < columns * lines; c++) starts[c + 1] = (starts[c + 1] as number) + (starts[c] as number);
  const next = starts.slice();
  const rows = new Uint32Array(n);
  for (let row = 0; row < n; row++) {
    const c = cell(row);
    rows[next[c] as number] = row;
    next[c] = (next[c] as number) + 1;
  }
  return { columns, lines, per, starts, rows };
}

function clamp(at: number, n: number): number {
  return Math.max(0, Math.min(n - 1, Math.floor(at)));
}

/** Call `visit` with every row whose cell touches a box. */
function within({ grid, box }: Points, area: Box, visit: (row: number) => void): void {
  if (area.right < box.left || area.left > box.right || area.top < box.bottom || area.bottom > box.top) return;
  const { columns, lines, per, starts, rows } = grid;
  const from = clamp((area.left - box.left) * per, columns);
  const to = clamp((area.right - box.left) * per, columns);
  for (
    let line = clamp((area.bottom - box.bottom) * per, lines);
    line <= clamp((area.top - box.bottom) * per, lines);
    line++
  ) {
    const stop = starts[line * columns + to + 1] as number;
    for (let i = starts[line * columns + from] as number; i < stop; i++) visit(rows[i] as number);
  }
}

/** The point nearest to a place, of those that `may` be meant, within a distance; of equally near ones the last; -1: none. */
export function nearest(
  points: Points,
  x: number,
  y: number,
  distance: number,
  may: (row: number) => boolean = () => true,
): number {
  let found = -1;
  let least = distance * distance;
  const area = { left: x - distance, right: x + distance, bottom: y - distance, top: y + distance };
  within(points, area, (row) => {
    const dx = (points.x[row] as number) - x;
    const dy = (points.y[row] as number) - y;
    const far = dx * dx + dy * dy;
    if (far < least || (far === least && row > found)) {
      if (!may(row)) return;
      least = far;
      found = row;
    }
  });
  return found;
}

/** The rows inside a closed line, by the even-odd rule, in ascending order. `line` has x and y in turn. */
export function inside(points: Points, line: readonly number[], may: (row: number) => boolean = () => true): number[] {
  const n = line.length >> 1;
  if (n < 3) return [];
  const area = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (let i = 0; i < n; i++) {
    const [x, y] = [line[2 * i] as number, line[2 * i + 1] as number];
    area.left = Math.min(area.left, x);
    area.right = Math.max(area.right, x);
    area.bottom = Math.min(area.bottom, y);
    area.top = Math.max(area.top, y);
  }
  const found: number[] = [];
  within(points, area, (row) => {
    if (may(row) && contains(line, n, points.x[row] as number, points.y[row] as number)) found.push(row);
  });
  return found.sort((a, b) => a - b);
}

function contains(line: readonly number[], n: number, x: number, y: number): boolean {
  let odd = false;
  for (let i = 0, j = n - 1; i < n; j = i++) {
    const [ax, ay] = [line[2 * i] as number, line[2 * i + 1] as number];
    const [bx, by] = [line[2 * j] as number, line[2 * j + 1] as number];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}
