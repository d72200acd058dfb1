/** Questions that follow what is on screen: asked when it has stood still for a moment, and never twice. */

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Kernel } from "./kernel";
import type { Json, Reply } from "./types";

/** Ask whenever `params` change and `on`; the first time at once, later when they have stood still for `wait` ms. */
export function useFollow<R>(
  kernel: Kernel,
  channel: string,
  params: Json,
  { on, wait, revision }: { on: boolean; wait: number; revision: number },
  done: (reply: Reply<R>) => void,
): void {
  const key = JSON.stringify([params, revision]);
  const has = useRef("");
  const first = useRef(true);
  useLayoutEffect(() => {
    if (!on || has.current === key) return;
    const timer = setTimeout(
      () => {
        has.current = key;
        kernel.ask<R>(channel, params, {
          done,
          // Asked again when it is looked at again.
          failed: () => {
            if (has.current === key) has.current = "";
          },
        });
      },
      first.current ? 0 : wait,
    );
    first.current = false;
    return () => clearTimeout(timer);
  }, [key, on]);
}
