/** How strongly the feature fires, and how often: a histogram to brush, which asks for examples of that range. */

import { useMemo, useRef, useState } from "preact/hooks";
import { bar, edge } from "../../../charts/axis";
import { Frame, HEIGHT, innerWidth, LEFT, place } from "../../../charts/frame";
import { useWidth } from "../../../charts/width";
import { count, num } from "../../../controls/format";
import { Bars, heightOf } from "../../../feature/bars";
import type { FeatureAnswer } from "../../../feature/wire";
import type { Palette } from "../../../tokens/palette";
import { type Hover, useHover } from "../examples/hover";

interface Props {
  answer: FeatureAnswer;
  scale: number;
  /** The brushed range, or []. */
  range: number[];
  /** The strongest activation in the user's text. */
  mark: number | null;
  hover: Hover;
  palette: Palette;
  prefix: string;
  onRange: (range: number[]) => void;
}

type Bins = [number, number];

export function Histogram(props: Props) {
  const { answer, scale, range, mark, hover, palette, prefix, onRange } = props;
  const { histogram, json } = answer;
  const [log, setLog] = useState(false);
  const [wanted, setWanted] = useState(false);
  // Another tool's files have no sums.
  const summed = histogram?.sums.some((sum) => sum !== 0) ?? false;
  const weighted = wanted && summed;
  const [over, setOver] = useState(-1);
  const [drag, setDrag] = useState<Bins | null>(null);
  const dragging = useRef<{ from: number; moved: boolean } | null>(null);
  const [host, width] = useWidth();
  const inner = innerWidth(width);
  const bars = useMemo(
    () => histogram && <Bars histogram={histogram} {...{ weighted, log, inner, palette, scale, prefix }} />,
    [histogram, weighted, log, inner, palette, scale, prefix],
  );
  if (!histogram) return null;

  const { low, high, counts } = histogram;
  const equal = high <= low;
  const n = equal ? 1 : counts.length;
  const brush = drag ? rangeOf(drag, low, high, n) : range;
  const [from, to] = brush;

  const binAt = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - box.left - LEFT) / inner) * n)));
  };
  const release = (event: PointerEvent) => {
    const held = dragging.current;
    dragging.current = null;
    setDrag(null);
    if (!held) return;
    const bin = binAt(event);
    const clicked: Bins = [Math.min(held.from, bin), Math.max(held.from, bin)];
    const inside = binsOf(range, low, high, n);
    const outside = inside !== null && (bin < inside[0] || bin > inside[1]);
    if (!held.moved && outside) onRange([]);
    else if (held.moved || inside === null) onRange(rangeOf(clicked, low, high, n));
  };
  const onKey = (event: KeyboardEvent) => {
    const next = moved(binsOf(range, low, high, n), event, n);
    if (event.key === "Escape" && range.length === 2) onRange([]);
    else if (next) onRange(rangeOf(next, low, high, n));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const said = over >= 0 ? saying(over, answer, n, weighted) : null;
  const shown = from === undefined || to === undefined ? null : `${num(from)} to ${num(to)}`;
  return (
    <section class="saew-panel saew-hist" aria-label="Activation histogram">
      <div class="saew-head">
        <h3>Activations</h3>
        <span class="saew-toggles">
          <Toggle on={log} set={setLog} text="log" title="Logarithmic heights" />
          {summed && (
            <Toggle
              on={weighted}
              set={setWanted}
              text="expected value"
              title="Weigh every token by its activation: which activations the feature's mean is made of"
            />
          )}
        </span>
      </div>
      <div
        ref={host}
        class="saew-plot"
        role="slider"
        tabIndex={0}
        aria-label="Range of activations to show examples of. Arrows move it, with shift they widen it, Escape clears it."
        aria-valuemin={low}
        aria-valuemax={high}
        aria-valuenow={from ?? low}
        aria-valuetext={shown ?? "no range"}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          const bin = binAt(event);
          dragging.current = { from: bin, moved: false };
          event.currentTarget.setPointerCapture?.(event.pointerId);
        }}
        onPointerMove={(event) => {
          const bin = binAt(event);
          setOver(bin);
          const held = dragging.current;
          if (!held) return;
          if (bin !== held.from) held.moved = true;
          if (held.moved) setDrag([Math.min(held.from, bin), Math.max(held.from, bin)]);
        }}
        onPointerUp={release}
        onPointerCancel={() => {
          dragging.current = null;
          setDrag(null);
        }}
        onPointerLeave={() => setOver(-1)}
        onKeyDown={onKey}
      >
        <Frame width={width} low={low} high={high} height={heightOf(histogram, weighted, log)}>
          {bars}
          {from !== undefined && to !== undefined && (
            <Brush from={place(from, low, high, inner)} to={place(to, low, high, inner)} inner={inner} equal={equal} />
          )}
          {over >= 0 && <Over bin={over} n={n} inner={inner} />}
          {mark !== null && (!equal || mark === low) && (
            <Mark x={place(mark, low, high, inner)} name="saew-mark-text" flag />
          )}
          <HoverMark hover={hover} low={low} high={high} inner={inner} />
        </Frame>
      </div>
      <div class="saew-panel-foot">
        <span class="saew-small" role="status">
          {said ??
            (shown
              ? `Examples from ${shown}`
              : equal
                ? `All of them are ${num(low)}`
                : `${weighted ? `Sum of ${json.activation_name}` : "Tokens"} by ${json.activation_name}. Drag to select a range.`)}
        </span>
        {range.length === 2 && (
          <button type="button" class="saew-link" onClick={() => onRange([])}>
            Clear the range
          </button>
        )}
      </div>
      {json.histogram_of && <div class="saew-small saew-variant">{json.histogram_of}</div>}
      {mark !== null && (
        <div class="saew-small">
          <span class="saew-key-text" aria-hidden="true" />
          {`your text: at most ${num(mark)}`}
        </div>
      )}
    </section>
  );
}

function Toggle({ on, set, text, title }: { on: boolean; set: (on: boolean) => void; text: string; title: string }) {
  return (
    <label title={title}>
      <input type="checkbox" checked={on} onChange={(event) => set(event.currentTarget.checked)} /> {text}
    </label>
  );
}

function Over({ bin, n, inner }: { bin: number; n: number; inner: number }) {
  const { x, w } = bar(bin, n, inner);
  return <rect class="saew-over" x={x} y={-HEIGHT} width={w} height={HEIGHT} />;
}

/** What is outside the range is veiled. */
function Brush({ from, to, inner, equal }: { from: number; to: number; inner: number; equal: boolean }) {
  const [a, b] = equal ? [inner / 2 - 14, inner / 2 + 14] : [from, to];
  return (
    <g class="saew-brush">
      <rect class="saew-veil" x={0} y={-HEIGHT} width={Math.max(0, a)} height={HEIGHT} />
      <rect class="saew-veil" x={b} y={-HEIGHT} width={Math.max(0, inner - b)} height={HEIGHT} />
      <rect class="saew-brushed" x={a + 0.5} y={0.5 - HEIGHT} width={Math.max(1, b - a - 1)} height={HEIGHT - 1} />
    </g>
  );
}

/** A vertical line; with a flag on top so that it is not only a colour that tells two lines apart. */
function Mark({ x, name, flag = false }: { x: number; name: string; flag?: boolean }) {
  const at = Math.round(x) + 0.5;
  return (
    <g class={name}>
      <line x1={at} x2={at} y1={0} y2={-HEIGHT - 4} />
      {flag && <path d={`M${at - 4} ${-HEIGHT - 8}h8l-4 7z`} />}
    </g>
  );
}

function HoverMark({ hover, low, high, inner }: { hover: Hover; low: number; high: number; inner: number }) {
  const pointed = useHover(hover);
  // Zero is not in the histogram: it is of the active tokens.
  if (!pointed?.activation || (high <= low && pointed.activation !== low)) return null;
  return <Mark x={place(pointed.activation, low, high, inner)} name="saew-mark-hover" />;
}

function saying(bin: number, { histogram, json }: FeatureAnswer, n: number, weighted: boolean): string {
  if (!histogram) return "";
  const { low, high, counts, sums, bound, sumsBound } = histogram;
  const tokens = orSo(count(counts[bin] ?? 0, "token"), bound[bin], (by) => by.toLocaleString("en"));
  const sum = weighted ? `, sum of ${json.activation_name} ${orSo(num(sums[bin] ?? 0), sumsBound[bin], num)}` : "";
  return `${num(edge(low, high, bin, n))} to ${num(edge(low, high, bin + 1, n))}: ${tokens}${sum}`;
}

/** A number in words, with how far it can be off. */
function orSo(said: string, by: number | undefined, write: (by: number) => string): string {
  return by ? `\u2248 ${said} (\u00b1 at most ${write(by)})` : said;
}

/** The range that bins cover. */
export function rangeOf([from, to]: Bins, low: number, high: number, n: number): number[] {
  return [edge(low, high, from, n), edge(low, high, to + 1, n)];
}

/** The bins that a range covers; Python's ranges need not end at edges. */
export function binsOf(range: number[], low: number, high: number, n: number): Bins | null {
  const [from, to] = range;
  if (from === undefined || to === undefined) return null;
  if (high <= low) return [0, 0];
  const bin = (value: number) => ((value - low) / (high - low)) * n;
  const first = Math.max(0, Math.min(n - 1, Math.floor(bin(from) + 1e-6)));
  return [first, Math.max(first, Math.min(n - 1, Math.ceil(bin(to) - 1e-6) - 1))];
}

/** The bins after a key; null for a key that means nothing here. */
function moved(bins: Bins | null, event: KeyboardEvent, n: number): Bins | null {
  const right = event.key === "ArrowRight" || event.key === "ArrowUp";
  const left = event.key === "ArrowLeft" || event.key === "ArrowDown";
  if (event.key === "Home") return [0, 0];
  if (event.key === "End") return [n - 1, n - 1];
  if (!right && !left) return null;
  if (!bins) return right ? [0, 0] : [n - 1, n - 1];
  const [from, to] = bins;
  if (event.shiftKey) return right ? [from, Math.min(n - 1, to + 1)] : [from, Math.max(from, to - 1)];
  const by = right ? Math.min(1, n - 1 - to) : -Math.min(1, from);
  return [from + by, to + by];
}
