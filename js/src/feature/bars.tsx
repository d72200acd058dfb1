/** The bars of an activation histogram, in the dashboard and on a card. */

import { bar, edge, heights } from "../charts/axis";
import { HEIGHT } from "../charts/frame";
import type { Palette } from "../tokens/palette";
import type { HistogramData } from "./wire";

interface BarsProps {
  histogram: HistogramData;
  weighted: boolean;
  log: boolean;
  inner: number;
  palette: Palette;
  scale: number;
  prefix: string;
}

/**
 * Bars in the colours of the tokens that are in them, hatched below zero as they are, under an outline that is always seen; on an
 * estimate a line from the least to the most that it can be.
 */
export function Bars({ histogram, weighted, log, inner, palette, scale, prefix }: BarsProps) {
  const { low, high, counts, sums, bound, sumsBound } = histogram;
  const equal = high <= low;
  const values = weighted ? sums : counts;
  const off = weighted ? sumsBound : bound;
  const height = heightOf(histogram, weighted, log);
  const n = equal ? 1 : values.length;
  const hatch = `${prefix}-hatch`;
  const at = (size: number) => -Math.round(height.of(size) * HEIGHT);
  const out = [];
  for (let i = 0; i < n; i++) {
    const value = values[i] ?? 0;
    const by = off[i] ?? 0;
    if (value === 0 && by === 0) continue;
    const { x, w } = equal ? { x: inner / 2 - 12, w: 24 } : bar(i, n, inner);
    const h = value === 0 ? 0 : Math.max(1, Math.round(height.of(value) * HEIGHT));
    const middle = equal ? low : (edge(low, high, i, n) + edge(low, high, i + 1, n)) / 2;
    const level = Math.max(0.08, Math.min(1, Math.abs(middle) / scale || 0));
    const box = { x, y: -h, width: w, height: h };
    out.push(
      <g key={i} class="saew-hbar">
        <rect {...box} fill={`rgb(${palette.hues[0]} / ${(level * palette.strength).toFixed(3)})`} />
        {middle < 0 && <rect {...box} fill={`url(#${hatch})`} />}
        {h > 0 && <path class="saew-hbar-outline" d={`M${x + 0.5} 0V${0.5 - h}H${x + w - 0.5}V0`} />}
        {by > 0 && <Within x={x + w / 2} from={at(Math.max(0, Math.abs(value) - by))} to={at(Math.abs(value) + by)} />}
      </g>,
    );
  }
  return (
    <>
      {low < 0 && (
        <pattern id={hatch} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="2" height="5" class="saew-hbar-hatch" />
        </pattern>
      )}
      {out}
    </>
  );
}

/** The scale of the bars: the most that any of them can be fits under its top. */
export function heightOf({ counts, sums, bound, sumsBound }: HistogramData, weighted: boolean, log: boolean) {
  const [values, off] = weighted ? [sums, sumsBound] : [counts, bound];
  const most = Float64Array.from(values, (value, i) => {
    const by = off[i] ?? 0;
    return value < 0 ? value - by : value + by;
  });
  return heights(most, log, 4);
}

/** From the least to the most that a bar can be. */
function Within({ x, from, to }: { x: number; from: number; to: number }) {
  return <path class="saew-hbar-within" d={`M${x} ${from}V${to}`} />;
}
