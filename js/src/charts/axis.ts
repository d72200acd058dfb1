/** Round numbers for axes, and bars in whole pixels: antialiased gaps between fifty bars look like data. */

import { trueMinus } from "../controls/format";

/** Round values within [low, high], about `n` of them. */
export function ticks(low: number, high: number, n: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return Number.isFinite(low) ? [low] : [];
  const raw = span / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5].find((m) => m * power >= raw * 0.999) ?? 10) * power;
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) out.push(k * step || 0); // not -0
  return out;
}

/** As short as the step between ticks allows. */
export function tickLabel(value: number, all: number[]): string {
  const size = Math.max(...all.map(Math.abs));
  const step = all.length > 1 ? Math.abs((all[1] ?? 0) - (all[0] ?? 0)) : Math.abs(value) || 1;
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value === 0 ? "0" : value.toExponential(1);
  if (size >= 10_000) return `${Number((value / 1000).toPrecision(3))}k`;
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  const exact = Math.abs(Number(step.toFixed(digits)) - step) < step * 1e-6;
  return trueMinus(value.toFixed(exact ? digits : digits + 1));
}

export type Height = (value: number) => number;

/** Share of the height that a value takes, and where its axis has ticks. */
export function heights(values: ArrayLike<number>, log: boolean, room: number): { of: Height; at: number[] } {
  let most = 0;
  let counts = true;
  for (let i = 0; i < values.length; i++) {
    most = Math.max(most, Math.abs(values[i] ?? 0));
    counts &&= Number.isInteger(values[i]);
  }
  if (most === 0) return { of: () => 0, at: [] };
  if (!log) {
    // There is no half a token.
    const at = ticks(0, most, room).filter((tick) => tick > 0 && (!counts || Number.isInteger(tick)));
    return { of: (value) => Math.abs(value) / most, at };
  }
  // log(1 + x / unit): a bin with one token is still seen. Sums below 1 need a smaller unit.
  const unit = counts || most >= 10 ? 1 : most / 100;
  const full = Math.log1p(most / unit);
  const at = [];
  for (let tick = unit; tick <= most; tick *= 10) at.push(tick);
  const skip = Math.ceil(at.length / Math.max(1, room));
  const kept = at.filter((_, i) => (at.length - 1 - i) % skip === 0);
  return { of: (value) => Math.log1p(Math.abs(value) / unit) / full, at: kept };
}

/** Edge `i` of `n` equal bins. */
export function edge(low: number, high: number, i: number, n: number): number {
  return i >= n ? high : low + ((high - low) * i) / n;
}

/** Left side and width of bar `i` of `n`, in whole pixels. */
export function bar(i: number, n: number, width: number): { x: number; w: number } {
  const x = Math.round((i * width) / n);
  const next = Math.round(((i + 1) * width) / n);
  return { x, w: Math.max(1, next - x - (width / n >= 4 ? 1 : 0)) };
}
