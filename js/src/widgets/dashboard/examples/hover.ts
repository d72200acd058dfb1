/** What is pointed at. Outside Preact's state: of all panels only the tooltip and the histogram's mark follow the pointer. */

import { useLayoutEffect, useState } from "preact/hooks";

export interface Pointed {
  source: "examples" | "text";
  token: number;
  at: HTMLElement;
  activation: number | null;
}

export class Hover {
  value: Pointed | null = null;
  readonly #listeners = new Set<() => void>();

  set(value: Pointed | null): void {
    if (this.value === value) return;
    if (this.value && value && this.value.at === value.at) return;
    this.value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export function useHover(hover: Hover): Pointed | null {
  const [value, setValue] = useState(hover.value);
  useLayoutEffect(() => {
    setValue(hover.value);
    return hover.listen(() => setValue(hover.value));
  }, [hover]);
  return value;
}
