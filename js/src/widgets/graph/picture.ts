/** Where nodes stand on screen: columns of tokens, bands of layers, as far as they are shown, through a window that moves. */

import { type Graph, LOGIT, TOKEN } from "./wire";

/** Beside and below the picture, in pixels: names of bands and tokens. */
export const LEFT = 38;
export const BOTTOM = 62;
export const TOP = 14;
export const RIGHT = 10;
/** So near to a node, in pixels, it is meant. */
export const NEAR = 30;
/** More links than these are too many to see one by one, and to pan smoothly. */
export const MOST_LINKS = 3000;
const DEEPEST = 40;

/** The nodes that are shown: up to a cumulative influence, with those that are always. */
export function shownNodes(graph: Graph, threshold: number, always: Iterable<string>): Uint8Array {
  const shown = new Uint8Array(graph.n);
  for (let row = 0; row < graph.n; row++) {
    const given = graph.kind[row] === TOKEN || graph.kind[row] === LOGIT;
    // What is not known to be above is shown.
    shown[row] = given || !((graph.cumulative[row] ?? Number.NaN) > threshold + 1e-7) ? 1 : 0;
  }
  for (const id of always) {
    const row = graph.rows.get(id);
    if (row !== undefined) shown[row] = 1;
  }
  return shown;
}

/** Links between nodes that are shown: those to draw, the weakest first, and how many there are. */
export function shownLinks(graph: Graph, shown: Uint8Array): { drawn: number[]; total: number } {
  const found = [];
  for (let link = 0; link < graph.source.length; link++)
    if (shown[graph.source[link] ?? 0] && shown[graph.target[link] ?? 0]) found.push(link);
  found.sort((a, b) => Math.abs(graph.share[a] ?? 0) - Math.abs(graph.share[b] ?? 0));
  return { drawn: found.slice(-MOST_LINKS), total: found.length };
}

/** Places in units of a node's width and a band's height; y goes down, from the logits. */
export interface Places {
  x: Float32Array;
  y: Float32Array;
  /** Where columns begin, and the end of the last. */
  starts: number[];
  bands: number;
}

/** A column is as wide as its fullest band; in the middle of it nodes stand side by side, in the kernel's order. */
export function placesOf(graph: Graph, shown: Uint8Array): Places {
  const bands = graph.json.bands.length;
  let columns = graph.json.tokens.length;
  for (let row = 0; row < graph.n; row++) columns = Math.max(columns, (graph.position[row] ?? 0) + 1);
  const cell = (row: number) => Math.max(graph.position[row] ?? 0, 0) * bands + (graph.band[row] ?? 0);
  const counts = new Uint32Array(columns * bands);
  for (let row = 0; row < graph.n; row++) if (shown[row]) counts[cell(row)] = (counts[cell(row)] ?? 0) + 1;
  const widths = Array.from({ length: columns }, (_, c) =>
    Math.max(1, ...counts.subarray(c * bands, (c + 1) * bands).values()),
  );
  const starts = [0];
  // Half a node between columns, so that where one ends is seen.
  for (const width of widths) starts.push((starts.at(-1) ?? 0) + width + 0.5);
  const x = new Float32Array(graph.n);
  const y = new Float32Array(graph.n);
  const filled = new Uint32Array(counts.length);
  for (const row of graph.order) {
    if (!shown[row]) continue;
    const at = cell(row);
    const column = Math.floor(at / bands);
    const nth = filled[at] ?? 0;
    filled[at] = nth + 1;
    x[row] = (starts[column] ?? 0) + ((widths[column] ?? 1) - (counts[at] ?? 0)) / 2 + nth + 0.75;
    y[row] = bands - 1 - (graph.band[row] ?? 0) + 0.5;
  }
  return { x, y, starts, bands };
}

/** The window: how often the whole would fit, and where its corner is, in pixels of the whole at that size. */
export interface Look {
  zoom: number;
  x: number;
  y: number;
}
export const WHOLE: Look = { zoom: 1, x: 0, y: 0 };

/** What the picture is drawn by. */
export interface Frame {
  width: number;
  height: number;
  look: Look;
  /** Pixels of a unit. */
  ux: number;
  uy: number;
}

export function frameOf(places: Places, width: number, height: number, look: Look): Frame {
  const ux = (Math.max(width - LEFT - RIGHT, 1) / Math.max(places.starts.at(-1) ?? 1, 1)) * look.zoom;
  const uy = (Math.max(height - TOP - BOTTOM, 1) / Math.max(places.bands, 1)) * look.zoom;
  return { width, height, look, ux, uy };
}

export function screenX(frame: Frame, x: number): number {
  return LEFT + x * frame.ux - frame.look.x;
}

export function screenY(frame: Frame, y: number): number {
  return TOP + y * frame.uy - frame.look.y;
}

/** Some of the picture is always in sight. */
export function kept(look: Look, width: number, height: number): Look {
  const zoom = Math.min(DEEPEST, Math.max(1, look.zoom));
  const inner = { x: Math.max(width - LEFT - RIGHT, 1), y: Math.max(height - TOP - BOTTOM, 1) };
  const within = (at: number, room: number) => Math.min(Math.max(at, -room / 2), room * zoom - room / 2);
  return { zoom, x: within(look.x, inner.x), y: within(look.y, inner.y) };
}

/** Nearer by a factor, with what is under a point staying there. */
export function zoomed(look: Look, by: number, px: number, py: number): Look {
  const zoom = Math.min(DEEPEST, Math.max(1, look.zoom * by));
  if (zoom === 1) return WHOLE;
  const scale = zoom / look.zoom;
  return { zoom, x: (look.x + px - LEFT) * scale - (px - LEFT), y: (look.y + py - TOP) * scale - (py - TOP) };
}

/** The shown node that is nearest to a point; -1 if none is near. */
export function nearest(places: Places, shown: Uint8Array, frame: Frame, px: number, py: number): number {
  let found = -1;
  let least = NEAR * NEAR;
  for (let row = 0; row < shown.length; row++) {
    if (!shown[row]) continue;
    const dx = screenX(frame, places.x[row] ?? 0) - px;
    const dy = screenY(frame, places.y[row] ?? 0) - py;
    const distance = dx * dx + dy * dy;
    if (distance <= least) {
      least = distance;
      found = row;
    }
  }
  return found;
}
