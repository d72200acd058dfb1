/** A window on a plane whose axes have the same units: from its coordinates to pixels and back, closer, and moved. */

export interface Box {
  left: number;
  right: number;
  bottom: number;
  top: number;
}

/** What is looked at: how much closer than the whole, and what is in the middle; null: the middle of the whole. */
export interface Look {
  zoom: number;
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

/** The window of `width` and `height` pixels, of which the whole box takes those of `room`. */
export function frameOf(
  box: Box,
  width: number,
  height: number,
  look: Look,
  room: { width: number; height: number },
): Frame {
  const [wide, tall] = [box.right - box.left, box.top - box.bottom];
  const whole = Math.min(Math.max(room.width, 1) / (wide || tall || 1), Math.max(room.height, 1) / (tall || wide || 1));
  const { x, y } = look.at ?? { x: (box.left + box.right) / 2, y: (box.bottom + box.top) / 2 };
  return { width, height, x, y, scale: whole * look.zoom, zoom: look.zoom };
}

/** y goes up on a plane, and down on a screen. */
export const screenX = (frame: Frame, x: number) => frame.width / 2 + (x - frame.x) * frame.scale;
export const screenY = (frame: Frame, y: number) => frame.height / 2 - (y - frame.y) * frame.scale;
export const planeX = (frame: Frame, px: number) => frame.x + (px - frame.width / 2) / frame.scale;
export const planeY = (frame: Frame, py: number) => frame.y - (py - frame.height / 2) / frame.scale;

/** The window moved by pixels to the right and down. */
export function moved(frame: Frame, dx: number, dy: number): Look {
  return { zoom: frame.zoom, at: { x: frame.x + dx / frame.scale, y: frame.y - dy / frame.scale } };
}

/** Closer by a factor, at most `closest` times the whole, with what is under a place of the screen staying there. */
export function zoomed(frame: Frame, closest: number, by: number, px: number, py: number): Look {
  const zoom = Math.max(1, Math.min(closest, frame.zoom * by));
  if (zoom === 1) return WHOLE;
  const scale = (frame.scale / frame.zoom) * zoom;
  return {
    zoom,
    at: {
      x: planeX(frame, px) - (px - frame.width / 2) / scale,
      y: planeY(frame, py) + (py - frame.height / 2) / scale,
    },
  };
}
