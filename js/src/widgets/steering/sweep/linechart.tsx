/** A curve over the strengths with its intervals, its controls thin and grey, the usable strengths, and the strength chosen. */

import { tickLabel, ticks } from "../../../charts/axis";
import { minus, Small } from "../../../controls/small";
import type { SweepBand } from "../wire";
import type { Curve } from "./sweepdata";

const LEFT = 40;
const RIGHT = 10;
const TOP = 6;
const HEIGHT = 96;
const BOTTOM = 18;
/** Above this ratio of largest and smallest, small values would lie on the axis: then the scale is logarithmic. */
const WIDE = 30;
/** Half the width of a whisker's end. */
const CAP = 3;

interface Props {
  title: string;
  curve: Curve;
  strengths: number[];
  bands: SweepBand[];
  /** Index of the strength that is looked at. */
  at: number;
  width: number;
  /** With a logarithmic scale, if small values would lie on the axis otherwise. */
  spread: boolean;
  /** The axis need not reach 0, which says nothing of a log-probability. */
  floating?: boolean;
  onPick: (at: number) => void;
}

export function LineChart({ title, curve, strengths, bands, at, width, spread, floating = false, onPick }: Props) {
  const inner = Math.max(60, width - LEFT - RIGHT);
  const all = [curve.base, ...curve.values, ...curve.controls.flatMap((one) => [...one])].filter(Number.isFinite);
  const [least, most] = rangeOf(all, curve, spread);
  const log = spread && least > 0 && most / least > WIDE;
  const low = log || floating ? least : Math.min(0, least);
  const high = most > low ? most : low + 1;
  const shape = log ? Math.log : (value: number) => value;
  const y = (value: number) => {
    const within = Math.min(high, Math.max(low, value));
    return -((shape(within) - shape(low)) / (shape(high) - shape(low))) * HEIGHT;
  };
  const from = Math.min(...strengths);
  const to = Math.max(...strengths);
  const x = (value: number) => (to > from ? ((value - from) / (to - from)) * inner : inner / 2);
  const path = (values: ArrayLike<number>) => {
    let out = "";
    strengths.forEach((strength, i) => {
      const value = values[i] ?? Number.NaN;
      const starts = i === 0 || !Number.isFinite(values[i - 1] ?? Number.NaN);
      if (Number.isFinite(value)) out += `${starts ? "M" : "L"}${x(strength).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    return out;
  };
  const whiskers = strengths
    .map((strength, i) => {
      const [from, to] = [curve.low[i] ?? Number.NaN, curve.high[i] ?? Number.NaN];
      if (!(from < to)) return "";
      const [left, bottom, top] = [(x(strength) - CAP).toFixed(1), y(from).toFixed(1), y(to).toFixed(1)];
      // An end that lies outside the chart has no cap.
      const cap = (value: number, height: string) =>
        value >= low && value <= high ? `M${left} ${height}h${2 * CAP}` : "";
      return `M${x(strength).toFixed(1)} ${bottom}V${top}${cap(from, bottom)}${cap(to, top)}`;
    })
    .join("");
  const marks = log ? [low, Math.sqrt(low * high), high] : ticks(low, high, 3);
  const below = ticks(from, to, Math.max(2, Math.floor(inner / 60)));
  const here = curve.values[at] ?? Number.NaN;
  const step = strengths[at] ?? Number.NaN;
  const ends = [curve.low[at] ?? Number.NaN, curve.high[at] ?? Number.NaN];
  const interval = ends.every(Number.isFinite) ? `(${minus(ends[0])} to ${minus(ends[1])})` : "";
  return (
    <figure class="saew-figure">
      <figcaption>
        <Small>{`${title}${log ? " (log scale)" : ""}`}</Small>
        <b>{minus(here)}</b>
        {interval && <Small>{interval}</Small>}
        <Small>{`unedited ${minus(curve.base)}`}</Small>
      </figcaption>
      <svg
        width={LEFT + inner + RIGHT}
        height={TOP + HEIGHT + BOTTOM}
        class="saew-chart"
        aria-hidden="true"
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          onPick(nearest(strengths, from + ((event.clientX - box.left - LEFT) / inner) * (to - from)));
        }}
      >
        <g transform={`translate(${LEFT} ${TOP + HEIGHT})`}>
          {bands.map((band) => (
            <rect
              key={band.low}
              class="saew-band"
              x={x(band.low) - (band.high > band.low ? 0 : 4)}
              width={Math.max(8, x(band.high) - x(band.low))}
              y={-HEIGHT}
              height={HEIGHT}
            />
          ))}
          {marks.map((tick) => (
            <g key={tick}>
              <line class="saew-grid" x1={0} x2={inner} y1={y(tick)} y2={y(tick)} />
              <text class="saew-tick" x={-6} y={y(tick) + 4} text-anchor="end">
                {log ? Number(tick.toPrecision(2)) : tickLabel(tick, marks)}
              </text>
            </g>
          ))}
          {below.map((tick) => (
            <text key={tick} class="saew-tick" x={x(tick)} y={15} text-anchor="middle">
              {tickLabel(tick, below)}
            </text>
          ))}
          <line class="saew-axis" x1={0} x2={inner} y1={0.5} y2={0.5} />
          {Number.isFinite(curve.base) && (
            <line class="saew-base" x1={0} x2={inner} y1={y(curve.base)} y2={y(curve.base)} />
          )}
          {curve.controls.map((one, k) => (
            <path key={k} class="saew-control" d={path(one)} />
          ))}
          <path class="saew-whiskers" d={whiskers} />
          <path class="saew-curve" d={path(curve.values)} />
          {Number.isFinite(step) && <line class="saew-here" x1={x(step)} x2={x(step)} y1={0} y2={-HEIGHT} />}
          {Number.isFinite(here) && <circle class="saew-point" cx={x(step)} cy={y(here)} r={4} />}
        </g>
      </svg>
    </figure>
  );
}

/** Smallest and largest value to draw: every mean, and intervals as far as they leave the means room. */
function rangeOf(means: number[], { low, high }: Curve, positive: boolean): [number, number] {
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const room = most - least;
  const ends = (values: Float32Array) => [...values].filter(Number.isFinite);
  const bottom = Math.max(Math.min(least, ...ends(low)), positive ? least / 2 : least - room);
  return [bottom, Math.min(Math.max(most, ...ends(high)), most + room)];
}

/** The index of the strength that is nearest to a value. */
export function nearest(strengths: number[], value: number): number {
  let best = 0;
  strengths.forEach((strength, i) => {
    if (Math.abs(strength - value) < Math.abs((strengths[best] ?? 0) - value)) best = i;
  });
  return best;
}
