/**
 * Full screen, for every view alike: a button in its corner. Where a front-end forbids it (the frames of VS Code and Colab,
 * a sandboxed page) the view fills the window that it stands in.
 */

import { useEffect, useRef, useState } from "preact/hooks";

/** The button; `fills` says by a selector which element around the view is to be filled, for a view that is the bar of others. */
export function FullScreen({ root, fills }: { root: HTMLElement; fills: string }) {
  const [on, setOn] = useState(false);
  const leave = useRef<() => void>(() => {});
  useEffect(() => () => leave.current(), []);
  const toggle = () => {
    if (on) return leave.current();
    // Of now: a notebook puts a view where it belongs after it was drawn.
    leave.current = fillScreen(root.closest<HTMLElement>(fills) ?? root, () => setOn(false));
    setOn(true);
  };
  const says = on ? "Leave full screen" : "Full screen";
  return (
    <button type="button" class="saew-quiet saew-corner" title={says} aria-label={says} onClick={toggle}>
      <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
        <path
          d={on ? "M4 0v4H0M8 0v4h4M4 12V8H0M8 12V8h4" : "M4 1H1v3M8 1h3v3M4 11H1V8M8 11h3V8"}
          fill="none"
          stroke="currentColor"
        />
      </svg>
    </button>
  );
}

/** Fill the screen with `box`, or its window; returns how to leave. `left` is told, however it was left. */
export function fillScreen(box: HTMLElement, left: () => void): () => void {
  const { ownerDocument: doc, parentElement: place } = box;
  const height = place?.style.minHeight ?? "";
  // What is below stays where it is, and so does what was scrolled to.
  if (place) place.style.minHeight = `${box.offsetHeight}px`;
  box.dataset.full = "true";
  let [granted, over] = [false, false];
  const exit = () => {
    if (box.matches(":fullscreen")) doc.exitFullscreen().catch(() => {});
  };
  const leave = () => {
    if (over) return;
    over = true;
    doc.removeEventListener("fullscreenchange", changed);
    doc.removeEventListener("keydown", key, true);
    exit();
    box.popover = null;
    delete box.dataset.full;
    if (place) place.style.minHeight = height;
    left();
  };
  const changed = () => {
    if (box.matches(":fullscreen")) granted = true;
    else if (granted) leave();
  };
  const key = (event: KeyboardEvent) => {
    // A view that fills the screen inside this box is left before it.
    if (event.key !== "Escape" || box.querySelector("[data-full]")) return;
    // On the way down, and no further: neither the view nor the notebook does what it does at Escape.
    event.stopPropagation();
    leave();
  };
  doc.addEventListener("fullscreenchange", changed);
  doc.addEventListener("keydown", key, true);
  const refused = () => {
    if (over || !box.isConnected || !box.showPopover) return;
    // Above all else in the window, also where an ancestor would hold what is fixed inside itself.
    box.popover = "manual";
    box.showPopover();
  };
  if (box.requestFullscreen) box.requestFullscreen().then(() => over && exit(), refused);
  else refused();
  return leave;
}
