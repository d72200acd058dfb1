/** The window through which a map is seen: what is in its middle, and how much closer it is than the whole. */

import type { Box } from "./points";

/** Around the whole, in pixels. */
const MARGIN = 16;
/** Closer, steps of a coordinate would be seen. */
export const CLOSEST = 64;

export interface Look {
  zoom: number;
  /** In the middle; null: the middle of the whole. */
  at: { x: number; y: number } | null;
}
export const WHOLE: Look = { zoom: 1, at: null };

export interface Frame {
  width: number;
  height: number;
  /** In the middle. */
  x: number;
  y: number;
  /** Pixels of a unit. */
  scale: number;
  zoom: number;
}

export function frameOf(box: Box, width: number, height: number, look: Look): Frame {
  const fit = Math.min(
    Math.max(width - 2 * MARGIN, 1) / Math.max(box.right - box.left, 1e-6),
    Math.max(height - 2 * MARGIN, 1) / Math.max(box.top - box.bottom, 1e-6),
  );
  const { x, y } = look.at ?? { x: (box.left + box.right) / 2, y: (box.bottom + box.top) / 2 };
  return { width, height, x, y, scale: fit * look.zoom, zoom: look.zoom };
}

/** y goes up on a map, and down on a screen. */
export function screenX(frame: Frame, x: number): number {
  return frame.width / 2 + (x - frame.x) * frame.scale;
}

export function screenY(frame: Frame, y: number): number {
  return frame.height / 2 - (y - frame.y) * frame.scale;
}

export function mapX(frame: Frame, px: number): number {
  return frame.x + (px - frame.width / 2) / frame.scale;
}

export function mapY(frame: Frame, py: number): number {
  return frame.y - (py - frame.height / 2) / frame.scale;
}

/** By pixels to the right and down. */
export function moved(frame: Frame, box: Box, dx: number, dy: number): Look {
  return kept(box, frame.zoom, frame.x + dx / frame.scale, frame.y - dy / frame.scale);
}

/** Closer by a factor, with what is under a place of the screen staying there. */
export function zoomed(frame: Frame, box: Box, by: number, px: number, py: number): Look {
  const zoom = Math.max(1, Math.min(CLOSEST, frame.zoom * by));
  if (zoom === 1) return WHOLE;
  const scale = (frame.scale / frame.zoom) * zoom;
  return kept(
    box,
    zoom,
    mapX(frame, px) - (px - frame.width / 2) / scale,
    mapY(frame, py) + (py - frame.height / 2) / scale,
  );
}

/** What is in the middle is on the map. */
function kept({ left, right, bottom, top }: Box, zoom: number, x: number, y: number): Look {
  return { zoom, at: { x: Math.max(left, Math.min(right, x)), y: Math.max(bottom, Math.min(top, y)) } };
}
