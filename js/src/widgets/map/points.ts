/** The points of a map, and those inside a line. */

import { type Nearby, nearbyOf } from "../../charts/nearby";
import type { Box } from "../../charts/plane";
import { ints } from "../../kernel/arrays";
import type { Reply } from "../../kernel/types";
import type { LayoutJson } from "./wire";

/** Python's steps of a coordinate, over [-1, 1]. */
const STEPS = 65_535;

export interface Points {
  n: number;
  x: Float32Array;
  y: Float32Array;
  /** The feature of each point, and the point of each feature (-1: none). */
  features: Uint32Array;
  rowOf: Int32Array;
  box: Box;
  near: Nearby;
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
  for (let row = 0; row < n; row++) {
    const both = xy[row] as number;
    x[row] = ((both & 0xffff) / STEPS) * 2 - 1;
    y[row] = ((both >>> 16) / STEPS) * 2 - 1;
  }
  const near = nearbyOf(x, y);
  return { n, x, y, features, rowOf, box: near.box, near };
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
  points.near.within(area, (row) => {
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
