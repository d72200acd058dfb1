/** Numbers as people read them in a column: three or four significant digits, a true minus, an exponent only at need. */

/** A number that is text already. */
export function trueMinus(text: string): string {
  return text.replace("-", "\u2212");
}

export function num(value: number): string {
  if (!Number.isFinite(value)) return "\u2013";
  if (value < 0) return `\u2212${num(-value)}`;
  // Nothing else is so short: what rounds to zero has an exponent.
  if (value === 0) return "0";
  if (value < 1e-3 || value >= 1e6) return trueMinus(value.toExponential(2));
  if (value >= 1000) return value.toFixed(0);
  if (value >= 100) return value.toFixed(1);
  if (value >= 10) return value.toFixed(2);
  return value.toFixed(3);
}

/** With its sign also if it is positive. */
export function signed(value: number): string {
  return value > 0 ? `+${num(value)}` : num(value);
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(value * 100).toFixed(value < 0.1 ? 1 : 0)}%` : "\u2013";
}

/** A share of tokens, which may be tiny, with two digits. */
export function density(share: number): string {
  return !Number.isFinite(share) || share === 0 || share >= 0.995 ? percent(share) : `${(share * 100).toPrecision(2)}%`;
}

export function count(n: number, one: string): string {
  return `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
}
