/** The examples with their pointer and keyboard: arrows go through examples and tokens, Enter selects. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ExampleJson, ExamplesAnswer } from "../../../feature/wire";
import type { Palette } from "../../../tokens/palette";
import { tokenAt } from "../../../tokens/tokendom";
import type { EffectsState } from "./effects";
import { ExamplesView } from "./examples";
import type { Hover } from "./hover";
import type { Kind } from "./runs";

// Pixels of the list that are shown before all of it is asked for.
const LIMIT = 560;

interface Props {
  answer: ExamplesAnswer;
  selected: number | null;
  effects: EffectsState;
  kind: Kind;
  /** The effect that gets the full line. */
  most: number;
  hover: Hover;
  palette: Palette;
  prefix: string;
  onSelect: (example: ExampleJson | null) => void;
  /** Show where an example's activation came from; absent where nothing can tell. */
  onSources?: ((example: ExampleJson) => void) | undefined;
}

export function Examples(props: Props) {
  const { answer, effects, kind, most, hover, palette, selected, onSources } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<ExamplesView | null>(null);
  const cursor = useRef({ row: -1, token: -1 });
  const [all, setAll] = useState(false);
  const [cut, setCut] = useState(false);

  useLayoutEffect(() => {
    if (!host.current) return;
    view.current ??= new ExamplesView(host.current, props.prefix);
    view.current.show(answer, palette, onSources !== undefined);
    cursor.current = { row: -1, token: -1 };
    hover.set(null);
  }, [answer, onSources === undefined]);
  useEffect(() => {
    const box = host.current;
    if (!box) return;
    // A notebook hides cells that are off screen: heights read 0 and come back later.
    const measure = () => box.clientHeight > 0 && setCut(box.scrollHeight > LIMIT + 1);
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    measure();
    return () => observer.disconnect();
  }, [answer]);
  useLayoutEffect(() => {
    if (all && cursor.current.row >= 0) view.current?.point(cursor.current.row);
  }, [all]);
  useLayoutEffect(() => view.current?.paint(palette), [palette]);
  useLayoutEffect(() => {
    view.current?.underline(effects.examples, kind, most, palette);
  }, [answer, effects.examples, effects.version, kind, most, palette]);
  useLayoutEffect(() => view.current?.select(selected), [answer, selected]);
  useLayoutEffect(() => () => hover.set(null), []);

  const point = (token: number) => {
    const at = view.current?.token(token);
    hover.set(at ? { source: "examples", token, at, activation: answer.act[token] ?? null } : null);
  };
  const move = (row: number) => {
    const rows = view.current?.rows ?? [];
    const next = Math.max(0, Math.min(rows.length - 1, row));
    const example = rows[next]?.example;
    if (!example) return;
    cursor.current = { row: next, token: example.start + example.b };
    // What the keys go to is shown whole: a list that scrolled without a bar could not be brought back by the pointer.
    const { offsetTop = 0, offsetHeight = 0 } = rows[next]?.el ?? {};
    if (cut && offsetTop + offsetHeight > LIMIT) setAll(true);
    view.current?.point(next);
    hover.set(null);
  };
  const toggle = (index: number) => {
    const example = view.current?.rows[index]?.example;
    if (example) props.onSelect(example.id === selected ? null : example);
  };
  const sources = (index: number) => {
    const example = view.current?.rows[index]?.example;
    if (example) onSources?.(example);
  };
  const step = (by: number) => {
    const example = view.current?.rows[cursor.current.row]?.example;
    if (!example) return;
    const last = example.start + example.n - 1;
    cursor.current.token = Math.max(example.start, Math.min(last, cursor.current.token + by));
    view.current?.token(cursor.current.token)?.scrollIntoView?.({ block: "nearest" });
    point(cursor.current.token);
  };
  const onKey = (event: KeyboardEvent) => {
    const { row, token } = cursor.current;
    const by = view.current?.along(event.key, token);
    const last = (view.current?.rows.length ?? 0) - 1;
    if (event.key === "ArrowDown") move(row + 1);
    else if (event.key === "ArrowUp") move(row - 1);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(last);
    else if (by) step(by);
    else if (event.key === "Enter" || event.key === " ") toggle(row);
    else if (event.key === "s" && onSources && !(event.ctrlKey || event.metaKey || event.altKey)) sources(row);
    else if (event.key === "Escape" && hover.value) hover.set(null);
    else if (event.key === "Escape" && selected !== null) props.onSelect(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <div
        ref={host}
        class={`saew-examples${cut && !all ? " saew-examples-cut" : ""}`}
        style={all ? "" : `max-height: ${LIMIT}px`}
        role="listbox"
        tabIndex={0}
        aria-label={`Examples. Up and down go through them, left and right through an example's tokens, Enter selects${onSources ? ", S shows the sources of its activation" : ""}.`}
        onPointerOver={(event) => point(tokenAt(event))}
        onPointerLeave={() => hover.set(null)}
        onScroll={() => hover.set(null)}
        onFocus={() => cursor.current.row < 0 && host.current?.matches(":focus-visible") && move(0)}
        onBlur={() => hover.set(null)}
        onClick={(event) => {
          const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-ex]") : null;
          if (!row || !host.current || textSelected(host.current)) return;
          const index = Number(row.dataset.ex);
          cursor.current = { row: index, token: view.current?.rows[index]?.example.start ?? -1 };
          if (event.target instanceof Element && event.target.closest(".saew-ex-sources")) sources(index);
          else toggle(index);
        }}
        onKeyDown={onKey}
      />
      {cut && (
        <button type="button" class="saew-more-examples" onClick={() => setAll(!all)}>
          {all ? "Show fewer examples" : `Show all ${view.current?.rows.length ?? ""} examples`}
        </button>
      )}
    </>
  );
}

/** Whether the click ended the marking of text to copy. */
function textSelected(host: HTMLElement): boolean {
  const selection = host.ownerDocument.getSelection?.();
  return !!selection && !selection.isCollapsed && host.contains(selection.anchorNode);
}
