/** The four ways to look at a recipe, as tabs: one stop for the tab key, arrows go from one to the next. */

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Button } from "./small";

interface Props {
  tabs: readonly (readonly [string, string])[];
  value: string;
  prefix: string;
  onChange: (value: string) => void;
  children: ComponentChildren;
}

export function Tabs({ tabs, value, prefix, onChange, children }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const step = (by: number) => {
    const at = tabs.findIndex(([name]) => name === value);
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (!next) return;
    onChange(next[0]);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next[0]}"]`)?.focus();
  };
  return (
    <>
      <div class="saew-tabs" role="tablist" aria-label="What to look at" ref={list}>
        {tabs.map(([name, says]) => (
          <Button
            role="tab"
            key={name}
            id={`${prefix}-tab-${name}`}
            data-tab={name}
            aria-selected={name === value}
            aria-controls={`${prefix}-panel`}
            tabIndex={name === value ? 0 : -1}
            onClick={() => onChange(name)}
            onKeyDown={(event) => {
              if (event.key === "ArrowRight") step(1);
              else if (event.key === "ArrowLeft") step(-1);
              else return;
              event.preventDefault();
            }}
          >
            {says}
          </Button>
        ))}
      </div>
      <div class="saew-tabpanel" role="tabpanel" id={`${prefix}-panel`} aria-labelledby={`${prefix}-tab-${value}`}>
        {children}
      </div>
    </>
  );
}
