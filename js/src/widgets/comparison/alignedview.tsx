/** The aligned texts with their pointer and keyboard: a click on a token compares there. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { num } from "../../controls/format";
import { OUTLIER, SPECIAL } from "../../tokens/flags";
import { background, type Layer } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { tokenAt } from "../../tokens/tokendom";
import { label } from "../../tokens/visible";
import { AlignedText } from "./aligned";
import type { TextsData } from "./data";

interface Props {
  data: TextsData;
  layers: Layer[];
  /** The compared tokens. */
  chosen: number[];
  feature: number | null;
  prefix: string;
  palette: Palette;
  onHover: (token: number, at: HTMLElement | null) => void;
  /** The token that was clicked, and whether only its own text is meant. */
  onChoose: (token: number, alone: boolean) => void;
}

/** What a screen reader says of a token. */
export function describe(data: TextsData, token: number, feature: number | null): string {
  const flags = data.flags[token] ?? 0;
  const value = feature === null ? undefined : data.column(feature)?.[token];
  const kind = flags & SPECIAL ? ", special token" : flags & OUTLIER ? ", norm outlier" : "";
  const unlike = data.alike(data.columnOf[token] ?? 0) ? "" : ", not the same in all texts";
  const active = value === undefined ? "" : `, ${data.json.activation_name} ${num(value)}`;
  const named = label(data.json.str[token] ?? "") || "\u2025";
  return `text ${data.textOf(token) + 1}, token \u2018${named}\u2019, position ${data.position(token)}${kind}${unlike}${active}`;
}

export function AlignedView(props: Props) {
  const { data, layers, chosen, feature, palette } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<AlignedText | null>(null);
  const [cursor, setCursor] = useState(-1);
  // Texts of other tokens are on their way while this cursor is of the old ones.
  const here = cursor < data.json.n ? cursor : -1;

  useLayoutEffect(() => {
    if (!host.current) return;
    view.current ??= new AlignedText(host.current, props.prefix);
    view.current.show(data);
  }, [data]);
  useLayoutEffect(() => {
    view.current?.dye((token) => (data.excluded(token) ? "" : background(layers, token, palette)), 0);
  }, [data, layers, palette]);
  useLayoutEffect(() => view.current?.choose(chosen), [data, chosen]);
  useLayoutEffect(() => {
    const focused = host.current === host.current?.ownerDocument.activeElement;
    view.current?.point(here, here < 0 ? null : describe(data, here, feature), focused);
  }, [data, here, feature]);

  const move = (token: number) => {
    setCursor(token);
    props.onHover(token, view.current?.element(token) ?? null);
  };
  return (
    <div
      ref={host}
      class="saew-aligned"
      role="listbox"
      tabIndex={0}
      aria-multiselectable="true"
      aria-label="Aligned tokens. Arrows move, Enter compares at a token, Shift and Enter in its own text only."
      onPointerOver={(event) => {
        const token = tokenAt(event);
        props.onHover(token, view.current?.element(token) ?? null);
      }}
      onPointerLeave={() => props.onHover(-1, null)}
      onPointerDown={(event) => event.shiftKey && tokenAt(event) >= 0 && event.preventDefault()}
      onClick={(event) => {
        const token = tokenAt(event);
        if (token < 0) return;
        setCursor(token);
        props.onChoose(token, event.shiftKey);
      }}
      onFocus={() => here < 0 && setCursor(chosen[0] ?? 0)}
      onBlur={() => props.onHover(-1, null)}
      onKeyDown={(event) => {
        const next = step(data, Math.max(0, here), event.key, view.current?.along(event.key, here) ?? 0);
        if (next !== null) move(next);
        else if (event.key === "Enter" || event.key === " ") {
          if (here >= 0) props.onChoose(here, event.shiftKey);
        } else if (event.key === "Escape") props.onHover(-1, null);
        else return;
        event.preventDefault();
      }}
    />
  );
}

/** The token that a key goes to: along its text, or to another one in the same column. */
function step(data: TextsData, from: number, key: string, along: number): number | null {
  const text = data.textOf(from);
  const [start, end] = data.json.texts[text] ?? [0, 0];
  const within = (token: number) => Math.max(start, Math.min(end - 1, token));
  if (along) return within(from + along);
  if (key === "Home" || key === "End") return key === "Home" ? start : end - 1;
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const other = text + (key === "ArrowDown" ? 1 : -1);
  const range = data.json.texts[other];
  if (!range || range[0] === range[1]) return from;
  return data.token(other, data.choice(data.columnOf[from] ?? 0)[other] ?? 0);
}
