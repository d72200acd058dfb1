/** The lines between a widget's controls and its result: what failed, what is missing, what is being computed. */

import { useEffect, useState } from "preact/hooks";
import type { Status } from "../kernel/together";
import { ErrorBanner, Notice } from "./banner";

const SLOW_MS = 300;

/** `unit` is what progress counts, such as "tokens". */
export function StatusLines({ status, unit = "" }: { status: Status; unit?: string }) {
  const slow = useSlow(status.busy);
  const { progress } = status;
  const said = progress ? `Computing ${progress.done} of ${progress.total} ${unit}`.trim() : "Computing\u2026";
  return (
    <>
      {status.error && <ErrorBanner error={status.error} onDismiss={status.dismiss} />}
      {status.offline && <Notice text={status.offline} onDismiss={status.dismiss} />}
      <div class={slow ? "saew-busy saew-busy-on" : "saew-busy"} role="status" aria-live="polite">
        {slow ? said : ""}
      </div>
    </>
  );
}

/** True once something has been busy for long enough to say so. */
function useSlow(busy: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    if (!busy) {
      setSlow(false);
      return;
    }
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, [busy]);
  return slow;
}
