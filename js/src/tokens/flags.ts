/** What the kernel says of a token beside its text, in bits. */

import { BEYOND, FIRST_PIECE, LATER_PIECE, OUTLIER, SPECIAL } from "../../../src/saewidgets/widgets/constants.json";

export { BEYOND, FIRST_PIECE, LATER_PIECE, OUTLIER, SPECIAL };

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
