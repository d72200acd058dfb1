/** Points on a canvas: what has no colour of its own at the bottom, then group by group, the smallest on top. */

import { type Frame, screenX, screenY } from "../../charts/plane";
import type { Buckets } from "./colours";

const SMALL = 2;
/** Discs of one path: what overlaps within one takes longer the more there are. */
const TOGETHER = 200;

export interface Scene {
  x: Float32Array;
  y: Float32Array;
  buckets: Buckets;
  /** Whether a point is among those that are looked at; the others are faint. */
  shown: (point: number) => boolean;
}

/** The radius of a point: the more, the smaller. */
export function radiusOf(n: number, zoom: number): number {
  const base = n < 300 ? 4 : n < 2000 ? 3 : n < 8000 ? 2.2 : 1.7;
  return Math.min(5, base * Math.sqrt(Math.sqrt(zoom)));
}

export function paint(ctx: CanvasRenderingContext2D, scene: Scene, to: Frame, radius: number, every = 1): void {
  const { x, y, buckets, shown } = scene;
  const { of, marks } = buckets;
  const lists: number[][] = marks.map(() => []);
  const faint: number[] = [];
  for (let i = 0; i < x.length; i += every) {
    const [px, py] = [screenX(to, x[i] ?? 0), screenY(to, y[i] ?? 0)];
    if (px < -radius || py < -radius || px > to.width + radius || py > to.height + radius) continue;
    (shown(i) ? lists[of[i] ?? 0] : faint)?.push(px, py);
  }
  const none = marks.length - 1;
  ctx.globalAlpha = 0.12;
  draw(ctx, faint, marks[none]?.colour ?? "", radius, false);
  ctx.globalAlpha = 0.35;
  draw(ctx, lists[none] ?? [], marks[none]?.colour ?? "", radius, false);
  ctx.globalAlpha = 0.8;
  for (let i = 0; i < none; i++) draw(ctx, lists[i] ?? [], marks[i]?.colour ?? "", radius, marks[i]?.square ?? false);
  ctx.globalAlpha = 1;
}

function draw(ctx: CanvasRenderingContext2D, at: number[], colour: string, radius: number, square: boolean): void {
  ctx.fillStyle = colour;
  // So small, a square is seen as a disc, and is drawn ten times as quickly.
  if (square || radius < SMALL) {
    // As large to the eye as a disc of this radius.
    const half = radius * 0.88;
    for (let k = 0; k < at.length; k += 2)
      ctx.fillRect((at[k] ?? 0) - half, (at[k + 1] ?? 0) - half, 2 * half, 2 * half);
    return;
  }
  for (let first = 0; first < at.length; first += 2 * TOGETHER) {
    ctx.beginPath();
    for (let k = first; k < Math.min(at.length, first + 2 * TOGETHER); k += 2) {
      ctx.moveTo((at[k] ?? 0) + radius, at[k + 1] ?? 0);
      ctx.arc(at[k] ?? 0, at[k + 1] ?? 0, radius, 0, 2 * Math.PI);
    }
    ctx.fill();
  }
}
