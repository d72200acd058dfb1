/** How wide an element is: charts are drawn in pixels, and notebooks are of any width. */

import { useLayoutEffect, useState } from "preact/hooks";
import { followed } from "./size";

/** Before anything was measured. */
const FALLBACK = 360;

/** The width of an element, followed. */
export function useWidth(): [(el: HTMLElement | null) => void, number] {
  const [width, setWidth] = useState(FALLBACK);
  const [el, setEl] = useState<HTMLElement | null>(null);
  useLayoutEffect(() => {
    if (!el) return;
    return followed(el, (size) => size.width > 0 && setWidth(size.width));
  }, [el]);
  return [setEl, width];
}
