/** From coordinates to pixels and back: both axes in the same units, so that a circle is one on screen. */

/** What of the picture is looked at: how near, and which point of the plane is in the middle. */
export interface Look {
  zoom: number;
  /** Null: the middle of all points. */
  middle: [number, number] | null;
}

export const WHOLE: Look = { zoom: 1, middle: null };
const NEAREST = 40;
/** Share of the plot that the points take. */
const ROOM = 0.93;

export interface Frame {
  /** Pixels of a unit. */
  scale: number;
  /** The point in the middle. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export type Extent = readonly [number, number];

export function frameOf(ex: Extent, ey: Extent, width: number, height: number, { zoom, middle }: Look): Frame {
  const [spanX, spanY] = [ex[1] - ex[0], ey[1] - ey[0]];
  const whole = Math.min(width / (spanX || spanY || 1), height / (spanY || spanX || 1)) * ROOM;
  const [x, y] = middle ?? [(ex[0] + ex[1]) / 2, (ey[0] + ey[1]) / 2];
  return { scale: whole * zoom, x, y, width, height };
}

export const screenX = (to: Frame, x: number) => to.width / 2 + (x - to.x) * to.scale;
export const screenY = (to: Frame, y: number) => to.height / 2 - (y - to.y) * to.scale;
export const dataX = (of: Frame, px: number) => of.x + (px - of.width / 2) / of.scale;
export const dataY = (of: Frame, py: number) => of.y - (py - of.height / 2) / of.scale;

/** Nearer by a factor, while the point under a pixel stays where it is. */
export function zoomed(look: Look, of: Frame, by: number, px: number, py: number): Look {
  const zoom = Math.max(1, Math.min(NEAREST, look.zoom * by));
  if (zoom === 1) return WHOLE;
  const scale = of.scale * (zoom / look.zoom);
  return {
    zoom,
    middle: [dataX(of, px) - (px - of.width / 2) / scale, dataY(of, py) + (py - of.height / 2) / scale],
  };
}

/** Moved by pixels. */
export function moved(look: Look, of: Frame, px: number, py: number): Look {
  return look.zoom === 1 ? look : { zoom: look.zoom, middle: [of.x - px / of.scale, of.y + py / of.scale] };
}
