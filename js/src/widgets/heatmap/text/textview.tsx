/** The coloured text with its pointer and keyboard: hover, click, shift-drag, arrows. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { num } from "../../../controls/format";
import { OUTLIER, SPECIAL } from "../../../tokens/flags";
import type { Layer } from "../../../tokens/paint";
import type { Palette } from "../../../tokens/palette";
import { tokenAt } from "../../../tokens/tokendom";
import { label } from "../../../tokens/visible";
import type { TextData } from "../data";
import { LongText } from "./longtext";

export interface TextViewProps {
  data: TextData;
  layers: Layer[];
  includeSpecial: boolean;
  selected: number[];
  cursor: number;
  /** The token that is pointed at, here or in the matrix. */
  hover: number;
  feature: number | null;
  onHover: (token: number, at: HTMLElement | null) => void;
  onCursor: (token: number) => void;
  onSelect: (tokens: number[]) => void;
  prefix: string;
  palette: Palette;
}

/** What a screen reader says of a token. */
export function describe(data: TextData, token: number, feature: number | null): string {
  const flags = data.flags[token] ?? 0;
  const value = feature === null ? null : data.column(feature)?.[token];
  const kind = flags & SPECIAL ? ", special token" : flags & OUTLIER ? ", norm outlier" : "";
  const active = value === null || value === undefined ? "" : `, ${data.json.activation_name} ${num(value)}`;
  return `token \u2018${label(data.json.str[token] ?? "") || "\u2025"}\u2019, position ${data.place(token).position}${kind}${active}`;
}

export function TextView(props: TextViewProps) {
  const { data, layers, includeSpecial, selected, cursor, palette } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<LongText | null>(null);
  const drag = useRef(-1);
  const endDrag = useRef(() => {});
  // Handlers are attached once per element and read what is current.
  const now = useRef(props);
  now.current = props;

  useLayoutEffect(() => {
    if (!host.current) return;
    view.current ??= new LongText(host.current, props.prefix);
    view.current.show(data, (token) => describe(data, token, null));
  }, [data]);
  useLayoutEffect(() => {
    view.current?.paint(layers, (token) => !includeSpecial && data.excluded(token), palette);
  }, [data, layers, includeSpecial, palette]);
  useLayoutEffect(() => view.current?.select(selected), [data, selected]);
  useLayoutEffect(() => view.current?.hover(props.hover), [data, props.hover]);
  useLayoutEffect(() => {
    const says = view.current?.element(cursor) ? describe(data, cursor, props.feature) : null;
    view.current?.point(cursor, says, host.current === host.current?.ownerDocument.activeElement);
  }, [data, cursor, props.feature]);

  useLayoutEffect(() => {
    const all = () => view.current?.paintAll();
    window.addEventListener("beforeprint", all);
    return () => {
      window.removeEventListener("beforeprint", all);
      endDrag.current();
      view.current?.close();
    };
  }, []);

  return (
    <div
      ref={host}
      class="saew-text"
      role="listbox"
      tabIndex={0}
      aria-multiselectable="true"
      aria-label="Tokens. Arrows move, space selects."
      onPointerOver={(event) => {
        const token = tokenAt(event);
        props.onHover(token, view.current?.element(token) ?? null);
        if (drag.current >= 0 && token >= 0) props.onSelect(range(drag.current, token));
      }}
      onPointerLeave={() => props.onHover(-1, null)}
      onPointerDown={(event) => {
        const token = tokenAt(event);
        if (!event.shiftKey || token < 0) return;
        event.preventDefault(); // a selection of tokens, not of text
        drag.current = token;
        props.onSelect(range(selected.length === 1 ? (selected[0] ?? token) : token, token));
        endDrag.current();
        endDrag.current = untilReleased(event.currentTarget.ownerDocument, () => {
          drag.current = -1;
        });
      }}
      onClick={(event) => {
        const token = tokenAt(event);
        if (token < 0 || event.shiftKey) return;
        props.onCursor(token);
        props.onSelect(toggled(selected, token));
      }}
      onFocus={() => cursor < 0 && data.json.n > 0 && props.onCursor(0)}
      onBlur={() => props.onHover(-1, null)}
      onKeyDown={(event) => key(event, now.current, view.current)}
    />
  );
}

function key(event: KeyboardEvent, props: TextViewProps, view: LongText | null): void {
  const last = props.data.json.n - 1;
  const step: Record<string, number> = {
    [event.key]: view?.along(event.key, props.cursor) ?? 0,
    ArrowDown: lineStep(view, props.cursor, 1, last),
    ArrowUp: lineStep(view, props.cursor, -1, last),
  };
  const by = step[event.key];
  if (by) {
    const next = Math.max(0, Math.min(last, props.cursor + by));
    props.onCursor(next);
    props.onHover(next, view?.element(next) ?? null);
    if (event.shiftKey) props.onSelect([...new Set([...props.selected, props.cursor, next])].sort((a, b) => a - b));
  } else if (event.key === "Home" || event.key === "End") props.onCursor(event.key === "Home" ? 0 : last);
  else if (event.key === " " || event.key === "Enter") props.onSelect(toggled(props.selected, props.cursor));
  else if (event.key === "Escape") {
    props.onHover(-1, null);
    if (props.selected.length > 0) props.onSelect([]);
  } else return;
  event.preventDefault();
}

/** How many tokens on the nearest one in the next or previous line is. */
function lineStep(view: LongText | null, from: number, direction: 1 | -1, last: number): number {
  const start = view?.element(from)?.getBoundingClientRect();
  if (!start) return direction;
  let best = direction;
  let line: number | null = null;
  let distance = Number.POSITIVE_INFINITY;
  for (let token = from + direction; token >= 0 && token <= last; token += direction) {
    const box = view?.element(token)?.getBoundingClientRect();
    if (!box) break;
    if (Math.abs(box.top - start.top) < box.height / 2) continue;
    line ??= box.top;
    if (Math.abs(box.top - line) > box.height / 2) break;
    if (Math.abs(box.left - start.left) < distance) {
      distance = Math.abs(box.left - start.left);
      best = token - from;
    }
  }
  return best;
}

/** Call `done` when the pointer is let go of, wherever that is; returns how to call it sooner. */
function untilReleased(document: Document, done: () => void): () => void {
  const stop = () => {
    done();
    for (const name of ["pointerup", "pointercancel"]) document.removeEventListener(name, stop);
  };
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, stop);
  return stop;
}

function range(a: number, b: number): number[] {
  const start = Math.min(a, b);
  return Array.from({ length: Math.abs(a - b) + 1 }, (_, i) => start + i);
}

function toggled(tokens: number[], token: number): number[] {
  return tokens.includes(token) ? tokens.filter((t) => t !== token) : [...tokens, token].sort((a, b) => a - b);
}
