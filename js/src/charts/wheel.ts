/** A wheel over a picture: it zooms where the keyboard is on the picture or with Ctrl, and else scrolls the notebook. */

import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/** Pixels of a line, of wheels that count lines. */
const LINE = 16;
/** Pixels of a wheel that make the picture e times as large; of two fingers that pinch, which browsers send with Ctrl. */
const TURNED = 400;
const PINCHED = 100;

/** `turned` is told the factor to come closer by, and by how many pixels the wheel was turned. */
export function useWheel(
  of: RefObject<HTMLElement | null>,
  turned: (event: WheelEvent, closer: number, pixels: number) => void,
): void {
  // After every rendering: what is done is of now. Not passive: what zooms the picture does not scroll the notebook.
  useLayoutEffect(() => {
    const el = of.current;
    if (!el) return;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey && !isFocused(el)) return;
      event.preventDefault();
      const unit = event.deltaMode === 1 ? LINE : 1;
      const closer = Math.exp((-event.deltaY * unit) / (event.ctrlKey ? PINCHED : TURNED));
      turned(event, closer, (event.deltaY || event.deltaX) * unit);
    };
    el.addEventListener("wheel", wheel, { passive: false });
    return () => el.removeEventListener("wheel", wheel);
  });
}

/** Whether the keyboard is on an element, inside of a shadow root, too. */
function isFocused(el: HTMLElement): boolean {
  const home = el.getRootNode();
  return "activeElement" in home && (home as Document | ShadowRoot).activeElement === el;
}
