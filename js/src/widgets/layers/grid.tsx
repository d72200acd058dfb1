/**
 * The grid: a column a token, a row a hook, the last layer on top, and one feature on all tokens below. Only the columns in
 * sight are drawn. One tab stop; keys move a cursor.
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useWidth } from "../../charts/width";
import { chance, Small } from "../../controls/small";
import { remarks, SPECIAL } from "../../tokens/flags";
import type { Palette } from "../../tokens/palette";
import { Tok, tokenName } from "../../tokens/tok";
import { FEATURE, inCell, shaded } from "./shade";
import { type OnTokens, Strip } from "./strip";
import { Tooltip } from "./tooltip";
import type { Lens } from "./wire";

const NARROWEST = 62;
const WIDEST = 96;
const NAME = 120;
const BESIDE = 4;

interface Props {
  root: HTMLElement;
  prefix: string;
  palette: Palette;
  lens: Lens;
  /** The chosen column. */
  position: number;
  /** The feature whose activations stand below. */
  feature: OnTokens | null;
  /** Why a column cannot be chosen; "" if it can. */
  locked: (position: number) => string;
  onChoose: (position: number) => void;
  onRemove: () => void;
}

/** A cell: a hook (the number of hooks: the head) and a position. */
interface Cell {
  hook: number;
  position: number;
}

export function Grid(props: Props) {
  const { root, prefix, palette, lens, position, locked, onChoose } = props;
  const { n, hooks, str } = lens.json;
  const box = useRef<HTMLDivElement | null>(null);
  const [measure, width] = useWidth();
  const [scroll, setScroll] = useState(0);
  const [cursor, draw] = useState<Cell>({ hook: hooks.length - 1, position });
  /** Of now: keys come quicker than they are drawn. */
  const now = useRef(cursor);
  const setCursor = (to: Cell) => {
    now.current = to;
    draw(to);
  };
  const inside = (one: Cell) => ({ hook: Math.min(one.hook, hooks.length), position: Math.min(one.position, n - 1) });
  const [hover, setHover] = useState<Cell | null>(null);
  const [focused, setFocused] = useState(false);
  const here = inside(cursor);

  const room = Math.max(width - NAME, NARROWEST);
  const cell = Math.floor(Math.max(NARROWEST, Math.min(WIDEST, room / n)));
  const first = Math.max(0, Math.floor(scroll / cell) - BESIDE);
  const last = Math.min(n, Math.ceil((scroll + room) / cell) + BESIDE);
  const columns = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);

  const reveal = (at: number) => {
    const el = box.current;
    if (!el) return;
    const left = at * cell;
    if (left >= el.scrollLeft && left + cell <= el.scrollLeft + room) return;
    el.scrollLeft = left < el.scrollLeft ? left : left + cell - room;
    setScroll(el.scrollLeft);
  };
  // In the layout, before the next click or key: what a quick hand did is not taken back.
  useLayoutEffect(() => setHover(null), [lens]);
  useLayoutEffect(() => {
    setCursor({ ...now.current, position });
    reveal(position);
  }, [position, n, width]);

  const id = ({ hook, position: at }: Cell) => `${prefix}-${hook}-${at}`;
  const move = (to: Cell) => {
    setCursor(to);
    setHover(to);
    reveal(to.position);
  };
  const onKey = (event: KeyboardEvent) => {
    const { hook, position: at } = inside(now.current);
    const to: Record<string, Cell> = {
      ArrowRight: { hook, position: Math.min(n - 1, at + 1) },
      ArrowLeft: { hook, position: Math.max(0, at - 1) },
      ArrowUp: { hook: Math.min(hooks.length, hook + 1), position: at },
      ArrowDown: { hook: Math.max(0, hook - 1), position: at },
      Home: { hook, position: 0 },
      End: { hook, position: n - 1 },
    };
    const next = to[event.key];
    if (next) move(next);
    else if (event.key === "Enter" || event.key === " ") choose(at);
    else if (event.key === "Escape") setHover(null);
    else return;
    event.preventDefault();
  };
  const choose = (at: number) => {
    if (locked(at) === "") onChoose(at);
  };
  const cellOf = (event: Event): Cell | null => {
    const at = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-cell]") : null;
    const [hook, column] = at?.dataset.cell?.split(" ").map(Number) ?? [];
    return hook === undefined || column === undefined ? null : { hook, position: column };
  };
  const classes = (at: number, own: string) =>
    `saew-lens-cell ${own}${at === position ? " saew-lens-on" : ""}${locked(at) ? " saew-lens-locked" : ""}`;
  const marked = (one: Cell) =>
    focused && here.hook === one.hook && here.position === one.position ? " saew-lens-cursor" : "";
  const place = (at: number) => ({ width: `${cell}px`, marginLeft: at === first ? `${first * cell}px` : "" });
  const anchor = hover && box.current?.querySelector<HTMLElement>(`[data-cell="${hover.hook} ${hover.position}"]`);
  const layerOf = rowOf(props);
  return (
    <div
      class="saew-lens-box"
      ref={(el) => {
        box.current = el;
        measure(el);
      }}
      onScroll={(event) => setScroll(event.currentTarget.scrollLeft)}
      onPointerLeave={() => setHover(null)}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: a table of which only the columns in sight are drawn */}
      <div
        class="saew-lens"
        role="grid"
        tabIndex={0}
        aria-label="Layers by tokens, the last layer on top. Arrows move, Enter shows the layers after a token."
        aria-rowcount={hooks.length + 2}
        aria-colcount={n + 1}
        aria-activedescendant={columns.includes(here.position) ? id(here) : undefined}
        style={{ width: `${NAME + n * cell}px` }}
        onKeyDown={onKey}
        onFocus={() => setFocused(true)}
        onBlur={() => {
          setFocused(false);
          setHover(null);
        }}
        onPointerOver={(event) => setHover(cellOf(event))}
        onClick={(event) => {
          const at = cellOf(event);
          if (!at) return;
          setCursor(at);
          choose(at.position);
        }}
      >
        {/* biome-ignore-start lint/a11y/useSemanticElements: as above */}
        {/* biome-ignore-start lint/a11y/useFocusableInteractive: the grid has the focus, and names the cell */}
        <div role="row" class="saew-lens-row saew-lens-head">
          <div role="columnheader" class="saew-lens-name">
            <Small>{"layer \u2191, token \u2192"}</Small>
          </div>
          {columns.map((at) => (
            <div
              key={at}
              role="columnheader"
              id={id({ hook: hooks.length, position: at })}
              data-cell={`${hooks.length} ${at}`}
              class={classes(at, "saew-lens-token") + marked({ hook: hooks.length, position: at })}
              style={place(at)}
              aria-colindex={at + 2}
              aria-selected={at === position}
              aria-label={saidOfToken(lens, at, locked(at))}
            >
              <span class={(lens.flags[at] ?? 0) & SPECIAL ? "saew-special" : undefined}>
                <Tok t={str[at] ?? ""} />
              </span>
            </div>
          ))}
        </div>
        {hooks
          .map(({ name, short }, hook) => (
            <div
              role="row"
              key={name}
              class={hook === layerOf ? "saew-lens-row saew-lens-layer" : "saew-lens-row"}
              aria-rowindex={hooks.length - hook + 1}
            >
              <div role="rowheader" class="saew-lens-name" title={name}>
                {hook === layerOf && <span class="saew-dot" style={{ background: `var(--saew-h${FEATURE})` }} />}
                {short}
              </div>
              {columns.map((at) => {
                const best = lens.best(hook, at);
                const shade = lens.shade(hook, at);
                const hit = lens.target(hook, at)?.rank === 0;
                return (
                  <div
                    key={at}
                    role="gridcell"
                    id={id({ hook, position: at })}
                    data-cell={`${hook} ${at}`}
                    class={classes(at, hit ? "saew-lens-hit" : "") + marked({ hook, position: at })}
                    style={{ ...place(at), background: shaded(shade, palette) }}
                    aria-colindex={at + 2}
                    aria-selected={at === position}
                    aria-label={saidOfCell(lens, hook, at)}
                  >
                    <span class="saew-lens-best">
                      <Tok t={best.t} />
                    </span>{" "}
                    <span class="saew-lens-p">{inCell(shade)}</span>
                  </div>
                );
              })}
            </div>
          ))
          .reverse()}
        <Strip {...props} columns={columns} place={place} />
        {/* biome-ignore-end lint/a11y/useFocusableInteractive: as above */}
        {/* biome-ignore-end lint/a11y/useSemanticElements: as above */}
      </div>
      {hover && anchor && hover.position < n && (
        <Tooltip
          {...{ lens, root }}
          hook={hover.hook < hooks.length ? hover.hook : null}
          position={hover.position}
          at={anchor}
        />
      )}
    </div>
  );
}

/** The hook with which the feature's dictionary stands, if there is a feature. */
function rowOf({ lens, feature }: Props): number | null {
  return feature && (lens.json.saes.find(({ name }) => name === feature.sae)?.row ?? null);
}

function saidOfToken(lens: Lens, at: number, locked: string): string {
  const more = [...remarks(lens.flags[at] ?? 0), locked].filter(Boolean).map((one) => `, ${one}`);
  return `token \u2018${tokenName(lens.json.str[at] ?? "")}\u2019, position ${at}${more.join("")}`;
}

/** What a screen reader says of a cell. */
export function saidOfCell(lens: Lens, hook: number, at: number): string {
  const { str, hooks, target } = lens.json;
  const best = lens.best(hook, at);
  const asked = lens.target(hook, at);
  const of =
    asked && target ? `, target ${tokenName(target.str)} ${chance(asked.p)}, rank ${asked.rank} (0: likeliest)` : "";
  return `${hooks[hook]?.short}, after \u2018${tokenName(str[at] ?? "")}\u2019, position ${at}: ${tokenName(best.t)} ${chance(best.p)}${of}`;
}
