/**
 * A widget whose kernel was restarted or shut down: it still shows its last result, and says wherever it is used that
 * nothing will come of it.
 */

import { useLayoutEffect, useState } from "preact/hooks";
import type { Model, WireError } from "./types";

const GONE = "The kernel was restarted or shut down: run this cell again.";
const EVENT = "saew-gone";
// What the user does with it: of moving the pointer nothing is expected.
const USES = ["click", "input"] as const;

/** What a question is answered with that could not be sent. */
export const UNSENT: WireError = { type: "KernelGone", message: GONE, traceback: "" };

/** Let the widget know that its messages cannot be sent. */
export function isGone(root: HTMLElement): void {
  root.dispatchEvent(new Event(EVENT));
}

export function Gone({ model, root }: { model: Model; root: HTMLElement }) {
  const [gone, setGone] = useState(false);
  const [at, setAt] = useState("");
  useLayoutEffect(() => {
    // Jupyter's models say that their line to the kernel is cut; that it is there again is never said of the same one.
    const told = () => setGone(true);
    model.on("comm_live_update", told);
    root.addEventListener(EVENT, told);
    return () => {
      model.off("comm_live_update", told);
      root.removeEventListener(EVENT, told);
    };
  }, [model, root]);
  useLayoutEffect(() => {
    if (!gone) return;
    const say = ({ target }: Event) => {
      const [used, whole] = [target as Element, root].map((el) => el.getBoundingClientRect()) as [DOMRect, DOMRect];
      const left = Math.max(0, Math.min(used.left - whole.left, whole.width - 300));
      setAt(`left: ${left}px; top: ${Math.min(used.bottom, whole.bottom - 60) - whole.top + 4}px`);
    };
    for (const use of USES) root.addEventListener(use, say, true);
    return () => {
      for (const use of USES) root.removeEventListener(use, say, true);
    };
  }, [gone]);
  if (!gone) return null;
  // First above all; once it is used, beside what is used.
  return (
    <div class={at ? "saew-banner saew-tip saew-gone" : "saew-banner"} role="alert" style={at}>
      {`${GONE} Here: the last result.`}
    </div>
  );
}
