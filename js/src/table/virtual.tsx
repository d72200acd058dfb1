/**
 * A table of any length: only the rows in sight are drawn, and rows come from the kernel by the window. Rows are of one
 * height. One tab stop; keys move a cursor.
 */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ROWS } from "../../../src/saewidgets/widgets/constants.json";
import type { Kernel } from "../kernel/kernel";
import type { Json } from "../kernel/types";
import type { Row, Window, WindowJson } from "./wire";

/** The event of a row that was opened, on the view's root. */
export const OPENED = "saew-opened";

export const ROW = 26;
/** Windows begin at every hundredth row, so that whatever is in sight is within one. */
const STEP = ROWS / 2;
const BEFORE = 50;
const KEPT = 6;
/** Browsers know no taller elements; beyond it a pixel of the scroll bar is more than a pixel of rows. */
const TALLEST = 8_000_000;

export interface Column<R> {
  name: string;
  title: string;
  says?: string;
  /** As grid-template-columns takes it. */
  width: string;
  number?: boolean;
  sortable?: boolean;
  cell: (row: Row<R>) => ComponentChildren;
}

interface Props<R> {
  kernel: Kernel;
  /** Which rows: asked of the channel "rows". */
  chosen: Json;
  revision: number;
  columns: Column<R>[];
  sort: string;
  descending: boolean;
  onSort: (column: string) => void;
  /** What a row is called, for selections. */
  keyOf: (row: Row<R>) => number;
  current: number | null;
  ticked: ReadonlySet<number>;
  onOpen: (row: Row<R>) => void;
  /** Rows that are to be selected, or no longer, as the one that was ticked. */
  onTick?: (keys: number[], ticked: number) => void;
  onPoint?: (row: Row<R> | null, at?: HTMLElement) => void;
  onTold?: (told: WindowJson<R>) => void;
  name: string;
  prefix: string;
  empty: ComponentChildren;
}

interface Held<R> {
  key: string;
  total: number;
  windows: Map<number, Window<R>>;
}

export function VirtualTable<R>(props: Props<R>) {
  const { kernel, chosen, revision, columns, onTick, onPoint, prefix } = props;
  const box = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState<Held<R>>({ key: "", total: -1, windows: new Map() });
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(400);
  const [cursor, draw] = useState(0);
  const last = useRef(0);
  /** Of now: keys come quicker than they are drawn. */
  const place = useRef(0);
  const setCursor = (to: number) => {
    place.current = to;
    draw(to);
  };

  const visible = Math.ceil(height / ROW);
  const whole = Math.max(0, held.total) * ROW;
  const tall = Math.min(whole, TALLEST);
  /** The first row in sight, which with a scaled scroll bar is not where its pixels say. */
  const share = tall > height ? Math.min(1, top / (tall - height)) : 0;
  const firstPixel = share * Math.max(0, whole - height);
  const firstRow = Math.floor(firstPixel / ROW);
  const start = Math.max(0, Math.floor((firstRow - BEFORE) / STEP) * STEP);
  const key = JSON.stringify([chosen, revision]);

  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const measure = () => el.clientHeight > 0 && setHeight(el.clientHeight);
    measure();
    const observer = new ResizeObserver(() => requestAnimationFrame(measure));
    observer.observe(el);
    return () => observer.disconnect();
  }, []);

  // Another choice of rows is looked at from its beginning.
  const choice = JSON.stringify(chosen);
  const before = useRef(choice);
  useLayoutEffect(() => {
    if (before.current === choice) return;
    before.current = choice;
    setCursor(0);
    if (box.current) box.current.scrollTop = 0;
    setTop(0);
  }, [choice]);

  const fresh = held.key === key;
  const wanted = fresh || before.current === choice ? start : 0;
  useEffect(() => {
    if (held.key === key && held.windows.has(wanted)) return;
    kernel.ask<WindowJson<R>>(
      "rows",
      { chosen, first: wanted, count: ROWS },
      {
        onTheWay: true,
        done: ({ r, arrays }) => {
          props.onTold?.(r);
          setHeld((old) => {
            const windows = new Map(old.key === key ? old.windows : []);
            windows.set(r.first, { first: r.first, rows: r.rows, numbers: arrays });
            for (const first of windows.keys()) if (windows.size > KEPT && first !== r.first) windows.delete(first);
            return { key, total: r.total, windows };
          });
        },
      },
    );
  }, [key, wanted]);

  const rowAt = (at: number): Row<R> | null => {
    const window = [...held.windows.values()].find(({ first, rows }) => at >= first && at < first + rows.length);
    const row = window?.rows[at - window.first];
    if (!window || row === undefined) return null;
    return { row, at, number: (column) => window.numbers[column]?.[at - window.first] ?? Number.NaN };
  };
  const show = (at: number) => {
    const el = box.current;
    const to = Math.max(0, Math.min(held.total - 1, at));
    setCursor(to);
    if (!el) return;
    const seen = Math.max(1, Math.floor((height - ROW) / ROW) - 1);
    const pixel = to < firstRow ? to * ROW : to > firstRow + seen ? (to - seen) * ROW : firstPixel;
    if (pixel === firstPixel) return;
    el.scrollTop = (pixel / Math.max(1, whole - height)) * (tall - height);
    setTop(el.scrollTop);
  };
  const tick = (at: number, range: boolean) => {
    const row = rowAt(at);
    if (!row || !onTick) return;
    const [from, to] = range ? [Math.min(at, last.current), Math.max(at, last.current)] : [at, at];
    const rows = Array.from({ length: to - from + 1 }, (_, i) => rowAt(from + i));
    last.current = at;
    onTick(
      rows.flatMap((one) => (one ? [props.keyOf(one)] : [])),
      props.keyOf(row),
    );
  };
  const onKey = (event: KeyboardEvent) => {
    const at = place.current;
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + visible - 2,
      PageUp: at - visible + 2,
      Home: 0,
      End: held.total - 1,
    };
    const to = moves[event.key];
    const row = rowAt(at);
    if (to !== undefined) show(to);
    else if (event.key === "Enter" && row) props.onOpen(row);
    else if (event.key === " ") tick(at, event.shiftKey);
    else return;
    event.preventDefault();
  };

  const layout = { gridTemplateColumns: `${onTick ? "26px " : ""}${columns.map(({ width }) => width).join(" ")}` };
  const drawn = Array.from(
    { length: Math.max(0, Math.min(visible + 2, held.total - firstRow)) },
    (_, i) => firstRow + i,
  );
  const offset = tall === whole ? firstRow * ROW : top - (firstPixel % ROW);
  return (
    <div
      class="saew-table"
      ref={box}
      onScroll={(event) => {
        setTop(event.currentTarget.scrollTop);
        onPoint?.(null);
      }}
      onPointerLeave={() => onPoint?.(null)}
    >
      <table
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a table that keys operate is a grid
        role="grid"
        tabIndex={0}
        aria-label={`${props.name}. Arrows move, Enter opens${onTick ? ", space selects" : ""}.`}
        aria-rowcount={Math.max(0, held.total) + 1}
        aria-busy={!fresh}
        aria-multiselectable={onTick !== undefined}
        aria-activedescendant={drawn.includes(cursor) ? `${prefix}-row-${cursor}` : undefined}
        onKeyDown={onKey}
      >
        <thead>
          <tr class="saew-table-row saew-table-head" aria-rowindex={1} style={layout}>
            {onTick && (
              <th scope="col">
                <span class="saew-offscreen">selected</span>
              </th>
            )}
            {columns.map((column) => (
              <Title key={column.name} column={column} {...props} />
            ))}
          </tr>
        </thead>
        <tbody style={{ height: `${tall}px`, paddingTop: `${offset}px` }}>
          {drawn.map((at) => (
            <Line
              // An element goes on as another row: making all of them anew takes most of a frame.
              key={at % (visible + 2)}
              {...props}
              {...{ at, layout }}
              row={rowAt(at)}
              cursor={at === cursor}
              onClick={(event) => {
                const row = rowAt(at);
                setCursor(at);
                if (!row) return;
                if (onTick && (event.ctrlKey || event.metaKey || event.shiftKey)) tick(at, event.shiftKey);
                else props.onOpen(row);
              }}
              onTicked={(range) => tick(at, range)}
            />
          ))}
        </tbody>
      </table>
      {held.total === 0 && fresh && <p class="saew-empty">{props.empty}</p>}
    </div>
  );
}

interface LineProps<R> extends Props<R> {
  at: number;
  /** Null while it is on its way. */
  row: Row<R> | null;
  cursor: boolean;
  layout: { gridTemplateColumns: string };
  onClick: (event: MouseEvent) => void;
  onTicked: (range: boolean) => void;
}

function Line<R>(props: LineProps<R>) {
  const { at, row, columns, ticked, keyOf, current, onTick } = props;
  const mark = row && keyOf(row);
  const on = mark !== null && ticked.has(mark);
  const chosen = mark !== null && mark === current ? " saew-chosen" : "";
  return (
    <tr
      id={`${props.prefix}-row-${at}`}
      aria-rowindex={at + 2}
      aria-selected={on}
      class={`saew-table-row${props.cursor ? " saew-table-cursor" : ""}${chosen}`}
      style={props.layout}
      onClick={props.onClick}
      // And not when it is entered: what scrolls under a pointer that rests goes on as another row.
      onPointerMove={(event) => props.onPoint?.(row, event.currentTarget)}
    >
      {onTick && (
        <td>
          <input
            type="checkbox"
            tabIndex={-1}
            checked={on}
            disabled={!row}
            aria-label={`Select row ${at + 1}`}
            onClick={(event) => {
              event.stopPropagation();
              props.onTicked(event.shiftKey);
            }}
          />
        </td>
      )}
      {columns.map((column) => (
        <td key={column.name} class={column.number ? "saew-num" : undefined}>
          {row ? column.cell(row) : "\u2026"}
        </td>
      ))}
    </tr>
  );
}

function Title<R>({ column, sort, descending, onSort }: { column: Column<R> } & Props<R>) {
  const by = column.name === sort;
  const direction = descending ? "descending" : "ascending";
  return (
    <th scope="col" class={column.number ? "saew-num" : undefined} aria-sort={by ? direction : "none"}>
      {column.sortable === false ? (
        column.title
      ) : (
        <button
          type="button"
          class="saew-quiet"
          title={column.says}
          onClick={(event) => {
            event.stopPropagation();
            onSort(column.name);
          }}
        >
          {column.title}
          {by && (descending ? " \u25be" : " \u25b4")}
        </button>
      )}
    </th>
  );
}
