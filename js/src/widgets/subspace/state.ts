/** What the view of a subspace asks the kernel, and what it has: points and their colours, in step with the traits. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Kernel, wasDropped } from "../../kernel/kernel";
import { useRevision, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { type Colouring, type ColourJson, colouringOf, Points, type SubspaceJson } from "./wire";

export interface Answers {
  points: Points | null;
  /** Null until they come, and where points cannot be coloured so. */
  colouring: Colouring | null;
  /** Whether somebody stopped the computation of what is asked for. */
  stopped: boolean;
  again: () => void;
}

export function useAnswers(model: Model, kernel: Kernel): Answers {
  const features = useTrait<number[]>(model, "features");
  const colour = useTrait<string>(model, "colour");
  const revision = useRevision(model);
  const [tries, setTries] = useState(0);
  const [points, setPoints] = useState<Points | null>(null);
  const [colouring, setColouring] = useState<Colouring | null>(null);
  const [stopped, setStopped] = useState(false);
  const asked = useRef("");
  const key = JSON.stringify([features, revision, tries]);

  // Layout effects: they run before the next frame, not after it.
  useLayoutEffect(() => {
    asked.current = key;
    const current = () => asked.current === key;
    setStopped(false);
    if (features.length === 0) {
      kernel.stop("subspace");
      kernel.dismiss("subspace");
      setPoints(null);
      return;
    }
    // One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
    kernel.ask<SubspaceJson>(
      "subspace",
      { features, colour },
      {
        done: ({ r, arrays }) => {
          if (!current()) return;
          const made = new Points({ r, arrays });
          setPoints(made);
          if (r.colour) setColouring(colouringOf(r.colour, arrays, made));
        },
        failed: (error) => {
          if (!current()) return;
          // A picture of other features than those that are named would be taken for theirs.
          setPoints(null);
          setStopped(wasDropped(error));
        },
      },
    );
  }, [key]);
  const mine = colouring && colouring.of === points ? colouring : null;
  useLayoutEffect(() => {
    if (!points || mine?.json.colour === colour) return;
    kernel.ask<ColourJson>(
      "colour",
      { features, colour },
      {
        done: ({ r, arrays }) => {
          if (r.key === points.json.key) setColouring(colouringOf(r, arrays, points));
        },
        failed: (error) => {
          if (!wasDropped(error)) setColouring(null);
        },
      },
    );
  }, [points, colour]);
  return { points, colouring: mine, stopped, again: () => setTries((n) => n + 1) };
}
