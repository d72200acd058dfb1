/** Buttons of a list, of which one is a stop of the tab key. */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** Rows of which one is a stop of the tab key: up and down move between them, Home and End to the first and last. */

export function rove(event: KeyboardEvent, selector: string): void {
  if (!["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const body = event.currentTarget as HTMLElement;
  const stops = [...body.querySelectorAll<HTMLElement>(selector)];
  const at = stops.indexOf(event.target as HTMLElement);
  if (at < 0) return;
  event.preventDefault();
  const last = stops.length - 1;
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key] ?? at;
  stops[Math.max(0, Math.min(last, next))]?.focus();
}

interface Roving<E extends HTMLElement> {
  ref: RefObject<E | null>;
  onFocusIn: (event: FocusEvent) => void;
  onKeyDown: (event: KeyboardEvent) => void;
}

/** For the element around such buttons: of each kind, the one that was visited last is the stop, at first the first one. */
export function useRoving<E extends HTMLElement>(...kinds: string[]): Roving<E> {
  const around = useRef<E>(null);
  const all = (kind: string) => [...(around.current?.querySelectorAll<HTMLElement>(`${kind}:enabled`) ?? [])];
  const visit = (kind: string, stop: Element | undefined) => {
    for (const one of all(kind)) one.tabIndex = one === stop ? 0 : -1;
  };
  useLayoutEffect(() => {
    for (const kind of kinds)
      visit(kind, all(kind).find((one) => one.getAttribute("tabindex") === "0") ?? all(kind)[0]);
  });
  const kindOf = (event: Event) => kinds.find((kind) => (event.target as Element).matches(kind));
  return {
    ref: around,
    onFocusIn: (event) => {
      const kind = kindOf(event);
      if (kind) visit(kind, event.target as Element);
    },
    onKeyDown: (event) => {
      const kind = kindOf(event);
      if (kind) rove(event, `${kind}:enabled`);
    },
  };
}
