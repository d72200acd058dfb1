/** A box of tokens of which some can be picked: by a click, or with Enter where the keyboard's cursor stands. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { TokenBox, type TokenBoxProps } from "./tokenbox";
import { tokenAt } from "./tokendom";

interface Props extends TokenBoxProps {
  picked: readonly number[];
  onPick: (token: number, add: boolean) => void;
}

export function PickBox({ picked, onPick, ...box }: Props) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    host.current?.querySelector("[role=listbox]")?.setAttribute("aria-multiselectable", "true");
    for (const span of host.current?.querySelectorAll<HTMLElement>("[data-i]") ?? []) {
      const on = picked.includes(Number(span.dataset.i));
      span.classList.toggle("saew-picked", on);
      span.setAttribute("aria-selected", String(on));
    }
  }, [box.tokens, picked]);
  const adds = (event: MouseEvent | KeyboardEvent) => event.ctrlKey || event.metaKey || event.shiftKey;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the list inside has the role and the focus
    <div
      ref={host}
      onClick={(event) => {
        const token = tokenAt(event);
        if (token >= 0) onPick(token, adds(event));
      }}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        const at = host.current?.querySelector<HTMLElement>(".saew-cursor");
        if (!at) return;
        event.preventDefault();
        onPick(Number(at.dataset.i), adds(event));
      }}
    >
      <TokenBox {...box} name={`${box.name}. Enter selects`} />
    </div>
  );
}
