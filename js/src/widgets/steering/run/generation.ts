/** The run on screen: started, stopped, remembered, and fetched back from the history. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Kernel } from "../../../kernel/kernel";
import { save, useTrait } from "../../../kernel/traits";
import { complete, same } from "../recipe/recipe";
import type { State } from "../state";
import { type Asked, type GenerateJson, json, type Part, type Remembered, type Settings } from "../wire";
import { Run } from "./run";

const KEPT = 20;

export interface Generation {
  /** The last run stays until the next one has begun. */
  run: Run | null;
  busy: boolean;
  /** Grows with what is known of the run, tokens excepted. */
  version: number;
  history: Remembered[];
  start: (settings?: Settings) => void;
  stop: () => void;
  restore: (past: Remembered) => void;
}

export function useGeneration(state: State, kernel: Kernel): Generation {
  const { model, asked, settings, offline } = state;
  const history = useTrait<Remembered[]>(model, "history");
  const newest = history.at(-1);
  const [run, setRun] = useState<Run | null>(() => (newest ? Run.of(newest) : null));
  const [version, setVersion] = useState(0);
  const seen = useRef(newest?.id ?? 0);
  const wanted = useRef<Run | null>(null);

  const start = (with_: Settings = settings) => {
    const made = new Run(asked, with_);
    const revision = (model.get("revision") as number | undefined) ?? 0;
    wanted.current = made;
    const show = () => {
      if (wanted.current !== made) return;
      setRun(made);
      setVersion((n) => n + 1);
    };
    kernel.ask<GenerateJson>("generate", json({ ...asked, settings: with_ }), {
      onPart: (part) => {
        const begins = made.prompt === null || made.baseline.length === 0;
        made.part(part as unknown as Part);
        if (begins) show();
      },
      done: (reply) => {
        made.finish(reply);
        if (!offline) remember(made, revision);
        show();
      },
    });
  };
  const remember = (made: Run, revision: number) => {
    const before = model.get("history") as Remembered[];
    made.id = 1 + Math.max(0, ...before.map(({ id }) => id));
    seen.current = made.id;
    save(model, { history: [...before, made.remembered(made.id, revision)].slice(-KEPT) });
  };
  const restore = (past: Remembered) => {
    kernel.stop("generate");
    wanted.current = null;
    setRun(Run.of(past));
    setVersion((n) => n + 1);
    state.edit(() => past.recipe);
    state.setPrompt(past.prompt);
    save(model, { chat: past.chat, messages: past.messages, ...past.settings });
  };

  // A run from Python, or of another view of this widget: its texts, if nothing is being written here.
  useLayoutEffect(() => {
    if (!newest || newest.id <= seen.current) return;
    seen.current = newest.id;
    if (kernel.of("generate").busy) return;
    setRun(Run.of(newest));
    setVersion((n) => n + 1);
  }, [newest?.id]);

  // A page without a kernel has its run recorded, and nobody to click.
  const key = offline ? JSON.stringify([asked, settings]) : "";
  useLayoutEffect(() => {
    if (offline) start();
  }, [key]);

  return {
    run,
    busy: kernel.of("generate").busy,
    version,
    history,
    start,
    stop: () => kernel.stop("generate"),
    restore,
  };
}

/** Whether the texts on screen are of other settings than those that one would generate with now. */
export function isStale(run: Run, state: State): boolean {
  const whole = (asked: Asked) => ({ ...asked, recipe: complete(asked.recipe) });
  return !same([whole(run.asked), run.settings], [whole(state.asked), state.settings]);
}
