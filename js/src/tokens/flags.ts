/** What the kernel says of a token beside its text (bits, as in src/saewidgets/widgets/flags.py). */

export const SPECIAL = 1;
export const OUTLIER = 2;
export const FIRST_PIECE = 4;
export const LATER_PIECE = 8;
export const BEYOND = 16;

/** Special tokens and norm outliers have activations that mean nothing: they are shown, and neither coloured nor marked. */
export function uncounted(flags: number | undefined): boolean {
  return ((flags ?? 0) & (SPECIAL | OUTLIER)) !== 0;
}

/** The flags in words. */
export function remarks(flags: number): string[] {
  const out = [];
  if (flags & SPECIAL) out.push("special token: not counted");
  if (flags & OUTLIER) out.push("norm outlier (attention sink): not counted");
  if (flags & BEYOND) out.push("a position that the SAE was not trained on");
  if (flags & (FIRST_PIECE | LATER_PIECE)) out.push("a piece of a character spread over several tokens");
  return out;
}
