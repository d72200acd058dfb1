/**
 * The points as pixels, written by hand: a canvas draws some thousand circles in a frame, and this hundreds of thousands, on
 * any machine. A pixel is a number, of bytes alpha, blue, green, red (every machine that runs this is little-endian).
 */

import type { Frame } from "../../charts/plane";
import type { Points } from "./points";

/** How a point stands out: behind all and out of reach, behind, as it is, found, selected. */
export const FAINT = 0;
export const DIM = 1;
export const PLAIN = 2;
export const FOUND = 3;
export const SELECTED = 4;
/** What is left of the colour of the first two. */
const LEFT = [0.16, 0.3, 1, 1, 1];
/** A blended pixel has so many steps from one colour to the other. */
const FULL = 256;

export interface Ink {
  /** What is behind, around what is found, and around what is selected. */
  paper: number;
  line: number;
  accent: number;
  /** [5 * 256]: of each way to stand out, the colour of each level. */
  table: Uint32Array;
}

export interface Drawn {
  points: Points;
  /** How each stands out, rows in that order, and the level of each. */
  state: Uint8Array;
  order: Uint32Array;
  level: Uint8Array;
  ink: Ink;
}

export function pixel(rgb: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = rgb;
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** The colours of every level (`levels`: [256] as red, green, blue), for every way to stand out. */
export function inkOf(
  levels: readonly (readonly number[])[],
  [paper, line, accent]: readonly [readonly number[], readonly number[], readonly number[]],
): Ink {
  const table = new Uint32Array(LEFT.length * 256);
  LEFT.forEach((share, state) => {
    for (let level = 0; level < 256; level++)
      table[state * 256 + level] = pixel(
        paper.map((back, i) => Math.round(back + ((levels[level]?.[i] ?? back) - back) * share)),
      );
  });
  return { paper: pixel(paper), line: pixel(line), accent: pixel(accent), table };
}

/**
 * Rows by how they stand out, what stands out most last, so that it is drawn over the others; among their like those that are
 * near each other follow each other (`rows` are), for memory is slow where one jumps.
 */
export function ordered(state: Uint8Array, rows: Uint32Array): Uint32Array {
  const starts = new Uint32Array(LEFT.length + 1);
  for (const one of state) starts[one + 1] = (starts[one + 1] ?? 0) + 1;
  for (let i = 0; i < LEFT.length; i++) starts[i + 1] = (starts[i + 1] ?? 0) + (starts[i] ?? 0);
  const order = new Uint32Array(state.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    const one = state[row] as number;
    order[starts[one] as number] = row;
    starts[one] = (starts[one] as number) + 1;
  }
  return order;
}

/** Radius of a point, in pixels of the screen: larger where there are few of them, or fewer in sight. */
export function radiusOf(frame: Frame, n: number, state: number): number {
  const plain = Math.sqrt((frame.width * frame.height * 0.1) / Math.max(n, 1) / Math.PI);
  const radius = Math.min(5, Math.max(0.8, Math.min(3.2, plain)) * frame.zoom ** 0.35);
  return state >= FOUND ? Math.max(radius * 1.3, radius + 1, 2.6) : radius;
}

/** A disc: which pixels around its middle, also as steps through the picture, and how much of each. */
interface Stamp {
  reach: number;
  dx: Int16Array;
  dy: Int16Array;
  step: Int32Array;
  share: Uint16Array;
  /** Nothing is blended. */
  solid: boolean;
}

/** Without `smooth` edges it is drawn several times as fast. */
function stampOf(radius: number, width: number, smooth: boolean): Stamp {
  const reach = Math.ceil(radius + 0.5) - 1;
  const found: [number, number, number][] = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const share = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(dx, dy)));
      if (smooth ? share > 0.03 : share > 0.29) found.push([dx, dy, smooth ? Math.round(share * FULL) : FULL]);
    }
  return {
    reach,
    dx: Int16Array.from(found, ([dx]) => dx),
    dy: Int16Array.from(found, ([, dy]) => dy),
    step: Int32Array.from(found, ([dx, dy]) => dy * width + dx),
    share: Uint16Array.from(found, ([, , share]) => share),
    solid: !smooth,
  };
}

/** Draw all points into [height * width] pixels, of which there are `dense` for each of the screen's. */
export function raster(
  pixels: Uint32Array,
  { width, height, dense, smooth }: { width: number; height: number; dense: number; smooth: boolean },
  frame: Frame,
  { points, order, state, level, ink }: Drawn,
): void {
  pixels.fill(ink.paper);
  const stamp = (which: number, more = 0) =>
    stampOf(radiusOf(frame, points.n, which) * dense + more * dense, width, smooth);
  const stamps = [FAINT, DIM, PLAIN, FOUND, SELECTED].map((which) => stamp(which));
  const around = stamp(FOUND, 1);
  const chosen = stamp(SELECTED, 2);
  const scale = frame.scale * dense;
  const left = width / 2 - frame.x * scale;
  const top = height / 2 + frame.y * scale;
  const most = chosen.reach;
  const { x, y } = points;
  const { table } = ink;
  for (let i = 0; i < order.length; i++) {
    const row = order[i] as number;
    const px = Math.floor(left + (x[row] as number) * scale);
    const py = Math.floor(top - (y[row] as number) * scale);
    if (px < -most || py < -most || px >= width + most || py >= height + most) continue;
    const which = state[row] as number;
    if (which === SELECTED) put(pixels, width, height, px, py, chosen, ink.accent);
    else if (which === FOUND) put(pixels, width, height, px, py, around, ink.line);
    put(pixels, width, height, px, py, stamps[which] as Stamp, table[which * 256 + (level[row] as number)] as number);
  }
}

function put(pixels: Uint32Array, width: number, height: number, px: number, py: number, stamp: Stamp, colour: number) {
  const { dx, dy, step, share, reach, solid } = stamp;
  const whole = px >= reach && py >= reach && px < width - reach && py < height - reach;
  const middle = py * width + px;
  if (whole && solid) {
    for (let k = 0; k < step.length; k++) pixels[middle + (step[k] as number)] = colour;
    return;
  }
  for (let k = 0; k < step.length; k++) {
    const x = px + (dx[k] as number);
    const y = py + (dy[k] as number);
    if (!whole && (x < 0 || x >= width || y < 0 || y >= height)) continue;
    const at = middle + (step[k] as number);
    const part = share[k] as number;
    pixels[at] = part === FULL ? colour : mixed(pixels[at] as number, colour, part);
  }
}

/** From one colour so far to the other; red and blue in one go. */
function mixed(from: number, to: number, part: number): number {
  const rb = from & 0xff00ff;
  const g = from & 0x00ff00;
  const nextRb = (rb + (Math.imul((to & 0xff00ff) - rb, part) >> 8)) & 0xff00ff;
  const nextG = (g + (Math.imul((to & 0x00ff00) - g, part) >> 8)) & 0x00ff00;
  return (0xff000000 | nextRb | nextG) >>> 0;
}
