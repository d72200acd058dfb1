/** Viridis: a scale of even steps to the eye, also of those who see fewer colours. */

export type Rgb = readonly [number, number, number];

/** From dark to light. */
export const VIRIDIS: readonly Rgb[] = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 73, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [110, 206, 88],
  [181, 222, 43],
  [253, 231, 37],
];

/** The colour at a share (0 to 1) of the way along a scale. */
export function along(scale: readonly Rgb[], share: number): Rgb {
  const at = Math.max(0, Math.min(1, share)) * (scale.length - 1);
  const i = Math.min(scale.length - 2, Math.floor(at));
  const [low, high] = [scale[i] as Rgb, scale[i + 1] as Rgb];
  const mix = (k: 0 | 1 | 2) => Math.round(low[k] + (high[k] - low[k]) * (at - i));
  return [mix(0), mix(1), mix(2)];
}
