/** How large an element is, followed: the picture is drawn in its pixels. */

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
    const measure = () => {
      const { clientWidth: width, clientHeight: height } = el;
      if (width > 0 && height > 0)
        setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    };
    measure();
    if (typeof ResizeObserver === "undefined") return;
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
  }, [el]);
  return size;
}
