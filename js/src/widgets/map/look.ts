/** The window through which a map is seen: never off the map, and never so close that steps of a coordinate would be seen. */

import * as plane from "../../charts/plane";
import { type Box, type Frame, type Look, WHOLE } from "../../charts/plane";

/** Around the whole, in pixels. */
const MARGIN = 16;
export const CLOSEST = 64;

export function frameOf(box: Box, width: number, height: number, look: Look): Frame {
  return plane.frameOf(box, width, height, look, { width: width - 2 * MARGIN, height: height - 2 * MARGIN });
}

/** By pixels to the right and down. */
export function moved(frame: Frame, box: Box, dx: number, dy: number): Look {
  return kept(box, plane.moved(frame, dx, dy));
}

/** Closer by a factor, with what is under a place of the screen staying there. */
export function zoomed(frame: Frame, box: Box, by: number, px: number, py: number): Look {
  return kept(box, plane.zoomed(frame, CLOSEST, by, px, py));
}

/** What is in the middle is on the map. */
function kept({ left, right, bottom, top }: Box, { zoom, at }: Look): Look {
  if (!at) return WHOLE;
  return { zoom, at: { x: Math.max(left, Math.min(right, at.x)), y: Math.max(bottom, Math.min(top, at.y)) } };
}
