/** A curve over the strengths, with its controls thin and grey, the band that is recommended, and the strength chosen. */

import { tickLabel, ticks } from "../shared/axis";
import { minus } from "./bits";
import type { Curve } from "./sweepdata";

const LEFT = 40;
const RIGHT = 10;
const TOP = 6;
const HEIGHT = 96;
const BOTTOM = 18;
/** Above this ratio of largest and smallest, small values would lie on the axis: then the scale is logarithmic. */
const WIDE = 30;

interface Props {
  title: string;
  curve: Curve;
  strengths: number[];
  band: [number, number] | null;
  /** Index of the strength that is looked at. */
  at: number;
  width: number;
  /** With a logarithmic scale, if small values would lie on the axis otherwise. */
  spread: boolean;
  onPick: (at: number) => void;
}

export function LineChart({ title, curve, strengths, band, at, width, spread, onPick }: Props) {
  const inner = Math.max(60, width - LEFT - RIGHT);
  const all = [curve.base, ...curve.values, ...curve.controls.flatMap((one) => [...one])].filter(Number.isFinite);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const log = spread && least > 0 && most / least > WIDE;
  const low = log ? least : Math.min(0, least);
  const high = most > low ? most : low + 1;
  const shape = log ? Math.log : (value: number) => value;
  const y = (value: number) => -((shape(value) - shape(low)) / (shape(high) - shape(low))) * HEIGHT;
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
  const marks = log ? [low, Math.sqrt(low * high), high] : ticks(low, high, 3);
  const below = ticks(from, to, Math.max(2, Math.floor(inner / 60)));
  const here = curve.values[at] ?? Number.NaN;
  const step = strengths[at] ?? Number.NaN;
  return (
    <figure class="saew-figure">
      <figcaption>
        <span class="saew-small">{`${title}${log ? " (log scale)" : ""}`}</span>
        <b>{minus(here)}</b>
        <span class="saew-small">{`unedited ${minus(curve.base)}`}</span>
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
          {band && (
            <rect
              class="saew-band"
              x={x(band[0])}
              width={Math.max(2, x(band[1]) - x(band[0]))}
              y={-HEIGHT}
              height={HEIGHT}
            />
          )}
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
          <path class="saew-curve" d={path(curve.values)} />
          {Number.isFinite(step) && <line class="saew-here" x1={x(step)} x2={x(step)} y1={0} y2={-HEIGHT} />}
          {Number.isFinite(here) && <circle class="saew-point" cx={x(step)} cy={y(here)} r={4} />}
        </g>
      </svg>
    </figure>
  );
}

/** The index of the strength that is nearest to a value. */
export function nearest(strengths: number[], value: number): number {
  let best = 0;
  strengths.forEach((strength, i) => {
    if (Math.abs(strength - value) < Math.abs((strengths[best] ?? 0) - value)) best = i;
  });
  return best;
}
