/** A range of a column's values: two sliders over a histogram of all rows, in steps of its bins. */

import { useState } from "preact/hooks";
import { density, num } from "../controls/format";
import type { Json } from "../kernel/types";
import type { Distribution } from "./wire";

export type Bounds = [number | null, number | null];
/** By column, as the trait `filters` has them. */
export type Filters = Record<string, Bounds>;

/** Filters as a question has them (Python's `Between`). */
export function betweens(filters: Filters): Json {
  return Object.entries(filters)
    .map(([column, [low, high]]) => ({ column, low, high }))
    .sort((a, b) => (a.column < b.column ? -1 : 1));
}

interface RangesProps {
  columns: Distribution[];
  filters: Filters;
  onChange: (filters: Filters) => void;
}

/** A slider for every column that has two values. */
export function Ranges({ columns, filters, onChange }: RangesProps) {
  const change = (name: string, bounds: Bounds) => {
    const { [name]: _, ...rest } = filters;
    onChange(bounds[0] === null && bounds[1] === null ? rest : { ...rest, [name]: bounds });
  };
  return (
    <div class="saew-ranges">
      {columns
        .filter(({ edges }) => edges.length > 1)
        .map((column) => (
          <RangeSlider
            key={column.name}
            column={column}
            bounds={filters[column.name] ?? [null, null]}
            onChange={(bounds) => change(column.name, bounds)}
          />
        ))}
    </div>
  );
}

interface Props {
  column: Distribution;
  bounds: Bounds;
  onChange: (bounds: Bounds) => void;
}

function RangeSlider({ column, bounds, onChange }: Props) {
  const { edges, counts, title, says } = column;
  const n = edges.length - 1;
  // A bin of whole numbers is around its own: what is between two edges is from one number to another, or one alone.
  const half = column.form === "whole" ? 0.5 : 0;
  const at = (value: number | null, otherwise: number) =>
    value === null ? otherwise : edges.reduce((best, edge, i) => (edge <= value * (1 + 1e-9) ? i : best), 0);
  const kept: [number, number] = [
    at(bounds[0] === null ? null : bounds[0] - half, 0),
    at(bounds[1] === null ? null : bounds[1] + half, n),
  ];
  const low = (i: number) => (edges[i] ?? Number.NaN) + half;
  const high = (i: number) => (edges[i] ?? Number.NaN) - half;
  /** While a slider is held. */
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const [from, to] = drag ?? kept;
  if (n < 1) return null;
  const most = Math.max(1, ...counts);
  const move = (end: 0 | 1, value: number): [number, number] =>
    end === 0 ? [Math.min(value, to - 1), to] : [from, Math.max(value, from + 1)];
  const done = (ends: [number, number]) => {
    setDrag(null);
    onChange([ends[0] === 0 ? null : low(ends[0]), ends[1] === n ? null : high(ends[1])]);
  };
  const slider = (end: 0 | 1) => (
    <input
      type="range"
      min={0}
      max={n}
      value={end === 0 ? from : to}
      aria-label={`${end === 0 ? "Smallest" : "Largest"} ${title}`}
      aria-valuetext={written(column, end === 0 ? low(from) : high(to))}
      onInput={(event) => setDrag(move(end, Number(event.currentTarget.value)))}
      onChange={(event) => done(move(end, Number(event.currentTarget.value)))}
    />
  );
  const all = from === 0 && to === n;
  return (
    <fieldset class="saew-range" title={says}>
      <legend>
        {title}
        <span class="saew-small">{` ${written(column, low(from))} to ${written(column, high(to))}`}</span>
        {!all && (
          <button type="button" class="saew-link" aria-label={`Any ${title}`} onClick={() => done([0, n])}>
            {"\u00d7"}
          </button>
        )}
      </legend>
      <svg viewBox={`0 0 ${n} 24`} preserveAspectRatio="none" aria-hidden="true">
        {[...counts].map((count, i) => {
          // Logarithmic: a bin with one row is still seen.
          const h = (Math.log1p(count) / Math.log1p(most)) * 24;
          const name = i >= from && i < to ? "saew-range-in" : "saew-range-out";
          return count > 0 && <rect key={i} class={name} x={i} width={0.86} y={24 - h} height={h} />;
        })}
      </svg>
      <div class="saew-range-ends">
        {slider(0)}
        {slider(1)}
      </div>
    </fieldset>
  );
}

/** A number of a column, in its form. */
export function written({ form }: { form: string }, value: number): string {
  if (!Number.isFinite(value)) return "\u2013";
  if (form === "share") return density(value);
  if (form !== "count" && form !== "whole") return num(value);
  return form === "count" && value < 0 ? "\u2013" : Math.round(value).toLocaleString("en"); // not known
}
