/** Finding a feature: by number, by what is said of it; with nothing typed, those that are strong in the prompt. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { num } from "../../../controls/format";
import { Name } from "../../../feature/said";
import type { Kernel } from "../../../kernel/kernel";
import { label } from "../../../tokens/visible";
import type { Item } from "../wire";

const ASK_MS = 150;
/** A list of its own, not the browser’s. */
const COMBOBOX = { role: "combobox", list: undefined, "aria-expanded": true } as const;

interface Props {
  kernel: Kernel;
  sae: string | null;
  /** How many features there are. */
  n: number;
  id: string;
  onPick: (item: Item) => void;
  onClose: () => void;
}

export function Picker({ kernel, sae, n, id, onPick, onClose }: Props) {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<{ q: string; items: Item[] } | null>(null);
  const [at, setAt] = useState(0);
  const box = useRef<HTMLInputElement>(null);
  const area = useRef<HTMLDivElement>(null);
  const items = found?.items ?? [];
  const { error, offline } = kernel.of("search");

  useLayoutEffect(() => {
    const opener = box.current?.ownerDocument.activeElement;
    box.current?.focus();
    return () => {
      const { current } = area;
      if (current?.contains(current.ownerDocument.activeElement)) (opener as HTMLElement | null)?.focus?.();
    };
  }, []);
  useEffect(() => {
    const ask = () =>
      kernel.ask<{ items: Item[] }>(
        "search",
        { q: query, sae },
        {
          done: ({ r }) => {
            setFound({ q: query, items: r.items });
            setAt(0);
          },
        },
      );
    const timer = setTimeout(ask, found === null ? 0 : ASK_MS);
    return () => clearTimeout(timer);
  }, [query, sae]);

  const take = (text: string) => {
    const item = found?.q === text ? items[at] : undefined;
    const typed = /^\s*#?\d+\s*$/.test(text) ? Number(text.replace("#", "")) : null;
    // A number needs no answer to be one.
    if (typed !== null && typed < n && item?.f !== typed) onPick({ f: typed, label: null, max: null });
    else if (item) onPick(item);
  };
  const inPrompt = found?.q.trim() === "";
  return (
    <div
      class="saew-picker"
      ref={area}
      onFocusOut={(event) => {
        const to = event.relatedTarget;
        if (!(to instanceof Node && area.current?.contains(to))) onClose();
      }}
    >
      <input
        ref={box}
        type="search"
        {...COMBOBOX}
        aria-label="Find a feature by its number or what is said of it"
        aria-controls={`${id}-list`}
        aria-activedescendant={items.length > 0 ? `${id}-${at}` : undefined}
        aria-autocomplete="list"
        placeholder="number, label, or words said of it"
        spellcheck={false}
        autocomplete="off"
        value={query}
        onInput={(event) => setQuery(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(items.length - 1, at + 1));
          else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
          else if (event.key === "Enter") take(event.currentTarget.value);
          else if (event.key === "Escape") onClose();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <div class="saew-small saew-picker-head">
        {error?.message ?? offline ?? head(found !== null, inPrompt, items.length, sae)}
      </div>
      <div role="listbox" id={`${id}-list`} class="saew-found" aria-label="Features found" tabIndex={-1}>
        {items.map((item, i) => (
          <div
            key={item.f}
            id={`${id}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            // Before the box loses the focus, which would close the list.
            onPointerDown={(event) => {
              event.preventDefault();
              onPick(item);
            }}
          >
            <b>{item.f}</b>
            <span class="saew-found-name">
              <Name of={item} />
            </span>
            <span class="saew-small saew-nowrap">{sizes(item)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

function head(known: boolean, inPrompt: boolean, n: number, sae: string | null): string {
  const of = sae === null ? "" : ` of ${label(sae)}`;
  if (!known) return "Searching\u2026";
  if (n === 0) return inPrompt ? "Type a number or a word." : "Nothing found.";
  return inPrompt ? `Strongest in the prompt${of}` : `Features${of}`;
}

function sizes({ a, max, signed }: Item): string {
  const out = [];
  if (a !== undefined) out.push(`${num(a)} here`);
  if (max !== null) out.push(`max ${signed ? "|a| " : ""}${num(max)}`);
  return out.join(", ");
}
