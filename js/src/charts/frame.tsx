/** A histogram's frame: as wide as its panel, drawn in pixels, with ticks on both axes. What it shows is its children's. */

import type { ComponentChildren } from "preact";
import { type Height, tickLabel, ticks } from "./axis";

export const LEFT = 38;
export const HEIGHT = 112;
const TOP = 8;
const BOTTOM = 18;

interface Props {
  width: number;
  low: number;
  high: number;
  height: { of: Height; at: number[] };
  children: ComponentChildren;
}

/** Place of a value on the x axis of a plot `inner` pixels wide. */
export function place(value: number, low: number, high: number, inner: number): number {
  if (high <= low) return inner / 2;
  return Math.max(0, Math.min(1, (value - low) / (high - low))) * inner;
}

/** The drawing; children are in the plot's own coordinates: 0 to width - LEFT, and 0 (bottom) to -HEIGHT. */
export function Frame({ width, low, high, height, children }: Props) {
  const inner = Math.max(40, width - LEFT - 6);
  const marks = ticks(low, high, Math.max(2, Math.floor(inner / 70)));
  return (
    <svg width={LEFT + inner + 6} height={TOP + HEIGHT + BOTTOM} class="saew-chart" aria-hidden="true">
      <g transform={`translate(${LEFT} ${TOP + HEIGHT})`}>
        {height.at.map((tick) => {
          const y = -Math.round(height.of(tick) * HEIGHT) - 0.5;
          return (
            <g key={tick}>
              <line class="saew-grid" x1={0} x2={inner} y1={y} y2={y} />
              <text class="saew-tick" x={-6} y={y + 4} text-anchor="end">
                {tickLabel(tick, height.at)}
              </text>
            </g>
          );
        })}
        {children}
        <line class="saew-axis" x1={0} x2={inner} y1={0.5} y2={0.5} />
        {marks.map((tick) => (
          <g key={tick} transform={`translate(${Math.round(place(tick, low, high, inner)) + 0.5} 0)`}>
            <line class="saew-axis" y1={0} y2={4} />
            <text class="saew-tick" y={15} text-anchor={anchor(place(tick, low, high, inner), inner)}>
              {tickLabel(tick, marks)}
            </text>
          </g>
        ))}
      </g>
    </svg>
  );
}

/** Labels at the ends stay inside. */
function anchor(x: number, inner: number): "start" | "middle" | "end" {
  if (x > inner - 12) return "end";
  return x < 6 ? "start" : "middle";
}

/** The plot's width for a panel of this width. */
export function innerWidth(width: number): number {
  return Math.max(40, width - LEFT - 6);
}
