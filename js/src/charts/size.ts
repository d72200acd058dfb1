/** How large an element is, followed; and a canvas of as many pixels as its place on the screen has. */

import { useLayoutEffect, useState } from "preact/hooks";

export interface Size {
  width: number;
  height: number;
}

/** `first`: before anything was measured. */
export function useSize(el: HTMLElement | null, first: Size): Size {
  const [size, setSize] = useState(first);
  useLayoutEffect(() => {
    if (!el) return;
    return followed(el, ({ width, height }) => {
      if (width > 0 && height > 0)
        setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    });
  }, [el]);
  return size;
}

/** Tell an element's size now and whenever it changes; what it returns ends that. */
export function followed(el: HTMLElement, tell: (size: Size) => void): () => void {
  const measure = () => tell({ width: el.clientWidth, height: el.clientHeight });
  measure();
  if (typeof ResizeObserver === "undefined") return () => {};
  let frame = 0;
  // In a frame of its own: what is drawn anew inside the observer's callback would make it complain of a loop.
  const observer = new ResizeObserver(() => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(measure);
  });
  observer.observe(el);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

/** Pixels that the machine has for one of the page. */
export function densityOf(el: Element): number {
  return el.ownerDocument.defaultView?.devicePixelRatio || 1;
}

/** Give a canvas as many pixels as its place has: how many. Setting them, even to the same, would clear it. */
export function pixelsOf(el: HTMLCanvasElement, { width, height }: Size, dense: number): readonly [number, number] {
  const [w, h] = [Math.max(1, Math.round(width * dense)), Math.max(1, Math.round(height * dense))];
  if (el.width !== w) el.width = w;
  if (el.height !== h) el.height = h;
  return [w, h];
}

/** What is drawn with on a cleared canvas, in pixels of the page; null where there is no canvas. */
export function penOf(
  el: HTMLCanvasElement | null,
  size: Size,
  dense = el ? densityOf(el) : 1,
): CanvasRenderingContext2D | null {
  const pen = el?.getContext?.("2d");
  if (!el || !pen) return null;
  pixelsOf(el, size, dense);
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, size.width, size.height);
  return pen;
}
