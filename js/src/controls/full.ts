/** The whole screen for a box, or where a front-end forbids it, the whole of its window (the box has `data-full`, for its style sheet). */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";

export interface Full {
  on: boolean;
  toggle: () => void;
}

export function useFull(box: HTMLElement | null): Full {
  const [on, setOn] = useState(false);
  useEffect(() => {
    if (!box) return;
    const doc = box.ownerDocument;
    const changed = () => setOn(doc.fullscreenElement === box);
    const key = (event: KeyboardEvent) => event.key === "Escape" && setOn(false);
    doc.addEventListener("fullscreenchange", changed);
    // On the way down: a widget keeps its keys to itself.
    doc.addEventListener("keydown", key, true);
    return () => {
      doc.removeEventListener("fullscreenchange", changed);
      doc.removeEventListener("keydown", key, true);
    };
  }, [box]);
  useLayoutEffect(() => {
    if (box) box.dataset.full = String(on);
  }, [box, on]);
  const toggle = () => {
    if (!box) return;
    const doc = box.ownerDocument;
    if (on) {
      if (doc.fullscreenElement) doc.exitFullscreen().catch(() => {});
      setOn(false);
    } else {
      setOn(true);
      box.requestFullscreen?.().catch(() => {});
    }
  };
  return { on, toggle };
}
