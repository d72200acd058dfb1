/** The tooltip's box, beside what is pointed at. Inside the widget's root, so that no output area clips it away. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** From the pointed-at element, and from the widget's edges, in pixels. */
const GAP = 6;
const EDGE = 4;

export function Tip({ at, root, children }: { at: HTMLElement; root: HTMLElement; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const tip = box.current;
    if (!tip) return;
    const outer = root.getBoundingClientRect();
    // A token over a line's end has two boxes: beside the first.
    const target = at.getClientRects()[0] ?? at.getBoundingClientRect();
    const below = target.bottom - outer.top + GAP;
    const above = target.top - outer.top - tip.offsetHeight - GAP;
    // In the widget and in the window: of a long widget a part is on screen.
    const window = root.ownerDocument.defaultView?.innerHeight ?? Number.POSITIVE_INFINITY;
    const room = window - target.bottom - GAP - tip.offsetHeight;
    const fitsBelow =
      below + tip.offsetHeight <= outer.height && (room >= 0 || room >= target.top - GAP - tip.offsetHeight);
    const left = Math.max(EDGE, Math.min(target.left - outer.left, outer.width - tip.offsetWidth - EDGE));
    tip.style.left = `${left}px`;
    tip.style.top = `${fitsBelow || above < 0 ? below : above}px`;
  });
  return (
    <div class="saew-tip" ref={box} role="tooltip">
      {children}
    </div>
  );
}
