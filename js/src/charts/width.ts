/** How wide an element is: charts are drawn in pixels, and notebooks are of any width. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Before anything was measured. */
const FALLBACK = 360;

/** The width of an element, followed. */
export function useWidth(): [(el: HTMLElement | null) => void, number] {
  const [width, setWidth] = useState(FALLBACK);
  const [el, setEl] = useState<HTMLElement | null>(null);
  const frame = useRef(0);
  useLayoutEffect(() => {
    if (!el) return;
    const measure = () => el.clientWidth > 0 && setWidth(el.clientWidth);
    measure();
    if (typeof ResizeObserver === "undefined") return;
    // In a frame of its own: what is drawn anew inside the observer's callback would make it complain of a loop.
    const observer = new ResizeObserver(() => {
      cancelAnimationFrame(frame.current);
      frame.current = requestAnimationFrame(measure);
    });
    observer.observe(el);
    return () => {
      cancelAnimationFrame(frame.current);
      observer.disconnect();
    };
  }, [el]);
  return [setEl, width];
}
