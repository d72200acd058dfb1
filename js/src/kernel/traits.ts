/** Traits as Preact state. Handlers ignore their arguments: front-ends pass different ones. */

import { useLayoutEffect, useState } from "preact/hooks";
import type { FromKernel, Model } from "./types";

/** The current value of a trait, re-rendering when it changes. */
export function useTrait<T>(model: Model, name: string): T {
  const [value, setValue] = useState(() => model.get(name) as T);
  useLayoutEffect(() => {
    const changed = () => setValue(() => model.get(name) as T);
    model.on(`change:${name}`, changed);
    changed();
    return () => model.off(`change:${name}`, changed);
  }, [model, name]);
  return value;
}

/** Traits by name, and a string that changes with them. */
export function useTraits(model: Model, names: readonly string[]): [Record<string, unknown>, string] {
  const values = names.map((name) => useTrait<unknown>(model, name));
  return [Object.fromEntries(names.map((name, i) => [name, values[i]])), JSON.stringify(values)];
}

/** Grows whenever what was answered may be old: the weights were changed, or a feature was named in another view. */
export function useRevision(model: Model): number {
  const revision = useTrait<number>(model, "revision");
  const [named, setNamed] = useState(0);
  useLayoutEffect(() => {
    const heard = (message: unknown) => {
      if ((message as FromKernel | null)?.t === "names") setNamed((n) => n + 1);
    };
    model.on("msg:custom", heard);
    return () => model.off("msg:custom", heard);
  }, [model]);
  return (revision ?? 0) + named;
}

/**
 * Whether what was computed of these traits is of what they are now. A token of a text before is no token of the text that
 * is on its way: what a hand picks in such a picture is left alone.
 */
export function isOf(model: Model, of: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(of).every(([name, value]) => JSON.stringify(model.get(name)) === JSON.stringify(value));
}

/** Set traits in one message. */
export function save(model: Model, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}
