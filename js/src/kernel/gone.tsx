/**
 * A widget whose kernel was restarted or shut down: it still shows its last result, and says wherever it is used that
 * nothing will come of it. And one that gets no answer, which may be for the same reason: of a notebook that was saved with
 * its widgets and opened without a kernel, nobody tells its views.
 */

import { useLayoutEffect, useState } from "preact/hooks";
import type { Model, WireError } from "./types";

const GONE = "The kernel was restarted or shut down: run this cell again.";
const SILENT = "No answer from the kernel: it is busy, disconnected or restarted. If it is idle, run this cell again.";
const EVENT = "saew-gone";
const SILENCE = "saew-silent";
// What the user does with it: of moving the pointer nothing is expected.
const USES = ["click", "input"] as const;

/** What a question is answered with that could not be sent. */
export const UNSENT: WireError = { type: "KernelGone", message: GONE, traceback: "" };

/** Let the widget know that its messages cannot be sent. */
export function isGone(root: HTMLElement): void {
  root.dispatchEvent(new Event(EVENT));
}

/** Let the widget know that the kernel has said nothing for a while, or that it has said something. */
export function isSilent(root: HTMLElement, silent: boolean): void {
  root.dispatchEvent(new CustomEvent(SILENCE, { detail: silent }));
}

export function Gone({ model, root }: { model: Model; root: HTMLElement }) {
  const [gone, setGone] = useState(false);
  const [silent, setSilent] = useState(false);
  const [at, setAt] = useState("");
  useLayoutEffect(() => {
    // Jupyter's models say that their line to the kernel is cut; that it is there again is never said of the same one.
    const told = () => setGone(true);
    model.on("comm_live_update", told);
    const heard = (event: Event) => setSilent((event as CustomEvent<boolean>).detail);
    root.addEventListener(EVENT, told);
    root.addEventListener(SILENCE, heard);
    return () => {
      model.off("comm_live_update", told);
      root.removeEventListener(EVENT, told);
      root.removeEventListener(SILENCE, heard);
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
  if (!gone)
    return silent ? (
      <div class="saew-banner" role="status">
        {SILENT}
      </div>
    ) : null;
  // First above all; once it is used, beside what is used.
  return (
    <div class={at ? "saew-banner saew-tip saew-gone" : "saew-banner"} role="alert" style={at}>
      {`${GONE} Here: the last result.`}
    </div>
  );
}
