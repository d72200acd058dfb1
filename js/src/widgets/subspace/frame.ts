/** The window on a pair of components: the points have some room around them. */

import type { Frame, Look } from "../../charts/plane";
import * as plane from "../../charts/plane";

export const CLOSEST = 40;
/** Share of the plot that the points take. */
const ROOM = 0.93;

type Extent = readonly [number, number];

export function frameOf(ex: Extent, ey: Extent, width: number, height: number, look: Look): Frame {
  const box = { left: ex[0], right: ex[1], bottom: ey[0], top: ey[1] };
  return plane.frameOf(box, width, height, look, { width: width * ROOM, height: height * ROOM });
}
