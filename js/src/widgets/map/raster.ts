/**
 * The points as pixels, written by hand: a canvas draws some thousand circles in a frame, and this hundreds of thousands, on
 * any machine. A pixel is a number, of bytes alpha, blue, green, red (every machine that runs this is little-endian).
 */

import type { Frame } from "./look";
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

/** Rows by how they stand out, what stands out most last, so that it is drawn over the others. */
export function ordered(state: Uint8Array): Uint32Array {
  const starts = new Uint32Array(LEFT.length + 1);
  for (const one of state) starts[one + 1] = (starts[one + 1] ?? 0) + 1;
  for (let i = 0; i < LEFT.length; i++) starts[i + 1] = (starts[i + 1] ?? 0) + (starts[i] ?? 0);
  const order = new Uint32Array(state.length);
  for (let row = 0; row < state.length; row++) {
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

/** A disc: which pixels around its middle, and how much of each. */
interface Stamp {
  reach: number;
  dx: Int16Array;
  dy: Int16Array;
  share: Uint16Array;
}

function stampOf(radius: number): Stamp {
  const reach = Math.ceil(radius + 0.5) - 1;
  const found: [number, number, number][] = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const share = Math.round(Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(dx, dy))) * FULL);
      if (share > 8) found.push([dx, dy, share]);
    }
  return {
    reach,
    dx: Int16Array.from(found, ([dx]) => dx),
    dy: Int16Array.from(found, ([, dy]) => dy),
    share: Uint16Array.from(found, ([, , share]) => share),
  };
}

/** Draw all points into [height * width] pixels, of which there are `dense` for each of the screen's. */
export function raster(pixels: Uint32Array, width: number, height: number, dense: number, frame: Frame, of: Drawn) {
  const { points, order, state, level, ink } = of;
  pixels.fill(ink.paper);
  const radius = (which: number) => radiusOf(frame, points.n, which) * dense;
  const stamps = [FAINT, DIM, PLAIN, FOUND, SELECTED].map((which) => stampOf(radius(which)));
  const around = stampOf(radius(FOUND) + dense);
  const chosen = stampOf(radius(SELECTED) + 2 * dense);
  const scale = frame.scale * dense;
  const left = width / 2 - frame.x * scale;
  const top = height / 2 + frame.y * scale;
  const most = chosen.reach;
  for (let i = 0; i < order.length; i++) {
    const row = order[i] as number;
    const px = Math.floor(left + (points.x[row] as number) * scale);
    const py = Math.floor(top - (points.y[row] as number) * scale);
    if (px < -most || py < -most || px >= width + most || py >= height + most) continue;
    const which = state[row] as number;
    if (which === SELECTED) put(pixels, width, height, px, py, chosen, ink.accent);
    else if (which === FOUND) put(pixels, width, height, px, py, around, ink.line);
    const colour = ink.table[which * 256 + (level[row] as number)] as number;
    put(pixels, width, height, px, py, stamps[which] as Stamp, colour);
  }
}

function put(pixels: Uint32Array, width: number, height: number, px: number, py: number, stamp: Stamp, colour: number) {
  const { dx, dy, share, reach } = stamp;
  const whole = px >= reach && py >= reach && px < width - reach && py < height - reach;
  const middle = py * width + px;
  for (let k = 0; k < share.length; k++) {
    const x = dx[k] as number;
    const y = dy[k] as number;
    if (!whole && (px + x < 0 || px + x >= width || py + y < 0 || py + y >= height)) continue;
    const at = middle + y * width + x;
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
