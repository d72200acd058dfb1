/** A view that shows in one place what is to be said of all its channels. */

import { useRef } from "preact/hooks";
import { type Ask, type Channel, useKernel } from "./kernel";
import { save } from "./traits";
import type { Model, WireError } from "./types";

/** All channels in one. */
export interface Status extends Channel {
  dismiss: () => void;
}

export interface Together {
  status: Status;
  ask: Ask;
  /** What was asked for is shown: notices of what could not be shown go with it. To be returned to `ask`. */
  answered: () => boolean;
  /** The controls go back to what has an answer: that answer leaves the notice of why. */
  goesBack: () => void;
}

export function useTogether(model: Model, root: HTMLElement): Together {
  const { all, ask, dismiss } = useKernel(model, root);
  const wentBack = useRef(false);
  const channels = Object.values(all);
  /** Of now, and not of when something was asked. */
  const now = useRef(all);
  now.current = all;
  const dismissAll = () => {
    for (const name in now.current) dismiss(name);
    if (model.get("error") !== null) save(model, { error: null });
  };
  return {
    status: {
      busy: channels.some(({ busy }) => busy),
      progress: channels.find(({ progress }) => progress)?.progress ?? null,
      offline: channels.filter(({ offline }) => offline).at(-1)?.offline ?? null,
      error: model.get("error") as WireError | null,
      dismiss: dismissAll,
    },
    ask,
    answered: () => {
      const stays = wentBack.current;
      wentBack.current = false;
      if (!stays) dismissAll();
      return stays;
    },
    goesBack: () => {
      wentBack.current = true;
    },
  };
}
