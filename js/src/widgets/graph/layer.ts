/**
 * All links as one picture, kept: stroking thousands takes longer than a frame. While the graph moves, the picture moves; it is
 * stroked anew when the movement rests, when it has too little margin, and when there are other links.
 */

import { paintLinks, type Scene } from "./paint";
import { BOTTOM, type Frame, LEFT, RIGHT, TOP } from "./picture";

/** Shares of the picture's size that are kept ready beyond its edges. */
const MARGIN = 0.3;
/** Larger or smaller than it was stroked, it would be seen to be a picture. */
const BLURRED = 1.6;

export class LinkLayer {
  #canvas: HTMLCanvasElement | null = null;
  #frame: Frame | null = null;
  #of: unknown[] = [];

  /** Draw the links on `ctx`; false if they are those of another moment, moved. */
  draw(ctx: CanvasRenderingContext2D, scene: Scene, frame: Frame, dense: number, moving: boolean): boolean {
    const of = [scene.links, scene.places, scene.palette, frame.width, frame.height, dense];
    const known = this.#frame !== null && of.every((one, i) => one === this.#of[i]);
    const still = known && same(this.#frame as Frame, frame);
    if (!still && !(moving && known && this.#covers(frame))) this.#stroke(ctx, scene, frame, dense, of);
    const { look } = this.#frame as Frame;
    const scale = frame.look.zoom / look.zoom;
    const [mx, my] = [frame.width * MARGIN, frame.height * MARGIN];
    // No more than what is already there is smoothed.
    ctx.globalAlpha = scene.selected >= 0 ? 0.14 : 1;
    if (this.#canvas)
      ctx.drawImage(
        this.#canvas,
        LEFT + (-mx - LEFT + look.x) * scale - frame.look.x,
        TOP + (-my - TOP + look.y) * scale - frame.look.y,
        (frame.width + 2 * mx) * scale,
        (frame.height + 2 * my) * scale,
      );
    ctx.globalAlpha = 1;
    return still || same(this.#frame as Frame, frame);
  }

  /** Whether all of the graph that is in sight is in the picture that there is. */
  #covers({ look, width, height }: Frame): boolean {
    const was = (this.#frame as Frame).look;
    const scale = look.zoom / was.zoom;
    if (scale > BLURRED || scale < 1 / BLURRED) return false;
    const covers = (at: number, before: number, size: number, start: number, end: number) => {
      const inner = size - start - end;
      const margin = size * MARGIN * scale;
      const first = before * scale - margin;
      return (
        Math.max(0, at) >= first && Math.min(inner * look.zoom, at + inner) <= first + inner * scale + 2 * margin + 1
      );
    };
    return covers(look.x, was.x, width, LEFT, RIGHT) && covers(look.y, was.y, height, TOP, BOTTOM);
  }

  #stroke(ctx: CanvasRenderingContext2D, scene: Scene, frame: Frame, dense: number, of: unknown[]): void {
    const [mx, my] = [frame.width * MARGIN, frame.height * MARGIN];
    this.#canvas ??= ctx.canvas.ownerDocument.createElement("canvas");
    this.#canvas.width = Math.round((frame.width + 2 * mx) * dense);
    this.#canvas.height = Math.round((frame.height + 2 * my) * dense);
    const own = this.#canvas.getContext("2d");
    if (!own) return;
    own.setTransform(dense, 0, 0, dense, mx * dense, my * dense);
    paintLinks(own, scene, frame, scene.links, { mx, my, least: 0.1 });
    this.#frame = frame;
    this.#of = of;
  }
}

function same(one: Frame, other: Frame): boolean {
  return one.look.zoom === other.look.zoom && one.look.x === other.look.x && one.look.y === other.look.y;
}
